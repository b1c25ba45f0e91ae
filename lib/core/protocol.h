/*
 * What programs, processes under checkpoint and the coordinator say to each other: messages of fixed
 * layout over a Unix SOCK_SEQPACKET socket, one message a packet. doc/PROTOCOL tells the story.
 *
 * A checkpoint, seen from one process P and the coordinator C:
 *
 *   C -> P  signal (SI_QUEUE, sival_int = request)
 *   P -> C  MSG_LEADER                   P's leader has opened its connection (MSG_TARGET may come before)
 *   C -> P  MSG_PARAMS                   what to do, or OP_NONE: go back
 *   P -> C  MSG_BARRIER PHASE_FREEZE     all threads of P stand still
 *   C -> P  MSG_RELEASE PHASE_FREEZE     all processes of the job do; with the memory that they share
 *                                        (shared.h); go 0: call it off
 *   P -> C  MSG_REFUSE*                  each thing that can't be checkpointed, one line
 *   P -> C  MSG_BARRIER PHASE_DRAIN      everything is collected that is lost when somebody runs
 *   C -> P  MSG_RELEASE PHASE_DRAIN      all have: copy and thaw (or stay, when the job is to end)
 *   P -> C  MSG_BARRIER PHASE_SNAPSHOT   the copy is made (or could not be: err); nobody waits here
 *   P -> C  MSG_THAWED                   with the pause
 *   W -> C  MSG_PROGRESS*, MSG_DONE      from the writer, over the same connection
 *
 * A connection that ends before MSG_DONE is a failed checkpoint; one that ends between is a reason to
 * thaw at once. P never waits for C longer than the time limit of MSG_PARAMS.
 */
#ifndef CKPT_PROTOCOL_H
#define CKPT_PROTOCOL_H

#include <sys/uio.h>
#include "core.h"

enum {
	PROTOCOL_MAGIC = 0x54504b43, /* "CKPT" */
	PROTOCOL_VERSION = 5,
	MSG_MAX = 8192,	 /* bytes of a packet, at most */
	JOB_ID_MAX = 32, /* with terminator, as all below */
	JOB_NAME_MAX = 64,
	CKPT_PATH_MAX = 4096,
	CKPT_IGNORE_MAX = 512,
	CKPT_KEYFILE_MAX = 1024,
	CKPT_FILES_MAX = 512,
	ON_SIGNAL_MAX = 64, /* signals, by number - 1 */
};

/* What a signal asks for (CKPT_ON_SIGNAL). 0: nothing; up to ON_SIGNAL_STATUS_MAX: a checkpoint and the job's end. */
enum on_signal {
	ON_SIGNAL_STATUS = 85, /* its exit status, when none is given */
	ON_SIGNAL_STATUS_MAX = 125,
	ON_SIGNAL_CHECKPOINT = 128, /* a checkpoint only */
};

enum phase {
	PHASE_RUN,
	PHASE_QUIESCE,
	PHASE_FREEZE,
	PHASE_DRAIN,
	PHASE_SNAPSHOT,
	PHASE_REFILL,
	PHASE_THAW,
	PHASE_RESTART,
};

enum msg_type {
	/* between a process and the coordinator */
	MSG_HELLO = 1,
	MSG_LEADER,
	MSG_PARAMS,
	MSG_REFUSE,
	MSG_BARRIER,
	MSG_RELEASE,
	MSG_THAWED,
	MSG_PROGRESS,
	MSG_DONE,
	MSG_TARGET,
	MSG_REQUEST,
	MSG_TAKEN,
	/* between ckpt_command (or the API) and the coordinator */
	MSG_COMMAND = 64,
	MSG_JOB,     /* answer: one job */
	MSG_PROCESS, /* answer: one process of the job before */
	MSG_RESULT,  /* answer: what became of one job's checkpoint */
	MSG_LINE,    /* answer: one line for the user: a refusal, a warning */
	MSG_END,     /* answer: nothing follows; status is the exit status */
};

struct msg {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t size; /* of the whole message */
	uint32_t flags; /* of MSG_REFUSE: REFUSE_* */
};
_Static_assert(sizeof(struct msg) == 16, "on the wire");

/* How a job is checkpointed: from ckpt_launch's options, kept in the job's environment. */
struct job_config {
	char job[JOB_ID_MAX];	/* CKPT_JOB */
	char name[JOB_NAME_MAX]; /* CKPT_NAME: stem of the image's name */
	char dir[CKPT_PATH_MAX]; /* CKPT_DIR, absolute */
	uint32_t keep;		/* CKPT_KEEP: generations to keep, 0: all */
	int32_t level;		/* CKPT_COMPRESS: zstd level, 0: none */
	uint32_t interval_s;	/* CKPT_INTERVAL, 0: never */
	int32_t signo;		/* CKPT_SIGNAL: the reserved signal */
	uint32_t timeout_ms;	/* CKPT_TIMEOUT: time limit of a freeze */
	uint32_t tcp_refuse;	/* CKPT_TCP: not 0: refuse, when a connection leads outside the job */
	uint8_t on_signal[ON_SIGNAL_MAX]; /* CKPT_ON_SIGNAL: enum on_signal, or an exit status, for each */
	char files[CKPT_FILES_MAX]; /* CKPT_FILES: what is to become of files, see files.h */
	char ignore[CKPT_IGNORE_MAX]; /* CKPT_IGNORE: descriptors to leave out, GLOB[,GLOB...] of links */
	char keyfile[CKPT_KEYFILE_MAX]; /* CKPT_KEYFILE, absolute: images are encrypted with the key in it; "": not */
};

/* A process is there: sent by the constructor, after fork and after a restart; no answer. */
struct msg_hello {
	struct msg m;
	int32_t pid; /* as the process sees it; the coordinator trusts SO_PEERCRED only */
	uint32_t flags;
	char exe_name[64];
	struct job_config config;
};
enum {
	HELLO_RESTARTED = 1,
	HELLO_LEAVES = 2, /* it is none of a job any more */
};

/* request 0: the process asks for a checkpoint of its job itself (ckpt_checkpoint()). */
struct msg_leader {
	struct msg m;
	int32_t pid, tid;
	int32_t request;
	uint32_t flags; /* LEADER_* */
	struct job_config config;
};
enum { LEADER_FIRST = 1 }; /* it is the process that the job was started as */

/* Before a MSG_LEADER with request 0: how the image is to differ from the job's others. */
struct msg_target {
	struct msg m;
	uint32_t flags; /* TARGET_* */
	uint32_t keep;	/* with TARGET_KEEP: instead of the job's */
	char path[CKPT_PATH_MAX]; /* absolute; the image is no generation, and replaces what is there; "": it is one */
};
enum { TARGET_KEEP = 1 };

/* A signal of CKPT_ON_SIGNAL has come. Answered by MSG_TAKEN, a head alone, when it is seen to. */
struct msg_request {
	struct msg m;
	int32_t signo;
	uint32_t reserved;
	struct job_config config;
};

enum op { OP_NONE, OP_CHECKPOINT, OP_CHECK };

struct msg_params {
	struct msg m;
	uint32_t op;
	uint32_t flags; /* PARAMS_* */
	uint32_t keep;
	int32_t level;
	uint64_t generation; /* 0: none, the image has a name of its own */
	uint32_t timeout_ms;
	uint32_t fault; /* for tests: fault_armed (fault.h) meanwhile */
	uint32_t reserved;
	uint32_t blocked_nr; /* the system call the leader was in, and where: /proc/PID/syscall; */
	uint64_t blocked_sp; /* read before the signal; blocked_sp 0: it was not in one */
	uint64_t blocked_pc;
	char job[JOB_ID_MAX];
	char path[CKPT_PATH_MAX]; /* of the image, absolute; written as path.part first */
	char link[JOB_NAME_MAX * 2]; /* name, in the same directory, of the link to the newest */
	char keyfile[CKPT_KEYFILE_MAX]; /* not "": the image is encrypted, and nothing may lie beside it */
};
enum {
	PARAMS_STOPPED = 1,	/* the process is stopped: thaw only after MSG_RELEASE PHASE_THAW, when its tracer
				   has left and it stands still by itself again */
};

/* text is terminated: "fd 7 (anon_inode:[io_uring]): …"; the coordinator prepends "pid N (name): ". */
struct msg_line {
	struct msg m;
	char text[1024];
};
enum { REFUSE_FOR_NOW = 1 /* it will have passed in a moment, when the program goes on */ };

struct msg_barrier {
	struct msg m;
	uint32_t phase;
	int32_t err; /* 0, or -errno: this process can't go on; a MSG_REFUSE told why */
};

/* With PHASE_FREEZE and go 1 the descriptor of the shared memory comes with it (SCM_RIGHTS). */
struct msg_release {
	struct msg m;
	uint32_t phase;
	int32_t go; /* 1: on; 0: thaw, the checkpoint is called off */
	uint32_t process_index; /* PHASE_FREEZE: which of the job's processes this is (shared.h), */
	uint32_t nprocesses;	/* of how many */
	uint32_t flags;		/* PHASE_DRAIN: RELEASE_* */
	int32_t exit_status;	/* PHASE_THAW, not 0: end the process with it, instead of thawing */
	uint64_t served;	/* PHASE_DRAIN: pending signals of this set have what they ask for by this checkpoint */
};
enum { RELEASE_STAY = 1 /* do not thaw before the image is durable: the job is to end then */ };

struct msg_thawed {
	struct msg m;
	uint64_t pause_ns;  /* first thread frozen to last thread thawed */
	uint64_t freeze_ns, collect_ns, fork_ns; /* its parts */
	uint32_t nthreads;
	uint32_t in_pause; /* 1: no memory for fork, was written in the pause */
};

struct msg_progress {
	struct msg m;
	uint64_t done, total; /* raw bytes */
};

/* err 0: the image is durable under its name. */
struct msg_done {
	struct msg m;
	int32_t err;
	uint32_t nthreads;
	uint64_t raw_bytes, image_bytes;
	uint64_t files_bytes, files_fresh_bytes; /* beside the image, and of that written anew */
	char text[1024]; /* the error in words; with err 0 the path when it had to differ, else "" */
};

/* ---- ckpt_command ---- */

enum command {
	CMD_CHECKPOINT = 1,
	CMD_CHECK,
	CMD_STATUS,
	CMD_LIST,
	CMD_INTERVAL,
	CMD_QUIT,
};
enum { COMMAND_KILL = 1, COMMAND_NO_WAIT = 2 };

struct msg_command {
	struct msg m;
	uint32_t command;
	uint32_t flags;
	uint32_t interval_s;
	uint32_t reserved;
	char job[CKPT_PATH_MAX]; /* job id, pid or program name; "": the only job */
};

enum job_state { JOB_RUNNING, JOB_FREEZING, JOB_WRITING };

struct msg_job {
	struct msg m;
	char job[JOB_ID_MAX];
	char name[JOB_NAME_MAX];
	char dir[CKPT_PATH_MAX];
	uint32_t state; /* enum job_state */
	uint32_t nprocesses;
	uint32_t interval_s;
	uint32_t keep;
	int32_t level;
	uint32_t reserved;
	uint8_t on_signal[ON_SIGNAL_MAX]; /* as in struct job_config */
	uint64_t started_ns;	     /* CLOCK_REALTIME the coordinator first saw it */
	uint64_t last_generation;    /* 0: none yet */
	uint64_t last_realtime_ns;
	uint64_t last_bytes;
	uint64_t last_pause_ns, last_total_ns;
	char last_error[512];
};

struct msg_process {
	struct msg m;
	int32_t pid;	   /* as seen by the coordinator */
	int32_t inner_pid; /* as seen by itself */
	int32_t ppid;	   /* as seen by the coordinator; not necessarily one of the job */
	uint32_t reserved;
	char name[64];
};

/*
 * err 0: image and figures hold; else text tells why. MSG_LINE may come before. A process that asked itself is to ask
 * again: at once for -EAGAIN, it was another checkpoint's turn; a little later, and not for ever, for RESULT_FOR_NOW:
 * nothing was refused but for this moment.
 */
#define RESULT_FOR_NOW (-ERESTART) /* a number that no system call returns */
struct msg_result {
	struct msg m;
	int32_t err;
	uint32_t nprocesses;
	char job[JOB_ID_MAX];
	char image[CKPT_PATH_MAX];
	uint64_t raw_bytes, image_bytes;
	uint64_t files_bytes, files_fresh_bytes; /* content of files beside it, and of that written anew */
	uint64_t pause_ns, total_ns;
	uint64_t freeze_ns, collect_ns, fork_ns; /* parts of the pause */
	uint64_t coordinator_ns; /* CPU time of the coordinator, until the last one was let go to copy itself */
	uint32_t nthreads;
	uint32_t in_pause;
	char text[1024];
};

struct msg_end {
	struct msg m;
	int32_t status; /* exit status for ckpt_command */
	uint32_t reserved;
	char text[1024]; /* why, when status is not 0 */
};

union any_msg {
	struct msg m;
	struct msg_hello hello;
	struct msg_leader leader;
	struct msg_target target;
	struct msg_request request;
	struct msg_params params;
	struct msg_line line;
	struct msg_barrier barrier;
	struct msg_release release;
	struct msg_thawed thawed;
	struct msg_progress progress;
	struct msg_done done;
	struct msg_command command;
	struct msg_job job;
	struct msg_process process;
	struct msg_result result;
	struct msg_end end;
};
_Static_assert(sizeof(union any_msg) <= MSG_MAX, "one packet");

/* Fill in the head of a zeroed message. */
#define MSG_INIT(ptr, t) msg_init(&(ptr)->m, (t), sizeof(*(ptr)))
void msg_init(struct msg *m, enum msg_type type, size_t size);

/*
 * Check what was received (n bytes in m): magic, version, size as its type has it, strings
 * terminated. 0; -EPROTO for what is no message, -EPROTONOSUPPORT for another version.
 */
int msg_check(const union any_msg *m, size_t n);

/* Connect to the coordinator's socket; a close-on-exec descriptor or -errno. Frozen-safe. */
int msg_connect(const char *socket_path);
/* Send; 0 or -errno; never raises SIGPIPE. */
int msg_send(int fd, const struct msg *m);
/* The same with a descriptor (SCM_RIGHTS); -1: without. */
int msg_send_fd(int fd, const struct msg *m, int pass);
/* The same for a message that lies in n pieces. */
int msg_send_pieces(int fd, const struct iovec *piece, int n);
/*
 * Receive and check one message, waiting at most timeout_ms (-1: for ever). 1; 0 when the peer has
 * closed; -ETIMEDOUT, -EPROTO, -errno.
 */
int msg_recv(int fd, union any_msg *m, int timeout_ms);
/* The same; *passed is the descriptor that came with it (close-on-exec), -1: none. */
int msg_recv_fd(int fd, union any_msg *m, int timeout_ms, int *passed);
/* The same where only a message that is a head alone can come, and there is little room. */
int msg_recv_head(int fd, struct msg *m, int timeout_ms);

/* ---- config.c: the environment of a job ---- */

/*
 * Fill *c from environment strings ("NAME=value", each terminated, n bytes in all), defaults for
 * what is absent. Returns 0, -ENOENT when CKPT_JOB is absent, -EINVAL for a value that can't be.
 */
int config_from_env(struct job_config *c, const char *env, size_t n);
/* Defaults for all but job and dir, which become "". */
void config_default(struct job_config *c);
/* Set what the environment variable name holds; -EINVAL for a bad value, -ENOENT for another name. */
int config_set(struct job_config *c, const char *name, const char *value);
/* 0, or -EINVAL when a field of a received configuration is none that config_set would have made. */
int config_check(const struct job_config *c);
/* Is the reserved signal one that is to ask for checkpoints? */
bool config_signals_clash(const struct job_config *c);
/* "zstd", "zstd:LEVEL", "none" to a level; -EINVAL. Levels 1 to 19; default 1. */
int config_parse_level(const char *s, int *level);
/* "reset" or "refuse" to whether it is the second; -EINVAL. */
int config_parse_tcp(const char *s, bool *refuse);
/* "90", "10m", "2h", "1d" to seconds; -EINVAL. */
int config_parse_seconds(const char *s, uint32_t *seconds);

/* ---- on_signal.c: signals that ask for a checkpoint ---- */

/* "SIGNAL=checkpoint" or "SIGNAL=checkpoint+exit[:STATUS]", several with commas. 0 or -EINVAL. */
int on_signal_parse(const char *s, uint8_t action[ON_SIGNAL_MAX]);
#define ON_SIGNAL_EXPECTED                                                                          \
	"SIGNAL=checkpoint or SIGNAL=checkpoint+exit[:STATUS], several with commas; SIGNAL: a name or "  \
	"number that is free for use (no KILL, STOP, CONT, CHLD or fault), each once; STATUS: 1 to 125"
/* Is it as on_signal_parse() would have made it? */
bool on_signal_valid(const uint8_t action[ON_SIGNAL_MAX]);
/* All signals that ask for one, as a kernel signal set. */
uint64_t on_signal_set(const uint8_t action[ON_SIGNAL_MAX]);
/* Append them as on_signal_parse() reads them; "" when there is none. */
void on_signal_put(struct text *t, const uint8_t action[ON_SIGNAL_MAX]);
void on_signal_put_action(struct text *t, uint8_t action);
/* Append a signal's name, "USR1", or its number. */
void signal_put(struct text *t, int sig);
/* May it be ours? Not what the kernel or libc gives a meaning of its own. */
bool signal_is_free(uint64_t n);

enum { CKPT_DEFAULT_SIGNAL = 64, CKPT_DEFAULT_KEEP = 2, CKPT_DEFAULT_TIMEOUT_MS = 10000 };

/* Environment variable with the path of the coordinator's socket, set by ckpt_launch. */
#define CKPT_ENV_SOCKET "CKPT_SOCKET"

#endif
