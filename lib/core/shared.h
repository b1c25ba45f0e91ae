/*
 * Memory that the processes of a job share during one checkpoint. The coordinator makes it (memfd) and
 * passes it to every leader with the release from PHASE_FREEZE; leaders, and later the snapshot writers,
 * meet in it, tell each other what they have open and mapped, and share out what to save. It is not
 * part of the image and ends with the checkpoint.
 *
 *   struct shared_head | struct shared_process[nprocesses] | struct image_section[] | free
 *
 * The file is sparse and large (SHARED_SIZE). The first head_len bytes are mapped by everybody; behind
 * them ranges are taken by an atomic add to `top` and mapped by those who use them. Everything is
 * addressed by offset: each process maps it elsewhere.
 *
 * Indexes of processes: 0 is the first process of the job; a parent has a lower one than its children.
 */
#ifndef CKPT_SHARED_H
#define CKPT_SHARED_H

#include <linux/futex.h>
#include "core.h"

#define SHARED_MAGIC 0x3144524853504b43ull
#define SHARED_SIZE  (1ull << 40)
/* From here on libckpt keeps tables at fixed places (lib/preload/shared.c); `top` stays below. */
#define SHARED_TABLE (SHARED_SIZE / 2)
#define SHARED_TEXT  (SHARED_SIZE / 4 * 3)

enum { SHARED_BARRIERS = 8 };

/* One process of the job. The first part is the coordinator's, the rest its own; offsets are into the memfd. */
struct shared_process {
	int32_t pid;	/* as the processes of the job see it */
	int32_t parent; /* index of its parent, -1: outside the job */
	uint32_t flags; /* enum shared_flag */
	int32_t own_fds[3]; /* with SHARED_FILES: libckpt's own descriptors, each plus 1, */
	uint32_t table;	    /* in this descriptor table, a number that libckpt gives */
	int32_t writer; /* pid of its writer while that is at work, 0: not yet, -1: its part is in */
	uint64_t lineage; /* equal where one has come from the other by fork alone; 0: unknown */
	/* writer: its pages for others to refer to (pages.c); futexes: 0 not yet, 1 there, 2 never */
	uint32_t pages_ready;  /* hashes */
	uint32_t chunks_ready; /* where their bytes are in the image */
	uint64_t pages_offset, pages_len;
	uint64_t extents_offset, extents_len;
};

enum shared_flag {
	SHARED_STOPPED = 1, /* stopped by a signal; runs for us under a tracer */
	SHARED_FILES = 2,   /* has a descriptor table in common with its parent, or with a child */
};

struct shared_head {
	uint64_t magic;
	uint32_t nprocesses;
	uint32_t head_len;	/* bytes of head, processes and sections, whole pages */
	uint32_t sections_max;
	int32_t abort;		/* futex: -errno once the checkpoint is called off, by whoever */
	uint64_t sections_offset;
	uint64_t top;		/* next free offset, whole pages; relaxed add */
	uint32_t barrier[SHARED_BARRIERS]; /* futexes: processes that have come; release add */
	uint32_t next_file, next_object;   /* ids given out so far; the first is 1; relaxed add */
	/* the image */
	uint64_t tail;		/* next free offset of the file; relaxed add */
	int32_t image_err;	/* first error of any writer, -errno */
	uint32_t image_ready;	/* futex: the file is there and has its header */
	uint32_t nchunks;	/* ids of chunks given out so far */
	uint32_t nsections;
	uint32_t nwritten;	/* futex: writers whose part is in the file; release add */
	uint32_t any_files;	/* 1: some processes are SHARED_FILES */
	uint64_t hash_seed;	/* of the hashes of pages, random; 0: not yet */
	uint64_t texts_offset;	/* table of mapped files' text (texts.c), 0: not yet */
	/* content beside the image (contents.c) */
	uint64_t contents_seed; /* of the hashes; 0: there is none, and no directory */
	uint64_t contents_done; /* bytes looked at: as long as it grows nobody's time is over; relaxed add */
	uint8_t salt[16];	/* of an encrypted image, which everybody can read in its header */
	uint8_t key_check[8];	/* and this, too: all writers must have the same key */
	uint32_t encrypted;
	uint32_t nonce; /* the coordinator's: no two checkpoints of a job have the same */
	struct shared_process process[];
};

/* For one that can't map it. */
enum { SHARED_ABORT_OFFSET = offsetof(struct shared_head, abort) };

static inline void shared_wake(uint32_t *word)
{
	sys_futex(word, FUTEX_WAKE, 0x7fffffff, NULL);
}

/* 0, or the -errno that the checkpoint was called off with. */
static inline int shared_is_off(const struct shared_head *h)
{
	return __atomic_load_n(&h->abort, __ATOMIC_RELAXED);
}

/* Call the checkpoint off and wake all who wait; true unless it had been called off already. */
static inline bool shared_call_off(struct shared_head *h, int err)
{
	int32_t none = 0;
	bool first = __atomic_compare_exchange_n(&h->abort, &none, err, false, __ATOMIC_RELEASE,
						 __ATOMIC_RELAXED);

	for (int i = 0; i < SHARED_BARRIERS; i++)
		shared_wake(&h->barrier[i]);
	shared_wake(&h->image_ready);
	shared_wake(&h->nwritten);
	for (uint32_t i = 0; i < h->nprocesses; i++) {
		shared_wake(&h->process[i].pages_ready);
		shared_wake(&h->process[i].chunks_ready);
	}
	return first;
}

#endif
