/*
 * descriptors.c: the open descriptors of a process, rebuilt from its records before it runs again.
 * Called in the process that will become the program: it has the program's pid, is
 * single-threaded, and its /proc shows the capsule.
 *
 *	d = descriptors_open(&params)	parses; changes nothing
 *	descriptors_restore(d)		makes everything, in helper numbers
 *	object_fd(d, id)		content to be mapped MAP_SHARED
 *	descriptors_place(d)		gives the descriptors their numbers
 *	objects_seal(d)			once areas are mapped
 *	descriptors_close(d)
 *
 * fcntl(2) locks are lost when a process closes any descriptor of the file; so libckpt takes them
 * again, in the restored process (descriptors_resume()). Here it is only made sure that they can
 * be had.
 *
 * Everything of ours is at numbers from params.base on; those below are the program's alone. A
 * function that fails has told why, in one line on log_fd, and the restart must end: nothing can
 * be called again.
 */
#ifndef CKPT_DESCRIPTORS_H
#define CKPT_DESCRIPTORS_H

#include "image.h"
#include "records.h"

struct descriptors_params {
	struct image *image;
	const void *records;		    /* SECTION_PROCESS */
	size_t nrecords;		    /* bytes */
	const struct image_extent *extents; /* of the process */
	size_t nextents;
	int base;   /* at least descriptors_base() */
	int log_fd; /* where lines are told, >= base */
	bool force; /* --files=force: go on with files that have changed, with a warning */
};

struct plugin_ctx;

/* The first number above all that the process uses, also in the past (epoll items); -EBADMSG. */
int descriptors_base(const void *records, size_t n);

/* NULL: out of memory or damaged records. The records must stay. */
struct plugin_ctx *descriptors_open(const struct descriptors_params *p);
/*
 * Make every open file and object. Descriptors 0, 1 and 2 are still the caller's: they are the
 * standard streams for a program that got its own from outside.
 */
int descriptors_restore(struct plugin_ctx *d);
/*
 * Our descriptor, read and write where it can be, of an object with its content in place; -errno.
 */
int object_fd(struct plugin_ctx *d, uint32_t id);
/* Close all numbers below base that the program does not have, and fill the others. */
int descriptors_place(struct plugin_ctx *d);
/* Seal memfds as they were: not earlier, because areas mapped for writing must be mapped before. */
int objects_seal(struct plugin_ctx *d);
/* Close our own descriptors, objects included, and free memory. */
void descriptors_close(struct plugin_ctx *d);

#endif
