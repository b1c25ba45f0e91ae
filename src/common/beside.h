/*
 * beside.c: content of large files in the directory beside an image (lib/core/contents.h), for whoever
 * reads the image.
 */
#ifndef CKPT_BESIDE_H
#define CKPT_BESIDE_H

#include "contents.h"

struct beside {
	int fd;		    /* the directory; -1: the image has none */
	const char *name;   /* of it, for messages */
	const void **lists; /* by process, checked; NULL: that one has none */
	uint32_t nlists;
	int dir_err;	    /* -errno when it can't be opened */
};

/* What an image says of an object whose content is beside it. */
struct beside_file {
	const struct contents_head *head;
	const struct contents_file *file;   /* NULL: it is not beside */
	const struct contents_piece *pieces;
};

/*
 * Read the lists of an image that was opened by path, and open the directory; that this can't be had is told
 * by beside_verify(). 0, or -errno with why filled. Memory lasts.
 */
int beside_open(struct beside *b, struct image *img, const char *path, struct text *why);
void beside_close(struct beside *b);
/* How many bytes there are, of all files: without holes. What generations share counts for each. */
uint64_t beside_bytes(const struct beside *b);
/*
 * Check all of it: fn(arg, line) is told of each thing that is missing or damaged. Returns how many.
 */
uint64_t beside_verify(const struct beside *b, void (*fn)(void *arg, const char *line), void *arg);
/* The content of an object. */
struct beside_file beside_find(const struct beside *b, uint32_t object);
/* Read a piece into buf, CONTENTS_PIECE bytes, and compare its hash. 0, -EBADMSG or -errno. */
int beside_piece(const struct beside *b, uint64_t seed, const struct contents_piece *p, void *buf);
/* Open the clone of a file; its descriptor, -EBADMSG when it has another size, or -errno. */
int beside_clone(const struct beside *b, const struct contents_file *f);

#endif
