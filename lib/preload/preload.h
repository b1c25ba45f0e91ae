/*
 * libckpt: what its files share.
 *
 * In a running program one signal handler waits and nothing else of ours exists: no thread, no
 * descriptor, no timer. When the reserved signal arrives with SI_QUEUE, the thread that takes it
 * becomes the leader (leader.c): it connects to the coordinator, makes all other threads take the
 * same signal with SI_TKILL (freeze.c), where they save their own state (thread.c) and park; collects
 * what the process is (process.c, descriptors.c, memory.c), forks a snapshot that writes the image
 * (snapshot.c), and thaws.
 *
 * A restored process begins where its threads were parked: the restorer sends each to the context
 * it saved, each puts its own state back, and the leader the rest, then thaws as in the original.
 */
#ifndef CKPT_PRELOAD_H
#define CKPT_PRELOAD_H

#include <signal.h>
#include <ucontext.h>
#include <stdbool.h>
#include "core.h"
#include "protocol.h"
#include "records.h"
#include "handover.h"
#include "save.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* ---- preload.c: what the constructor found; constant afterwards ------------------------- */

struct preload {
	bool active;		/* launched under ckpt, handler installed */
	char socket[108];	/* of the coordinator */
	char exe_name[64];
	struct job_config config;
	int32_t sid;		/* session the program was started in */
	uint64_t sigbit;	/* the reserved signal in a kernel signal set */
	uint8_t *leader_stack;	/* of leader_stack_len bytes, guard page below */
	size_t leader_stack_len;
	uint8_t *snapshot_stack;
	size_t snapshot_stack_len;
	char *maps_buf;		/* room for the text of /proc/self/maps */
	size_t maps_cap;
	struct fork_page *fork_page;
	long rseq_offset;	/* from the thread pointer; 0: glibc has not registered rseq */
	uint32_t rseq_len;
	uint64_t vdso_start;	/* code of the kernel's vdso; another place after a restart */
	uint64_t vdso_len;
};
extern struct preload preload HIDDEN;

/* A page that reads as zeros in a forked child (MADV_WIPEONFORK): no fork handler is needed. */
struct fork_page {
	int32_t pid; /* of the process whose memory this is */
};

/* Tell the coordinator that this process exists; nobody answers. Frozen-safe. */
void hello_send(uint32_t flags) HIDDEN;

/* ---- thread.c: what one thread has that its signal frame does not --------------------------- */

/* A queued signal. */
struct queued_signal {
	int32_t sig;
	uint8_t info[128];
};
enum { QUEUED_MAX = 4096 / sizeof(struct queued_signal) * 16 };

struct queued_signals {
	struct queued_signal *sig; /* own mapping of map_len bytes, NULL when empty */
	uint32_t n;
	uint32_t lost; /* signals that did not fit */
	size_t map_len;
};

/* sched_setattr(2); <linux/sched/types.h> can't be included beside libc's <sched.h>. */
struct sched_state {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

/* State of one parked thread; lives on that thread's stack, below its signal frame. */
struct parked {
	struct parked *next;
	struct context context;
	ucontext_t *uc;
	int32_t tid;
	uint64_t fs_base, gs_base;
	uint64_t cap_bounding;
	uint64_t robust_list, robust_len;
	uint64_t tid_address;
	uint64_t timerslack;
	uint64_t caps[4];
	int32_t nice; /* also of policies that sched_setattr(2) has none for */
	int32_t securebits, no_new_privs, mce_kill;
	struct sched_state sched;
	struct queued_signals queued; /* private to the thread */
	char comm[16];
	uint8_t affinity[64];
	uint32_t affinity_len;
	bool rseq_registered;
};

void thread_save(struct parked *p, ucontext_t *uc) HIDDEN;
/* In the restored thread: everything but the signals, then those. */
void thread_restore(struct parked *p) HIDDEN;
/* Give up what the capsule gave, or become again what the thread was. */
void thread_restore_caps(const struct parked *p, bool drop) HIDDEN;
/* Dequeue every signal of set that is pending for this thread, then for the process. */
void signals_take(struct queued_signals *q, uint64_t set) HIDDEN;
/* Queue them again; tid 0: for the process. */
void signals_queue(const struct queued_signals *q, int tid) HIDDEN;
void signals_free(struct queued_signals *q) HIDDEN;

/* ---- freeze.c: all threads stand still ------------------------------------------------------ */

extern struct restart_control restart_control HIDDEN;

/* Try to become the leader; false when another thread is. */
bool freeze_lead(void) HIDDEN;
void freeze_resign(void) HIDDEN;
/* Park this thread if a freeze is under way; returns when it is over. */
void freeze_park(ucontext_t *uc) HIDDEN;
/*
 * Stop every other thread. On failure nothing is thawed yet and why says which thread.
 * *main_exited: the main thread is a zombie.
 */
int freeze_threads(uint32_t timeout_ms, uint32_t *nthreads, bool *main_exited,
		   struct text *why) HIDDEN;
struct parked *freeze_list(void) HIDDEN;
/* In the restored process: wait until n other threads have come back. */
void freeze_await_arrivals(uint32_t n) HIDDEN;
void freeze_thaw(void) HIDDEN;
/* In a forked child: forget the freeze of the parent. */
void freeze_reset(void) HIDDEN;

/* ---- unblock.c ------------------------------------------------------------------------------- */

/*
 * Take the reserved signal out of the masks of these threads, which are other ones of this process. 0
 * also when one has ended meanwhile; else the first failure, -errno.
 */
int threads_unblock(const int32_t *tid, uint32_t n) HIDDEN;

/* ---- eintr.c ----------------------------------------------------------------------------------- */

/* A blocking call with a relative timeout under way, recorded by its wrapper. */
struct wait_record {
	uint64_t sp;	      /* in the wrapper's frame; 0: none */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	struct timespec *ts;  /* the timeout that the kernel was given, NULL: in a register, in ms */
	int32_t nr;	      /* system call */
};
extern __thread struct wait_record wait_record HIDDEN __attribute__((tls_model("initial-exec")));
/* How often this thread was frozen: a call that gave less than it was asked for may have been cut short. */
extern __thread uint32_t thread_freezes HIDDEN __attribute__((tls_model("initial-exec")));

/* What the coordinator read in /proc/PID/task/TID/syscall before the signal. sp 0: nothing. */
struct blocked_call {
	uint32_t nr;
	uint64_t sp, pc;
};

/* If the freeze interrupted a system call that now would fail with EINTR, run it again. */
void eintr_restart(ucontext_t *uc, const struct blocked_call *blocked) HIDDEN;
/* rest.c: if it made a call return with a part of the bytes, let the thread do the rest. False: no. */
bool rest_continue(ucontext_t *uc) HIDDEN;

/* ---- vdso.c ------------------------------------------------------------------------------------ */

/*
 * True when the signal came upon this thread inside of the vdso: return, it comes again in a moment.
 * Signals of the timer that sees to this become in *info what they were at first.
 */
bool vdso_let_out(siginfo_t *info, const ucontext_t *uc) HIDDEN;

/* ---- process.c ----------------------------------------------------------------------------------- */

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

enum { TIMERS_MAX = 1024, AIO_MAX = 256 };

/* What the process as a whole is; lives on the leader's stack, and so in the image. */
struct process_state {
	struct rec_process rec;
	struct kernel_sigaction sigaction[64];
	uint64_t rlimit[16][2];
	uint64_t nofile[2]; /* RLIMIT_NOFILE of the program while ours is higher; 0, 0: it is not */
	struct {
		int64_t interval[2], value[2];
	} itimer[3];
	struct rec_timer timers[TIMERS_MAX];
	uint32_t ntimers;
	struct {
		uint64_t start, len;
	} aio[AIO_MAX]; /* rings of linux-aio contexts */
	uint32_t naio;
	uint64_t vmlck_kb;
	struct queued_signals queued;
	int32_t tracer;
};

/* Take the signals queued for the process. Maps memory that must be in the image. */
void process_take_signals(struct process_state *ps) HIDDEN;
/* Ask the kernel; add records; refuse what can't be. */
void process_save(struct process_state *ps, struct save *s, bool main_exited) HIDDEN;
/* In the restored process, all threads there. warn: told what did not come back. */
void process_restore(struct process_state *ps, int log_fd) HIDDEN;

/* ---- memory.c ------------------------------------------------------------------------------ */

/*
 * The areas of the process as read in the pause, before anything of ours is mapped: so that nothing
 * of ours is in the image.
 */
struct memory {
	char *maps; /* text of /proc/self/maps, in preload.maps_buf unless that is too small */
	size_t maps_len;
	char *smaps; /* text of smaps when it had to be read in the pause, else NULL */
	size_t smaps_len;
};

/* What kind of area a line of maps is. */
enum area {
	AREA_SKIP,	/* not ours to keep: [vsyscall] */
	AREA_ANON,	/* private, content only in memory; [heap] and [stack] too */
	AREA_FILE,	/* private mapping of a file that has a name */
	AREA_GONE,	/* private mapping of a deleted file */
	AREA_SHARED,	/* shared mapping of a file that has a name */
	AREA_OBJECT,	/* shared memory without a name: anonymous, memfd, a deleted file */
	AREA_SPECIAL,	/* vdso and vvar */
	AREA_AIO,	/* ring of a linux-aio context */
	AREA_REFUSED,
};

/* what: filled with why, for AREA_REFUSED. */
enum area area_kind(const struct map_line *m, const char **what) HIDDEN;

/* Read the areas. 0 or -errno. */
int memory_read(struct memory *m) HIDDEN;
/* In the pause: copy what the snapshot would not see. Refuses what can't be restored. */
void memory_save(struct memory *m, struct save *s, const struct process_state *ps) HIDDEN;
/* Unmap whatever has been mapped since memory_read(); nothing else has run since. */
void memory_drop_new(struct memory *m) HIDDEN;
/* Set by the madvise wrapper: a fork loses areas, so look closer in the pause. */
extern bool memory_fork_advice HIDDEN;
/* Copy n bytes at addr of this process, as far as they can be read; bytes copied. */
size_t memory_copy(void *to, uint64_t addr, size_t n) HIDDEN;

/*
 * Walk a text of smaps beside one of maps: the VmFlags of the area that starts at start, "" when it
 * is not there. *p starts at the text and moves on.
 */
const char *smaps_flags(const char **p, const char *end, uint64_t start) HIDDEN;
bool vmflag(const char *flags, const char *name) HIDDEN;

/* ---- aio.c: linux-aio contexts ---------------------------------------------------------------- */

/* Requests that a context has taken; counted by wrappers/aio.c. */
struct aio_count {
	uint64_t context;   /* 0: free */
	uint64_t submitted; /* since it was made; relaxed */
};

/* The count of a context, made when there is none; NULL: unknown, or no room. */
struct aio_count *aio_count(uint64_t context, bool make) HIDDEN;
/* In the pause, before descriptors are looked at: wait for requests in flight, copy the rings. */
void aio_save(struct memory *m, struct save *s, struct process_state *ps) HIDDEN;
/* In the restored process: ends it when a context can't be made again. */
void aio_restore(const struct process_state *ps, int log_fd) HIDDEN;

/* ---- pagescan.c: which pages of an area exist ------------------------------------------------ */

enum page_kind { PAGE_OWN, PAGE_OF_FILE, PAGE_GUARD };

struct page_scan {
	int fd;	      /* /proc/self/pagemap */
	int no_ioctl; /* the kernel has no PAGEMAP_SCAN */
	int no_guard; /* nor tells guard pages */
};

int page_scan_open(struct page_scan *ps) HIDDEN;
/*
 * Call fn for each run of pages in [start, end), lowest first. Pages never touched and zero pages are
 * in none. 0, fn's first non-zero result, or -errno.
 */
int page_scan(struct page_scan *ps, uint64_t start, uint64_t end,
	      int (*fn)(void *arg, uint64_t start, uint64_t end, enum page_kind kind),
	      void *arg) HIDDEN;

/* ---- plan.c: what the writer writes ------------------------------------------------------------ */

/* Where the bytes of an extent are read. */
struct extent_src {
	uint64_t addr;
	uint32_t soft;	     /* what can't be read is zeros: beyond the end of a file */
	uint32_t unreadable; /* PROT_READ is missing */
};

struct extent_list {
	struct blob ext; /* struct image_extent[] */
	struct blob src; /* struct extent_src[], one for each */
	struct blob vma; /* REC_VMA records */
	uint64_t bytes;
	uint32_t nchunks;
	uint32_t fill;	/* bytes in the last chunk */
	char why[256];	/* first failure, "" when none */
};

/* In the writer: records and extents of all areas and pieces. 0 or -errno and l->why. */
int memory_plan(struct memory *m, struct save *s, struct extent_list *l) HIDDEN;

/* ---- snapshot.c -------------------------------------------------------------------------------------- */

struct snapshot {
	struct save *save;
	struct memory *memory;
	struct process_state *ps;
	struct msg_params *params;
	uint64_t pause_ns; /* up to the fork */
	uint32_t nthreads;
	int32_t writer; /* pid of the copy */
};

/* Make the copy that writes; *in_pause: there is none, the image has been written already. */
void snapshot_start(struct snapshot *sn, bool *in_pause) HIDDEN;

/* ---- leader.c ------------------------------------------------------------------------------------------ */

/* Run a checkpoint. request: from the coordinator, or 0: ours, with the API's answer in *api. */
struct api_call {
	int conn;	/* connection to hear the result on, -1 */
	int err;	/* -errno when it could not be asked for */
	bool restarted;
	char path[CKPT_PATH_MAX]; /* of the image */
};
void leader_run(int request, ucontext_t *uc, struct api_call *api) HIDDEN;

/* ---- arch/x86_64.S ---------------------------------------------------------------------------------------- */

/* Save callee-saved registers, stack and return address. 0; 1 when the restorer resumes it. */
int context_save(struct context *c) HIDDEN __attribute__((returns_twice));
/* Call fn(arg) on another stack. */
void call_on_stack(void (*fn)(void *), void *arg, void *stack_top) HIDDEN;

#endif
