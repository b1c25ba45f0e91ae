/*
 * Records: the state of a process, written frozen and read by ckpt_restart, ckpt_inspect and, in
 * the restored process, libckpt. A section is a sequence of
 *
 *   struct rec | payload structure | variable bytes (a string is terminated) | padding to 8
 *
 * A payload may grow at its end in later versions: readers take what they know and zero the rest.
 * Record types a reader does not know are skipped unless REC_REQUIRED is set.
 */
#ifndef CKPT_RECORDS_H
#define CKPT_RECORDS_H

#include "core.h"

struct rec {
	uint16_t type; /* enum rec_type */
	uint16_t flags;
	uint32_t size; /* of payload and variable bytes, padding not counted */
};
_Static_assert(sizeof(struct rec) == 8, "on disk");

enum { REC_REQUIRED = 1 };

enum rec_type {
	REC_JOB = 1,
	REC_PROCESS,
	REC_STRING,
	REC_RLIMIT,
	REC_THREAD,
	REC_VMA,
	REC_SIGACTION,
	REC_SIGINFO,
	REC_ITIMER,
	REC_TIMER,
	REC_CPU,
	REC_FD = 32,
	REC_FILE,
	REC_OBJECT,
	REC_EPOLL,
	REC_EVENTFD,
	REC_TIMERFD,
	REC_SIGNALFD,
	REC_INOTIFY,
	REC_PIDFD,
	REC_LOCK,
	REC_BYTES,
	REC_TTY,
	REC_SOCKET,
	REC_AIO,
	REC_PLUGIN, /* what the plugin of an open file keeps about it */
	REC_CHILD,  /* of a process: what its wait(2) has not told it yet */
	REC_IPC,    /* a SysV object of the job; in the process that saved it */
	REC_SYSCTL, /* a limit of the IPC namespace: "kernel/msgmax=8192" */
	REC_ON_SIGNAL, /* of the job: what signals ask for, a byte for each (enum on_signal); absent: nothing */
};

/* The job and the machine it ran on. */
struct rec_job {
	char job[32];
	char name[64];
	char host[65];
	char kernel[65];
	char reserved[6];
	uint64_t generation;
	uint32_t nprocesses;
	uint32_t uid;
	uint64_t pause_ns; /* freeze to snapshot, as known when the image was written */
};
_Static_assert(sizeof(struct rec_job) == 256, "on disk");

/* What the CPU must have for this image: from cpuid and xgetbv at the checkpoint. */
struct rec_cpu {
	uint32_t leaf1_ecx, leaf1_edx;
	uint32_t leaf7_ebx, leaf7_ecx, leaf7_edx;
	uint32_t xsave_size; /* bytes of the signal frame's extended state */
	uint64_t xcr0;
};
_Static_assert(sizeof(struct rec_cpu) == 32, "on disk");

/* Memory layout as prctl(PR_SET_MM_MAP) takes it. */
struct rec_mm {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
};

struct rec_process {
	int32_t pid, ppid, pgid, sid; /* as the process sees them */
	int32_t leader_tid;	      /* the thread that ran the checkpoint */
	uint32_t nthreads;
	uint32_t uid, gid;
	uint32_t umask;
	uint32_t personality;
	int32_t dumpable;
	int32_t oom_score_adj;
	uint32_t no_new_privs;
	uint32_t main_exited;  /* the main thread is a zombie */
	uint64_t monotonic_ns; /* clocks when all are frozen and have told their descriptors */
	uint64_t boottime_ns;
	uint64_t realtime_ns; /* and at the freeze */
	uint64_t control; /* address of libckpt's struct restart_control (restart.h) */
	uint64_t caps[4]; /* effective, permitted, inheritable, ambient */
	struct rec_mm mm;
	uint64_t vdso_hash;   /* checksum of the vdso's text */
	uint32_t thp_disable; /* prctl state */
	int32_t pdeathsig;
	uint32_t child_subreaper;
	uint32_t flags; /* enum process_flag */
	int32_t tty_pgid; /* foreground group of the controlling terminal, 0: none */
	uint32_t last_pid; /* /proc/sys/kernel/ns_last_pid, 0: unknown */
	int32_t parent;	     /* index of its parent in this image, -1: outside the job, or init */
	int32_t exit_signal; /* what its parent gets when it ends; 0: nothing */
	uint32_t files_of;   /* with PROCESS_SHARES_FILES: whose descriptor table it shares, an index below its own */
	uint32_t fs_of;	     /* the same for root, directory and umask */
	uint16_t tty_rows, tty_cols; /* size of the controlling terminal, of the first process only; 0: unknown */
	uint32_t reserved;
};

enum process_flag {
	PROCESS_STOPPED = 1, /* by a signal; stays stopped after a restart */
	PROCESS_SHARES_FILES = 2, /* it is no thread of that process, but made by CLONE_FILES, */
	PROCESS_SHARES_FS = 4,	  /* or CLONE_FS */
	PROCESS_FIRST = 8, /* ckpt_launch was told to run it: its end is that of the job for whoever waits */
	PROCESS_TTY = 16,  /* has a controlling terminal */
};

/* A child that has changed state, as the parent's waitid(2) with WNOWAIT shows it. */
struct rec_child {
	int32_t pid;
	int32_t pgid, sid;
	int32_t exit_signal;
	int32_t code;	/* si_code: CLD_EXITED, …; of a zombie, or of a stop or continue not yet waited for */
	int32_t status; /* si_status: exit status or signal */
	uint32_t uid;
	uint32_t reserved;
	char comm[16];
};
_Static_assert(sizeof(struct rec_child) == 48, "on disk");


enum string_kind {
	STRING_COMM = 1,
	STRING_EXE,
	STRING_CWD,	/* ends in " (deleted)" when it is */
	STRING_CMDLINE, /* arguments, each terminated */
	STRING_AUXV,	/* bytes of /proc/PID/auxv */
	STRING_WARNING, /* a line about what won't come back */
};

struct rec_string {
	uint32_t kind;
	uint32_t len; /* bytes that follow, terminator not counted */
};

struct rec_rlimit {
	uint32_t resource;
	uint32_t reserved;
	uint64_t cur, max;
};

/* Callee-saved state at the point where a restored thread goes on, inside libckpt. */
struct context {
	uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};
_Static_assert(sizeof(struct context) == 64, "asm offsets");

struct rec_thread {
	int32_t tid;
	uint32_t flags; /* THREAD_* */
	uint64_t fs_base, gs_base;
	struct context context;
	char comm[16];
	uint64_t app_rip, app_rsp; /* where the program was interrupted */
	uint64_t frame;		   /* address of the ucontext of its signal frame */
};
enum { THREAD_LEADER = 1 };

enum vma_flag {
	VMA_SHARED = 1 << 0,
	VMA_FILE = 1 << 1,	/* backed by the path that follows the record */
	VMA_DELETED = 1 << 2,	/* the path is gone or another file now */
	VMA_STACK = 1 << 3,	/* the main thread's stack */
	VMA_HEAP = 1 << 4,	/* brk */
	VMA_VDSO = 1 << 5,
	VMA_VVAR = 1 << 6,	/* any [vvar…] area */
	VMA_GROWSDOWN = 1 << 7,
	VMA_NORESERVE = 1 << 8,
	VMA_LOCKED = 1 << 9,	/* mlock */
	VMA_LOCKONFAULT = 1 << 10,
	VMA_HUGEPAGE = 1 << 11, /* madvise state: */
	VMA_NOHUGEPAGE = 1 << 12,
	VMA_DONTFORK = 1 << 13,
	VMA_WIPEONFORK = 1 << 14,
	VMA_DONTDUMP = 1 << 15,
	VMA_SEQUENTIAL = 1 << 16,
	VMA_RANDOM = 1 << 17,
	VMA_MERGEABLE = 1 << 18,
	VMA_HUGETLB = 1 << 19,
	VMA_OBJECT = 1 << 20, /* shared memory whose content is object `object` */
	VMA_AIO = 1 << 21,
	VMA_HAS_TEXT = 1 << 22, /* STREAM_FILE_TEXT holds the file's bytes */
	VMA_GUARD = 1 << 23,	/* a range of lightweight guard pages inside the area before it */
	VMA_UNINIT = 1 << 24,
	VMA_DROPPABLE = 1 << 25, /* MAP_DROPPABLE: may read as zeros at any time, has no content here */
	VMA_SYSV = 1 << 26,	 /* attached SysV shared memory: `object` is its id, see REC_IPC */
	VMA_READONLY = 1 << 27,	 /* of VMA_SYSV: attached with SHM_RDONLY, can't be made writable */
};

struct rec_vma {
	uint64_t start, end;
	uint64_t offset; /* bytes, in file or object */
	uint32_t prot;	 /* PROT_* */
	uint32_t flags;	 /* enum vma_flag */
	uint64_t dev, ino;
	uint64_t file_size;
	int64_t file_mtime_ns;
	uint32_t object; /* with VMA_OBJECT; with VMA_SYSV the id of the segment */
	uint32_t page_kb; /* with VMA_HUGETLB: size of its pages, in KiB */
	/* path, terminated, "" for anonymous memory */
};

struct rec_sigaction {
	uint32_t sig;
	uint32_t reserved;
	uint64_t handler, flags, restorer, mask;
};

/* A queued signal. tid 0: for the process. */
struct rec_siginfo {
	int32_t tid;
	int32_t sig;
	uint8_t info[128];
};

struct rec_itimer {
	uint32_t which; /* ITIMER_* */
	uint32_t reserved;
	int64_t interval_us, value_us;
};

/* A POSIX timer, from /proc/self/timers and timer_gettime(2). */
struct rec_timer {
	int32_t id;
	int32_t clock;
	int32_t notify; /* SIGEV_* */
	int32_t signo;
	int32_t tid; /* SIGEV_THREAD_ID */
	int32_t overrun;
	uint64_t sigval;
	int64_t interval_ns, value_ns;
};

/* ---- Descriptors (plugins and src/restart/descriptors.c) ---- */

/* One descriptor: a number that refers to an open file description. */
struct rec_fd {
	int32_t fd;
	uint32_t cloexec;
	uint32_t file; /* id of its REC_FILE; 0: not open, but to be kept free while building */
	uint32_t reserved;
};

/* One open file description, shared by all descriptors that dup(2) made of it. Path follows. */
struct rec_file {
	uint32_t id; /* one for the whole image; the record is in the process that saved it */
	uint32_t closed; /* 1: it is not open, and nobody gets it */
	char plugin[16];	   /* name of the plugin that saved it */
	uint32_t flags;		   /* F_GETFL */
	uint32_t mode;		   /* st_mode */
	int64_t pos;
	uint64_t dev, ino, rdev;
	uint64_t size;
	int64_t mtime_ns;
	uint32_t nlink;
	uint32_t object; /* content saved as this object (stream), 0: none */
	int32_t owner;	 /* F_GETOWN_EX */
	int32_t owner_type;
	int32_t sig; /* F_GETSIG */
	uint32_t policy; /* enum files_policy: what --files said of it at the checkpoint */
	/* link text of /proc/self/fd/N, terminated */
};

/* Of one open file; the plugin's own structure of len bytes follows, then its variable bytes. */
struct rec_plugin {
	uint32_t file; /* id of its REC_FILE */
	uint32_t len;
};

/* Content kept as a stream: a deleted file, memfd, shared memory. Name follows. */
struct rec_object {
	uint32_t id; /* one for the whole image */
	uint32_t kind; /* enum object_kind */
	uint64_t dev, ino;
	uint64_t size; /* bytes; holes are what no extent covers */
	uint32_t mode;
	uint32_t seals;
};
enum object_kind {
	OBJECT_FILE = 1, /* deleted file */
	OBJECT_MEMFD,
	OBJECT_SHMEM,	/* anonymous shared memory, only mapped */
	OBJECT_MAPPED,	/* a file that still exists, whole: what no extent covers is a hole */
	OBJECT_MAPPED_PART, /* parts of a file that still exists: the rest of it is left as it is */
	OBJECT_SYSV, /* a SysV segment: dev is OBJECT_SYSV_DEV, ino its id */
};
#define OBJECT_SYSV_DEV (~0ull)

/* A SysV object. Values of a set of semaphores (uint16_t each) or messages follow. */
struct rec_ipc {
	uint32_t kind; /* enum ipc_kind */
	int32_t id;
	int32_t key;   /* IPC_PRIVATE (0) also of a segment that ends with its last attachment */
	uint32_t mode; /* permissions; of a segment also SHM_DEST and SHM_LOCKED of <linux/shm.h> */
	uint32_t uid, gid, cuid, cgid;
	uint64_t size;	 /* bytes of a segment, semaphores of a set, most bytes in a queue */
	uint32_t object; /* a segment's content */
	uint32_t nmessages;
	int32_t cpid;	 /* creator of a segment; 0: unknown */
	uint32_t reserved;
};
_Static_assert(sizeof(struct rec_ipc) == 56, "on disk");

enum ipc_kind { IPC_SHM = 1, IPC_SEM, IPC_MSG };

/*
 * A message of a queue, oldest first; its bytes follow, padded to 8. From type on it is what msgsnd(2)
 * takes.
 */
struct ipc_message {
	uint32_t len;
	uint32_t reserved;
	int64_t type;
};
_Static_assert(sizeof(struct ipc_message) == 16, "on disk");

/* ---- Reading and writing records (records.c) ---- */

/*
 * Append a record: payload p of n bytes, then extra bytes of m (may be NULL, 0). Errors are sticky
 * in b->err. Returns the payload inside b, valid until the next append, or NULL.
 */
void *rec_put(struct blob *b, uint16_t type, uint16_t flags, const void *p, size_t n,
	      const void *extra, size_t m);
void rec_put_string(struct blob *b, uint32_t kind, const char *s, size_t len);

/* Walks records in data[0..n): a hostile stream ends early with err set. */
struct rec_iter {
	const uint8_t *p, *end;
	const struct rec *rec;
	int err;
};

struct rec_iter rec_iter(const void *data, size_t n);
/* Next record or NULL; it->err is -EBADMSG when the rest is no record. */
const struct rec *rec_next(struct rec_iter *it);
/* Next record of the type. */
const struct rec *rec_next_type(struct rec_iter *it, uint16_t type);
/* Copy the payload to *to (n bytes), zeroing what the record does not have. */
void rec_get(const struct rec *r, void *to, size_t n);
/*
 * The bytes that follow a payload of n bytes; *len is their count without the terminator. Never NULL;
 * always terminated for records written with extra bytes ending in 0; "" when absent or not
 * terminated.
 */
const char *rec_extra(const struct rec *r, size_t n, size_t *len);

#endif
