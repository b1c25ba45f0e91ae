/*
 * What the files of the writer share. The writer of a process runs in its snapshot, so all memory it reads
 * stands still, and all it takes ends with it.
 *
 *   plan.c      which bytes the image needs: ranges of memory, text of mapped files
 *   pages.c     without those that the parent has as well
 *   texts.c     without those that another process of the job writes
 *   extents.c   the rest, cut into chunks
 *   writer.c    the chunks and tables themselves
 *
 * Writers meet in the memory of struct shared_head. A child's waits for its parent's, whose index is
 * lower, and for the places of text only when its own are known to all: so none waits for itself.
 */
#ifndef CKPT_WRITER_H
#define CKPT_WRITER_H

#include "preload.h"
#include "image.h"
#include "image_file.h"

/* ---- plan.c: what the image needs of this process ---------------------------------------------- */

/* Memory whose bytes only the image has; in one area. */
struct memory_range {
	uint64_t start, end;
	uint32_t soft;	     /* what can't be read is zeros: beyond the end of a file */
	uint32_t unreadable; /* PROT_READ is missing */
};

/* Bytes of a file, at the addresses where it is mapped; in one area. */
struct text_range {
	uint64_t start, end;
	uint64_t offset; /* of start in the file */
	struct text_file {
		uint64_t dev, ino, size;
		int64_t mtime_ns;
	} file;
};

struct plan {
	struct blob vma;    /* REC_VMA records */
	struct blob memory; /* struct memory_range[], ascending */
	struct blob text;   /* struct text_range[], ascending */
	char why[256];	    /* first failure, "" when none */
};

/* 0, or -errno and why. */
int memory_plan(struct memory *m, struct save *s, struct plan *p) HIDDEN;

/* ---- extents.c: what goes where ------------------------------------------------------------------ */

/* Where the bytes of an extent are read. */
struct extent_src {
	uint64_t addr;
	uint32_t soft, unreadable; /* as in struct memory_range */
};

/* Part of the text of a mapped file. Who claims it writes it, all others refer to that. */
struct text_piece {
	uint64_t start;
	uint32_t len;
	uint32_t text; /* index in the plan */
	int32_t slot;  /* in the table that all processes share, -1: there was no room */
	bool ours;
	uint32_t chunk; /* where it is, once that is known */
	uint32_t chunk_offset;
};

struct extent_list {
	struct blob own;  /* struct image_extent[]: bytes in our chunks; those of memory first, ascending */
	struct blob src;  /* struct extent_src[], one for each of them */
	struct blob refs; /* struct image_extent[]: bytes in other processes' chunks; the same */
	size_t nown_memory, nrefs_memory;
	uint64_t bytes;	   /* of our chunks */
	uint32_t nchunks;  /* chunks of our own: until they have ids, `chunk` counts from 0 */
	uint32_t fill;	   /* bytes in the last one */
};

struct writer;

/* Cut what is ours into chunks. */
int extents_cut(struct writer *w) HIDDEN;
/* The chunks have got ids, from first on. */
void extents_number(struct writer *w, uint32_t first) HIDDEN;
/*
 * Refer to len bytes at offset at of chunk; `go_on`: make the last reference longer if the bytes come
 * right behind it in both places.
 */
void extents_refer(struct extent_list *l, struct image_extent e, bool go_on) HIDDEN;

/* ---- pages.c: what a child still has of its parent's memory ----------------------------------------- */

/* [start, end) of memory whose bytes are the parent's; in one area. */
struct same_run {
	uint64_t start, end;
};

struct pages {
	struct page_table *own;	      /* NULL: of no use to anybody */
	struct page_table *parent;    /* NULL: nothing to compare with */
	uint64_t *same;		      /* a bit for each page of own: as in the parent */
	uint32_t next;		      /* block of pages to be looked at next; relaxed */
	bool publish;		      /* a child may want them */
	struct blob runs;	      /* struct same_run[], ascending */
};

/* Find what the parent has too. */
int pages_compare(struct writer *w) HIDDEN;
/* Refer to it where the parent has it, and tell our children where all of ours is. */
int pages_refer(struct writer *w) HIDDEN;

/* ---- texts.c: what several processes have mapped of a file ---------------------------------------------- */

/* In the first process's writer: make the table. */
void texts_begin(struct writer *w) HIDDEN;
/* Divide up the text into w->pieces, and find out which of them are ours to write. */
int texts_claim(struct writer *w) HIDDEN;
/* Tell where those are; then refer to the others. */
int texts_refer(struct writer *w) HIDDEN;

/* ---- writer.c ------------------------------------------------------------------------------------------- */

/* Shared by all workers. */
struct writer {
	struct snapshot *sn;
	struct shared_head *shared;
	uint32_t index; /* of the process */
	bool failed;	/* it was us who called the checkpoint off */
	struct image_writer image;
	struct plan plan;
	struct pages pages;
	struct text_slot *texts; /* NULL: each process writes its own */
	struct blob pieces;	 /* struct text_piece[], ascending */
	struct extent_list list;
	uint32_t *chunk_first; /* index of the first extent of each chunk, and one past the last */
	uint32_t first_id;     /* of our chunks in the image */
	struct image_chunk *chunks;
	uint32_t next;	       /* chunk to be taken next; relaxed */
	uint64_t done;	       /* raw bytes written; relaxed */
	uint64_t told;	       /* of which the coordinator knows */
	int mem_fd;	       /* /proc/self/mem, for what PROT_READ forbids */
	struct image_file file;
	const char *keyfile; /* "": the image is not encrypted */
	bool made; /* the .part file is ours */
	char why[512];
};

/* Write this process's part of the image; tell the coordinator. Never returns an error to the program. */
void writer_run(struct snapshot *sn) HIDDEN;
/* Wait until *word is at least `least`: what it is then, or the -errno the checkpoint was called off with. */
int writer_await(struct writer *w, uint32_t *word, uint32_t least) HIDDEN;
/* Have up to n tasks that share everything run fn(w), this one among them. */
int writer_work(struct writer *w, uint32_t n, int (*fn)(void *w)) HIDDEN;
/* Zeroed memory, of the writer alone or of all processes (*offset: where); NULL when there is none. */
void *writer_map(size_t n) HIDDEN;
void *writer_map_shared(struct writer *w, size_t n, uint64_t *offset) HIDDEN;
/* What another process has there. */
void *writer_map_at(struct writer *w, uint64_t offset, size_t n) HIDDEN;

#endif
