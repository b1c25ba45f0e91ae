/*
 * What /proc tells of other processes. Nothing here keeps state; every answer may be out of date
 * when it is used, and a process that has ended is -ESRCH or -ENOENT.
 */
#ifndef CKPT_PROC_H
#define CKPT_PROC_H

#include "protocol.h"

/* What /proc/PID/stat tells. */
struct proc_stat {
	int pid, ppid; /* in our pid namespace */
	int nthreads;
	int exit_signal; /* 0: no wait() of its parent sees it */
	char state;
	char name[64];
	uint64_t start_time; /* clock ticks since boot */
};
int proc_stat(int pid, struct proc_stat *s);
/* Has the process ended, or will it not run again? Its main thread alone may have. */
bool proc_is_over(const struct proc_stat *s);

/* How many tasks there are in the system, and the number that was given to the newest one of our namespace. */
struct proc_tasks {
	int n, newest;
};
int proc_tasks(struct proc_tasks *t);

/* A process as it can be told from any other, and placed among them. */
struct proc_facts {
	int pid, ppid; /* in our pid namespace */
	int inner_pid; /* in its own */
	char state;
	char name[64];
	uint64_t start_time; /* clock ticks since boot */
	uint64_t pidns;	     /* inode of its pid namespace, 0: unknown */
};

int proc_facts(int pid, struct proc_facts *f);

/* What /proc/PID/task/TID/status tells; tid 0: the main thread. Signals are kernel sets (bit n-1 is n). */
struct proc_status {
	char state;
	int tracer;	 /* pid, 0: none */
	int inner_pid;	 /* in the innermost pid namespace */
	uint32_t uid[4]; /* real, effective, saved, file system */
	uint64_t pending; /* for this thread alone */
	uint64_t blocked, caught;
	uint32_t seccomp, filters; /* mode, and how many filters there are */
};
int proc_status(int pid, int tid, struct proc_status *s);

/* The hard limit on descriptors of pid if none is free below it, else 0. */
unsigned int proc_descriptors_full(int pid);

/* What kind of program is mapped: is libckpt in it? */
enum proc_program {
	PROC_UNKNOWN, /* can't be told, or not yet */
	PROC_STATIC,  /* without a dynamic linker, or not yet with one */
	PROC_FOREIGN, /* libc is there, but was not preceded by libckpt */
	PROC_OURS,
};
enum proc_program proc_program(int pid);

/* The job configuration and CKPT_SOCKET ("" when absent) from a process' environment; -errno. */
int proc_config(int pid, struct job_config *c, char *socket_path, size_t n);

/* The system call that a thread is blocked in: 0 and sp 0 when it is in none or can't be asked. */
void proc_blocked(int pid, int tid, uint32_t *nr, uint64_t *sp, uint64_t *pc);

/* A thread that takes signo now: the main thread if it can. 0: none at the moment. */
int proc_thread_for(int pid, int signo);

/* Append "thread N (name): state, wchan", for a thread in uninterruptible sleep or the main one. */
void proc_describe(int pid, struct text *t);

/* Call see(tid, arg) for every thread of pid; stops when it returns other than 0. */
void proc_each_thread(int pid, int (*see)(int tid, void *arg), void *arg);

/*
 * Call see(child, arg) for the children of all threads of pid. The list is complete only if none of them
 * ends meanwhile.
 */
void proc_each_child(int pid, void (*see)(int child, void *arg), void *arg);

/* Call see(pid, arg) for every process of our user; stops when it returns other than 0. */
void proc_each(int (*see)(int pid, void *arg), void *arg);

#endif
