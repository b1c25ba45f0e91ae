/*
 * The contract between ckpt_restart, the restorer and libckpt in the restored process.
 *
 * libckpt keeps one struct restart_control in its own memory; REC_PROCESS carries its address. The
 * restorer fills it in the restored memory, then sends every thread to its saved context.
 */
#ifndef CKPT_HANDOVER_H
#define CKPT_HANDOVER_H

#include "fault.h"
#include "image.h"
#include "moves.h"
#include "protocol.h"
#include "records.h"

#define RESTART_CONTROL_MAGIC	    0x34545352434b4e43ull
#define RESTART_CONTROL_MAGIC_MOVES 0x33545352434b4e43ull /* a libckpt that has no graft, */
#define RESTART_CONTROL_MAGIC_OLD   0x32545352434b4e43ull /* or no moves either */

/*
 * Where the processes of a restarted job meet: in the restorer's memory, shared by all of them. Each
 * number only grows; all are futexes. Nobody runs the program before restored == total, nor while anybody else
 * has a descriptor of ours, which it could see, or of the program's, which would not end when that closes it:
 * settled == to_settle.
 */
struct restart_sync {
	uint32_t total;	   /* processes of the image; constant */
	uint32_t nodes;	   /* these, stand-ins and zombies; constant */
	uint32_t failed;   /* 1: the restart is off; everybody ends with status 125 */
	uint32_t created;  /* nodes that exist, in their sessions */
	uint32_t grouped;  /* nodes that are in their process groups */
	uint32_t files;	   /* 1: init has made all files and the descriptors can be taken */
	uint32_t restored; /* leaders of libckpt that have put everything back */
	uint32_t tables;   /* of those with TABLE_FIRST: they have what init has made late, */
	uint32_t parted;   /* processes that need none of init's in a table not their own, */
	uint32_t taken;	   /* and tables of those with TABLE_FIRST with the programs' descriptors only */
	uint32_t settled;  /* leaders of libckpt that have nothing of ours left but this memory; init, and stand-ins, */
	struct fault fault; /* for tests; constant */
	uint32_t to_settle; /* that have nothing of the programs'. So many; constant */
	struct restart_seen {
		int32_t pid;	  /* 0: it has not been made yet */
		uint32_t grouped; /* 1: it is counted there, and may end if it is one that does */
	} seen[]; /* nodes, by index: for init to find out who has been killed */
};

struct restart_control {
	uint64_t magic;
	uint64_t restarted;   /* set by the restorer to ckpt_restart's pid, as that sees it; 0 in every running program */
	uint64_t blob_start;  /* the restorer's memory, unmapped by libckpt's leader */
	uint64_t blob_len;
	uint64_t drop_caps;   /* 1: capabilities came from the capsule, drop them all */
	uint32_t main_word;   /* zeroed by the kernel when a main thread that had ended has ended again */
	uint32_t main_exited; /* 1: wait for that */
	uint64_t vdso_start;  /* code of this kernel's vdso */
	uint64_t vdso_len;
	int64_t log_fd;	      /* where libckpt's leader may tell a warning, closed by it; -1: none */
	uint64_t own_ipc;     /* 1: the capsule has an IPC namespace of its own: all in it is of the job */
	uint64_t sync;	      /* struct restart_sync, inside the restorer's memory */
	char socket[108];     /* of the coordinator here and now; "": as before */
	char moves[MOVES_MAX]; /* paths that lead elsewhere now (moves.h) */
	char keyfile[CKPT_KEYFILE_MAX]; /* where the key is now; only written when the image is encrypted */
	uint64_t graft;	       /* text in the restorer's memory: variables that are other ones now (graft.h); 0: none */
};

/* One area, or a part of one, to be mapped by the restorer. */
struct plan_vma {
	uint64_t start, end, offset;
	uint32_t prot;
	uint32_t flags; /* enum vma_flag */
	int32_t fd;	/* descriptor to map, -1: anonymous */
	int32_t shmid;	/* with VMA_SYSV: the segment, which is there; to be attached */
	uint32_t page_kb; /* with VMA_HUGETLB */
	uint32_t reserved;
};

struct plan_range {
	uint64_t start, end;
};

/* Code to be written over what was loaded. */
struct plan_patch {
	uint64_t addr;
	uint32_t len;
	uint8_t code[28];
};

struct plan_thread {
	int32_t tid;
	uint32_t flags;
	uint64_t fs_base, gs_base;
	struct context context;
};

/* A descriptor number of the program, and which of init's it is made of. */
struct plan_number {
	int32_t from, to;
	uint32_t cloexec;
};

/*
 * Descriptors that init sends to one with TABLE_FIRST, and the numbers that init has them at. n is 0 in the last
 * message. The kernel takes SCM_MAX_FD (253) at a time.
 */
enum { TABLE_NUMBERS = 250 };

struct table_message {
	uint32_t n;
	int32_t numbers[TABLE_NUMBERS];
};

/*
 * One process of the image. What it has in common with its parent is there already when it begins, by
 * fork: maps, drops, zeros and extents are then only what differs.
 */
struct restore_plan {
	int32_t pid;
	int32_t exe_fd;		    /* for /proc/self/exe, -1: leave */
	int32_t cwd_fd;		    /* -1: leave */
	uint32_t main_exited;
	char comm[16];		    /* name of a main thread that had ended */
	uint32_t nvmas, nmaps, ndrops, nzeros, nguards, npatches, nthreads, nextents, nnumbers;
	uint32_t auxv_len;
	struct plan_vma *vmas;	    /* all areas, to be given their protection and advice, */
	struct plan_vma *maps;	    /* of which these are to be mapped */
	struct plan_range *drops;   /* what the parent has here and the process does not: unmapped first, */
	struct plan_range *zeros;   /* or made to read as never written */
	struct plan_range *guards;  /* lightweight guard pages */
	struct plan_patch *patches;
	struct plan_thread *threads; /* [0] is the leader of the checkpoint */
	struct image_extent *extents; /* those to load, by chunk */
	struct plan_number *numbers; /* ascending */
	struct rec_mm mm;
	uint8_t *auxv;
	uint64_t special_to[8];	       /* where the vdso and vvar areas go, 0: nowhere */
	uint64_t vdso_start, vdso_len; /* where its code will be, for restart_control */
	uint64_t control;	       /* struct restart_control in the restored memory */
};

enum node_kind {
	NODE_PROCESS, /* of the image */
	NODE_ZOMBIE,  /* ends when all are in their process groups */
	NODE_STANDIN, /* in the place of one that was outside of the job; ends with the job */
	NODE_HELPER,  /* leads or makes others, then ends, and is waited for by its parent */
};

/* Descriptors are in one table shared with init (CLONE_FILES), until all of them are there. Then a process */
enum node_table {
	TABLE_OWN,    /* takes its own from that into a new one; */
	TABLE_FIRST,  /* or it has parted with that table at the very first, for one that is to be its own and of others; */
	TABLE_SHARED, /* it is one of those others, and has the table of its creator */
};

enum { NODE_INIT = -1 }; /* as creator or parent: init of the capsule, or of no capsule */

/*
 * One process to be made. Creators come before those that they make. Every node, in this order:
 *
 * 0. with TABLE_FIRST has a copy of its creator's descriptor table, for itself and the nodes it makes,
 * 1. becomes a subreaper if it `adopts` (what it was in the program is set when that goes on),
 * 2. makes the nodes that have it for creator, in the order of the table: those with before_setsid; then
 *    it calls setsid(2) if it is to, takes its controlling terminal, and makes the others,
 * 3. waits for those of its children that end at once,
 * 4. leads: makes a process group of its own,
 * 5. is counted in restart_sync.created. One that ends at once counts itself in grouped, too, and ends;
 *    all others wait until all nodes are counted,
 * 6. when `group_after` nodes are grouped: joins its process group; is counted in grouped,
 * 7. when all nodes are grouped: a session leader with a controlling terminal puts the process group that was
 *    there into the foreground; one that had parted with its session's terminal does so,
 * 8. waits for those of its children that are helpers, and ends when it is a
 *    helper itself or a zombie. The signals that these ends send are dropped by libckpt (children.c).
 *
 * A node's own pid is never joined as a group: who leads one is in it.
 */
struct plan_node {
	int32_t pid;	 /* 0: any */
	uint32_t kind;	 /* enum node_kind */
	int32_t creator; /* index of the node that clones it, or NODE_INIT */
	int32_t parent;	 /* of the one that is its parent when all are there */
	int32_t process; /* NODE_PROCESS: index in the image; NODE_ZOMBIE: of its parent; or -1 */
	int32_t sid;	 /* session it is in at the end; 0: that of init */
	int32_t pgid;	 /* to be joined when all exist, 0: stay in the creator's */
	uint32_t setsid; /* 1: becomes leader of a session */
	uint32_t before_setsid; /* 1: is made before its creator becomes one */
	uint32_t shares_memory; /* 1: is made when its creator's memory is there, and has most of it */
	uint32_t clone_flags;	/* CLONE_PARENT, for which the kernel wants no exit_signal; CLONE_FS */
	uint32_t table;		/* enum node_table */
	int32_t table_fd, give_fd; /* with TABLE_FIRST: where struct table_message comes from init, and init's end */
	int32_t exit_signal;
	uint32_t adopts;      /* 1: orphans made below it become its children */
	uint32_t leads;	      /* 1: of a process group; session leaders are anyhow, and have 0 here */
	uint32_t group_after; /* joins only when so many nodes are in their groups */
	uint32_t ends_at_once; /* NODE_HELPER: 1: when it has made its nodes; 0: when all are grouped */
	int32_t tty_fd;	      /* to become the controlling terminal of a session leader, -1: none; */
	int32_t tty_pgid;     /* the process group in its foreground. Who leads no session parts with that terminal */
	int32_t end_code, end_signal; /* NODE_ZOMBIE: exit status, or the signal that ended it */
	char comm[16];	      /* NODE_ZOMBIE */
};

/* What the inside tells the outside. The first carries a pidfd of the root process. */
struct event {
	enum { EVENT_STARTED = 1, EVENT_STOPPED, EVENT_CONTINUED, EVENT_ENDED } what;
	int status; /* of waitpid(2) */
};

/*
 * Everything the restorer needs; it and what it points to lie inside the restorer's own memory, which every
 * process has a copy of. sync is shared.
 */
struct restore_job {
	uint64_t region_start, region_len; /* the restorer's memory, kept when all else is unmapped */
	uint64_t task_size;		   /* end of user addresses */
	int32_t image_fd;
	int32_t log_fd;	   /* where a failure is told; all descriptors above are closed at the end */
	int32_t events_fd; /* where stand-ins tell what becomes of the root process */
	int32_t root_pid;
	int32_t nworkers;  /* loaders to run at a time, >= 1 */
	uint32_t nnodes, nplans;
	uint32_t nfirst; /* processes with TABLE_FIRST */
	struct restart_sync *sync;
	struct plan_node *nodes;
	struct restore_plan *plans; /* by index of the process */
	struct image_chunk *chunks;
	uint64_t nchunks;
	struct image_key key;
	/* vdso and vvar areas of this process, from lowest to highest. */
	struct {
		uint64_t from, len;
	} special[8];
	uint32_t nspecial;
	uint32_t staged;  /* they have been moved to staging, and everything else is unmapped */
	uint32_t drop_caps, own_ipc; /* for restart_control */
	uint32_t next;	  /* used by the loaders: the next extent to load */
	uint64_t tls;	  /* what the thread pointer may point to: zstd reads a stack canary there */
	uint64_t staging; /* room for the special areas */
	uint8_t *work;	  /* nworkers * work_size bytes: decompressor, in and out buffers */
	uint64_t work_size;
	char socket[108]; /* for restart_control, as are these: */
	char moves[MOVES_MAX];
	char keyfile[CKPT_KEYFILE_MAX]; /* "": the image is not encrypted */
	uint64_t graft, graft_len; /* and this, which is text in our memory */
	uint64_t outside_pid; /* ckpt_restart's */
};

/* The file by which a restarted job asks the ckpt_restart outside to become another image; see become.c. */
enum { BECOME_PATH_MAX = 108 + 32 };
static inline void become_path(struct text *t, const char *socket, int64_t outside_pid)
{
	text_put(t, "%s.become.%ld", socket, (long)outside_pid);
}

#endif
