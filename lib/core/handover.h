/*
 * The contract between ckpt_restart, the restorer and libckpt in the restored process.
 *
 * libckpt keeps one struct restart_control in its own memory; REC_PROCESS carries its address. The
 * restorer fills it in the restored memory, then sends every thread to its saved context.
 */
#ifndef CKPT_HANDOVER_H
#define CKPT_HANDOVER_H

#include "records.h"

#define RESTART_CONTROL_MAGIC 0x32545352434b4e43ull

struct restart_control {
	uint64_t magic;
	uint64_t restarted;   /* set to 1 by the restorer; 0 in every running program */
	uint64_t blob_start;  /* the restorer's memory, unmapped by libckpt's leader */
	uint64_t blob_len;
	uint64_t drop_caps;   /* 1: capabilities came from the capsule, drop them all */
	uint32_t main_word;   /* zeroed by the kernel when a main thread that had ended has ended again */
	uint32_t main_exited; /* 1: wait for that */
	uint64_t vdso_start;  /* code of this kernel's vdso */
	uint64_t vdso_len;
	int64_t log_fd;	      /* where libckpt's leader may tell a warning, closed by it; -1: none */
	char socket[108];     /* of the coordinator here and now; "": as before */
};

/* One area to be mapped by the restorer. */
struct plan_vma {
	uint64_t start, end, offset;
	uint32_t prot;
	uint32_t flags; /* enum vma_flag */
	int32_t fd;	/* descriptor to map, -1: anonymous */
	uint32_t reserved;
};

/* A range of lightweight guard pages to put back. */
struct plan_range {
	uint64_t start, end;
};

/* Seals to be put on a memfd again (F_ADD_SEALS). */
struct plan_seal {
	int32_t fd;
	uint32_t seals;
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

/* Everything the restorer needs; it and what it points to lie inside the restorer's own memory. */
struct restore_plan {
	uint64_t region_start, region_len; /* the restorer's memory, kept when all else is unmapped */
	uint64_t task_size;		   /* end of user addresses */
	int image_fd;
	int exe_fd;			   /* for /proc/self/exe, -1: leave */
	int log_fd;			   /* where a failure is told; all descriptors above are closed */
	int nworkers;			   /* loaders to run at a time, >= 1 */
	int32_t pid;
	uint32_t nvmas, nthreads, nextents, nguards;
	struct plan_vma *vmas;
	struct plan_range *guards;
	struct plan_seal *seals;
	uint32_t nseals;
	struct plan_patch *patches;
	uint32_t npatches;
	struct plan_thread *threads;	   /* [0] is the leader of the checkpoint */
	struct image_extent *extents;	   /* those to load, by chunk */
	struct image_chunk *chunks;
	uint64_t nchunks;
	struct rec_mm mm;
	uint8_t *auxv;
	uint32_t auxv_len;
	uint32_t main_exited;
	/* vdso and vvar areas of this process, from lowest to highest, and where they go. */
	struct {
		uint64_t from, len, to;
	} special[8];
	uint32_t nspecial;
	uint32_t drop_caps;
	uint64_t vdso_start, vdso_len; /* where its code will be, for restart_control */
	uint64_t control; /* struct restart_control in the restored memory */
	char socket[108]; /* for restart_control */
	uint32_t next;	  /* used by the loaders: the next extent to load */
	uint64_t tls;	  /* what the thread pointer may point to: zstd reads a stack canary there */
	uint64_t staging; /* room inside the region for the special areas */
	uint8_t *work;	  /* nworkers * work_size bytes: decompressor, in and out buffers */
	uint64_t work_size;
};

#endif
