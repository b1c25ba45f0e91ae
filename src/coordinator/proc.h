/*
 * What /proc tells of other processes. Nothing here keeps state; every answer may be out of date
 * when it is used, and a process that has ended is -ESRCH or -ENOENT.
 */
#ifndef CKPT_PROC_H
#define CKPT_PROC_H

#include "protocol.h"

/* A process as it can be told from any other, and placed among them. */
struct proc_facts {
	int pid, ppid;	 /* in our pid namespace */
	int inner_pid;	 /* in its own */
	int exit_signal; /* 0: no wait() of its parent sees it */
	char state;
	char name[64];
	uint64_t start_time; /* clock ticks since boot */
	uint64_t pidns;	     /* inode of its pid namespace, 0: unknown */
};

int proc_facts(int pid, struct proc_facts *f);

/* Signals, as kernel sets (bit n-1 is signal n), of a thread; tid 0: the main thread. */
struct proc_signals {
	char state;
	uint64_t blocked, caught;
};
int proc_signals(int pid, int tid, struct proc_signals *s);

/* A user id of pid (real, effective, saved, file system) that is not uid; uid when there is none. */
unsigned int proc_other_user(int pid, unsigned int uid);

/* The hard limit on descriptors of pid if none is free below it, else 0. */
unsigned int proc_descriptors_full(int pid);

/* The job configuration and CKPT_SOCKET ("" when absent) from a process' environment; -errno. */
int proc_config(int pid, struct job_config *c, char *socket_path, size_t n);

/* The system call that a thread is blocked in: 0 and sp 0 when it is in none or can't be asked. */
void proc_blocked(int pid, int tid, uint32_t *nr, uint64_t *sp, uint64_t *pc);

/* A thread that takes signo when it is sent: the main thread if it can. 0: none. */
int proc_thread_for(int pid, int signo);

/* Append "thread N (name): state, wchan", for a thread in uninterruptible sleep or the main one. */
void proc_describe(int pid, struct text *t);

/* The first child process of pid that a wait() of it would find; 0: none. */
int proc_child(int pid);

/* Call see(pid, arg) for every process of our user; stops when it returns other than 0. */
void proc_each(int (*see)(int pid, void *arg), void *arg);

#endif
