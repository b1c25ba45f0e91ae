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
#include "shared.h"
#include "save.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* ---- preload.c: what the constructor found; constant afterwards ------------------------- */

struct preload {
	bool active;		/* launched under ckpt, handler installed */
	char socket[108];	/* of the coordinator */
	char exe_name[64];
	struct job_config config;
	int32_t sid;		/* session the program was started in */
	int32_t first_pid;	/* of the process that ckpt_launch became */
	uint64_t sigbit;	/* the reserved signal in a kernel signal set */
	uint64_t owned;		/* it and those that ask for a checkpoint: no mask or set of the program's has them */
	uint8_t *leader_stack;	/* of leader_stack_len bytes, guard page below */
	size_t leader_stack_len;
	uint8_t *snapshot_stack;
	size_t snapshot_stack_len;
	uint8_t *helper_stack;	/* for helper.c */
	size_t helper_stack_len;
	char *maps_buf;		/* room for the text of /proc/self/maps */
	size_t maps_cap;
	struct fork_page *fork_page;
	long rseq_offset;	/* from the thread pointer; 0: glibc has not registered rseq */
	uint32_t rseq_len;
	uint64_t vdso_start;	/* code of the kernel's vdso; another place after a restart */
	uint64_t vdso_len;
	uint64_t generation;	/* the image that this memory is of, or that was made last; 0: none */
	int32_t writer;		/* pid of its writer, while that has not ended; 0: none */
	int64_t outside_pid;	/* of the ckpt_restart that it runs under, as that sees it; 0: none */
	uint32_t restarts;	/* how often this process has been restarted */
};
extern struct preload preload HIDDEN;

/* A page that reads as zeros in a forked child (MADV_WIPEONFORK): no fork handler is needed. */
struct fork_page {
	int32_t pid; /* of the process whose memory this is */
};

/* Tell the coordinator that this process exists; nobody answers. Frozen-safe. */
void hello_send(uint32_t flags) HIDDEN;

/* moved.c: after a restart, when directories are elsewhere (restart_control.moves). */
void moved_restore(void) HIDDEN;
/* environment.c: the same in the environment; and variables that are other ones now (restart_control.graft). */
void environment_restore(const struct rec_mm *mm) HIDDEN;

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
	int32_t securebits;
	int16_t ioprio;		/* ioprio_get(2), -1: unknown */
	uint16_t memory_policy; /* get_mempolicy(2): mode with its flags; */
	uint64_t memory_nodes;
	struct sched_state sched;
	struct queued_signals queued; /* private to the thread */
	char comm[16];
	uint8_t affinity[64];
	uint32_t affinity_len;
	int8_t nice; /* also of policies that sched_setattr(2) has none for */
	int8_t no_new_privs, mce_kill;
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
	int32_t nr;	      /* system call */
};
extern __thread struct wait_record wait_record HIDDEN __attribute__((tls_model("initial-exec")));
/* How often this thread was frozen: a call that gave less than it was asked for may have been cut short. */
extern __thread uint32_t thread_freezes HIDDEN __attribute__((tls_model("initial-exec")));
/* How many handlers of the program's have returned in this thread, of those that are watched. */
extern __thread uint32_t thread_handlers HIDDEN __attribute__((tls_model("initial-exec")));

/* What the coordinator read in /proc/PID/task/TID/syscall before the signal. sp 0: nothing. */
struct blocked_call {
	uint32_t nr;
	uint64_t sp, pc;
};

/* If the freeze interrupted a system call that now would fail with EINTR, run it again. */
void eintr_restart(ucontext_t *uc, const struct blocked_call *blocked) HIDDEN;
/* The same for one thread that nobody has frozen. */
void eintr_restart_alone(ucontext_t *uc) HIDDEN;
/*
 * Let handlers of the program's tell when they return: before a thaw, for signals that come while it begins; and where
 * signals ask for checkpoints, when the program installs them. True: there was one that has not told yet.
 */
bool eintr_watch_handlers(void) HIDDEN;
bool eintr_watch_handler(int sig) HIDDEN;
/* A call has failed with EINTR: has a signal of ours done this? `handlers` is thread_handlers from before the call. */
bool eintr_is_stray(uint32_t handlers) HIDDEN;
/* rest.c: is the thread about to call for the rest? */
bool rest_is_run(const greg_t *reg) HIDDEN;
/* rest.c: if it made a call return with a part of the bytes, let the thread do the rest. False: no. */
bool rest_continue(ucontext_t *uc) HIDDEN;

/* ---- vdso.c ------------------------------------------------------------------------------------ */

/*
 * True when the signal came upon this thread inside of the vdso: return, it comes again in a moment.
 * Signals of the timer that sees to this become in *info what they were at first.
 */
bool vdso_let_out(siginfo_t *info, const ucontext_t *uc) HIDDEN;

/* ---- shared.c: the memory that the processes of the job share during a checkpoint ------------ */

/* What the barriers and counters of struct shared_head are used for. */
enum shared_point {
	SHARED_OPENED,	   /* all have opened what they need; only with SHARED_FILES in the job */
	SHARED_LISTED,	   /* all have told what they have open and mapped */
	SHARED_SAVED,	   /* all open files are saved */
	SHARED_COPIED,	   /* all copies are made; only with a subreaper in the job */
	SHARED_SUBREAPERS, /* no barrier: processes that are subreapers */
	SHARED_FORKED,	   /* all copies are made: no program has to wait for a CPU that a writer has */
};

/* An array in the memory, of items of one size; a part of it is mapped when it is first used. */
struct shared_array {
	uint64_t offset;
	uint32_t item; /* bytes of one */
	uint8_t *part[64];
};

/* A stretch of the memory that is unmapped with it. */
struct shared_stretch {
	struct shared_stretch *next;
	void *at;
	uint64_t len;
};

struct shared {
	struct shared_head *head; /* NULL: not there */
	struct shared_process *own; /* this process's entry */
	struct shared_table *table; /* same.c and objects.c */
	int fd;
	uint32_t index; /* of this process */
	int conn;	/* when it ends, nobody needs us any more */
	uint32_t timeout_ms;
	uint64_t deadline_ns, seen; /* bytes of content saved when it was set; both move on with them */
	struct shared_array same, objects, ranges, blocks;
	struct shared_stretch *given; /* by plugin_give(), to others or to us */
};

/*
 * Map the memory behind fd. 0 or -errno; the other processes are told of a failure. sh keeps fd. /proc/self/maps
 * must have been read before.
 */
int shared_open(struct shared *sh, int fd, uint32_t index, int conn, uint32_t timeout_ms) HIDDEN;
void shared_close(struct shared *sh) HIDDEN;
/* How far all have got with saving content of files. */
uint64_t shared_contents_done(const struct shared *sh) HIDDEN;
/* It is the caller that unmaps what these two return, or puts it into sh->given. */
/* len bytes that nobody else has, mapped; *offset: where they are in the memory. NULL: no memory. */
void *shared_alloc(struct shared *sh, uint64_t len, uint64_t *offset) HIDDEN;
/* Map what another process has allocated. NULL: no memory. */
void *shared_map(struct shared *sh, uint64_t offset, uint64_t len) HIDDEN;
/* The n-th item, NULL: no memory. */
void *shared_item(struct shared *sh, struct shared_array *a, uint32_t n) HIDDEN;
/* Wait until all processes have come to this point; 0, or -errno when the checkpoint is off. */
int shared_barrier(struct shared *sh, enum shared_point point) HIDDEN;
/* A lock that lies in the memory. -errno when the checkpoint is off; then it is not taken. */
int shared_lock(struct shared *sh, uint32_t *lock) HIDDEN;
void shared_unlock(uint32_t *lock) HIDDEN;

/* ---- same.c: which open files of different processes are one --------------------------------- */

enum { SHARED_BUCKETS = 1024 };

/* Lies at SHARED_TABLE; zeroed at first, as all of the memory. */
struct shared_table {
	struct {
		uint32_t lock;
		uint32_t root; /* of a tree of struct shared_file */
	} same[SHARED_BUCKETS];
	uint64_t text;		/* bytes of long link texts; relaxed add */
	uint32_t contents_lock; /* of the directory beside the image */
	uint32_t objects_lock;	/* of all that follows */
	uint32_t nranges;
	uint32_t object[SHARED_BUCKETS]; /* first of a list of struct shared_object */
	uint32_t range[SHARED_BUCKETS];	 /* first of a list of struct shared_range */
};

/*
 * An open file of the job; its number in the array is its id, 0 is none. kind, dev and ino stay; the rest is
 * what the process with the lowest index that has it says, or holds for all.
 */
struct shared_file {
	uint64_t dev, ino, rdev, size;
	int64_t pos;
	uint32_t left, right;	/* in the bucket's tree */
	uint32_t kind;		/* KCMP_FILE, KCMP_FILES or KCMP_FS */
	uint32_t process;	/* lowest index of those that have it */
	uint64_t holder;	/* tid << 32 | fd there, for kcmp(2) and /proc */
	int32_t number;		/* the lowest number there, -1: none */
	uint32_t flags, mode, nlink;
	uint32_t plugin;	/* in plugin_table */
	uint32_t std;		/* bit n: it is number n, 0 to 2, of */
	uint32_t std_process;	/* this process, the first that has it as one of these; ~0: none */
	uint32_t link_len;
	uint32_t word;		/* of plugin_shared_word() */
	uint64_t given, given_len; /* of plugin_give(): offset in the memory, bytes */
	union {
		char link[64];	  /* its text, not terminated, when that fits; */
		uint64_t link_at; /* else where it begins among the texts */
	};
};

/*
 * Say that this process has what *f tells of (but for left, right, link and std). text: of its link. 0 and
 * the id; -errno: *id is 0, or the one that kcmp(2) can't compare it with.
 */
int same_add(struct shared *sh, const struct shared_file *f, const char *text, uint32_t *id) HIDDEN;
/* It is number n, 0 to 2, of this process. */
void same_add_std(struct shared *sh, uint32_t id, int n) HIDDEN;
static inline uint64_t same_holder(int32_t tid, int32_t fd)
{
	return (uint64_t)tid << 32 | (uint32_t)fd;
}
/* By its id; NULL: there is none, or no memory. Behind SHARED_LISTED nothing of it changes. */
struct shared_file *same_get(struct shared *sh, uint32_t id) HIDDEN;
/* Call fn for all open files of this inode. */
void same_each(struct shared *sh, uint64_t dev, uint64_t ino, void (*fn)(void *arg, uint32_t id), void *arg) HIDDEN;
/* Read its link text, n bytes with terminator at most. */
int same_link(struct shared *sh, const struct shared_file *f, char *text, size_t n) HIDDEN;

/* ---- objects.c: shared memory and files mapped shared, each once for the job ------------------ */

/* An object; its number in the array is its id. */
struct shared_object {
	uint64_t dev, ino;
	uint64_t map_dev;  /* what maps calls its device, which is another one on btrfs */
	uint64_t size;	   /* what the mappings show of it; a file's own size */
	uint32_t next;	   /* of its bucket */
	uint32_t nranges;  /* different ones that are mapped */
	uint32_t recorded; /* somebody has written its REC_OBJECT */
	uint32_t whole;	   /* and saves all of it, from a descriptor */
	uint32_t attached; /* areas of a SysV segment; relaxed add */
	uint32_t reader;   /* 1 + lowest index of those that may read the file and have it mapped; 0: none */
};

/* Bytes of an object that some process has mapped. */
struct shared_range {
	uint64_t offset, len;
	uint32_t object;
	uint32_t next;	  /* of its bucket */
	uint32_t process; /* lowest index of those that have just these mapped */
	uint32_t saved;
};

/* Say that bytes of it are mapped here; map_dev: its device by maps. 0 or -errno. */
int object_add_range(struct shared *sh, const struct shared_object *of, uint64_t offset, uint64_t len) HIDDEN;
/* Its id, 0: it is none. make: it becomes one, with the size, if need be. */
uint32_t object_find(struct shared *sh, uint64_t dev, uint64_t ino, bool make, uint64_t size) HIDDEN;
struct shared_object *object_get(struct shared *sh, uint32_t id) HIDDEN;
/* True for one caller of all: who is to write its REC_OBJECT. */
bool object_record(struct shared_object *o) HIDDEN;
/* Behind SHARED_LISTED: is it this process that saves the range? True once. */
bool object_take_range(struct shared *sh, uint32_t id, uint64_t offset, uint64_t len) HIDDEN;
/*
 * Of the 64 pages of an object that begin with page block * 64, those of the mask which nobody has taken
 * before; they are the caller's to save.
 */
uint64_t object_take_pages(struct shared *sh, uint32_t id, uint64_t block, uint64_t mask) HIDDEN;

/* ---- process.c ----------------------------------------------------------------------------------- */

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

enum { TIMERS_MAX = 1024, AIO_MAX = 256, STOPPED_MAX = 1024 };

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
	uint32_t index;		/* among the processes of the job */
	uint32_t table, fs;	/* same.c: its descriptor table, its directories */
	uint64_t child_signals; /* what children that change state may have sent, and nobody has to see */
	struct {
		int32_t pid;
		bool waited; /* wait(2) has told that it stopped */
	} stopped[STOPPED_MAX]; /* children that are stopped */
	uint32_t nstopped;
};

/* Field of a text of /proc/PID/stat by its number in proc(5); the third is the first behind the name. */
uint64_t stat_field(const char *stat, int number) HIDDEN;
/* Take the signals queued for the process. Maps memory that must be in the image. */
void process_take_signals(struct process_state *ps) HIDDEN;
/* Tell the other processes of the job what they may share with this one. */
void process_list(struct process_state *ps, struct save *s) HIDDEN;
/* Behind SHARED_LISTED: ask the kernel; add records; refuse what can't be. stopped: it runs for us only. */
void process_save(struct process_state *ps, struct save *s, bool main_exited, bool stopped) HIDDEN;
/* Behind SHARED_SAVED: clocks and timers, and the record of the process. */
void process_save_clocks(struct process_state *ps, struct save *s) HIDDEN;
/* In the restored process, all threads there, other processes maybe not. log_fd: told what did not come back. */
void process_restore(struct process_state *ps, int log_fd) HIDDEN;
/* When all processes are there: what takes its course from now on. */
void process_resume(struct process_state *ps, int log_fd) HIDDEN;

/* ---- stop.c ---- */

/* In a restored process that was stopped, before threads are thawed: it is to stop again. */
void stop_prepare(void) HIDDEN;
/* Of each thread that is about to leave the handler: go on where the process stops, if it is to. */
void stop_thread(ucontext_t *uc) HIDDEN;

/* ---- children.c ---- */

/* Children that have changed state and were not waited for. */
void children_save(struct process_state *ps, struct save *s) HIDDEN;
/*
 * In the restored process, when all are there: see that children that were stopped have stopped, and forget
 * the signals of that.
 */
void children_resume(struct process_state *ps) HIDDEN;

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
	AREA_SYSV,	/* SysV shared memory: ipc.c */
	AREA_HUGE,	/* private memory of huge pages from the kernel's pool (MAP_HUGETLB) */
	AREA_REFUSED,
};

/* what: filled with why, for AREA_REFUSED. */
enum area area_kind(const struct map_line *m, const char **what) HIDDEN;

/* names.c: the text, in cap bytes, gets the names that mapped files of /dev/shm have. */
void memory_find_names(struct memory *m, size_t cap) HIDDEN;
/* Read the areas. 0 or -errno. */
int memory_read(struct memory *m) HIDDEN;
/* Tell the other processes of the job what is mapped shared here. */
void memory_list(struct memory *m, struct save *s) HIDDEN;
/*
 * Behind SHARED_SAVED: copy what the snapshot would not see, of shared memory what is this process's to save.
 * Refuses what can't be restored.
 */
void memory_save(struct memory *m, struct save *s, const struct process_state *ps) HIDDEN;
/* Copy the pages of a readable shared area, of ours or the program's, that exist as bytes of an object. */
void memory_copy_shared(struct save *s, const struct map_line *m, uint32_t object) HIDDEN;
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

/* ---- snapshot.c -------------------------------------------------------------------------------------- */

struct snapshot {
	struct save *save;
	struct memory *memory;
	struct process_state *ps;
	struct msg_params *params;
	struct shared_head *shared; /* what the processes of the job share, mapped; */
	int shared_fd;		    /* its file, */
	uint32_t index;		    /* and which of them this is */
	uint64_t pause_ns; /* up to the fork */
	uint32_t nthreads;
	int32_t writer; /* pid of the copy */
};

/* Make the copy that writes; *in_pause: there is none, the image has been written already. */
void snapshot_start(struct snapshot *sn, bool *in_pause) HIDDEN;

/* ---- leader.c ------------------------------------------------------------------------------------------ */

/* Run a checkpoint. request: from the coordinator, or, with api, what the API asks for and is told. */
struct api_call {
	int request;	/* 0: a new one */
	const struct msg_target *target; /* NULL: like the job's others */
	int conn;	/* connection to hear the result on, -1 */
	int err;	/* -errno when it could not be asked for */
	bool restarted;
	bool copied;	/* an image is being written */
	uint64_t pause_ns;
	char path[CKPT_PATH_MAX]; /* of the image */
};
void leader_run(int request, ucontext_t *uc, struct api_call *api) HIDDEN;
/* In a restored process, before the program runs: the restart is off, for all of the job. */
void restart_fail(void) HIDDEN __attribute__((noreturn));

/* ---- arch/x86_64.S ---------------------------------------------------------------------------------------- */

/* Save callee-saved registers, stack and return address. 0; 1 when the restorer resumes it. */
int context_save(struct context *c) HIDDEN __attribute__((returns_twice));
/* Call fn(arg) on another stack. */
void call_on_stack(void (*fn)(void *), void *arg, void *stack_top) HIDDEN;

#endif
