/*
 * What the program watches with inotify: a list that wrappers/inotify.c keeps and descriptors.c
 * reads.
 *
 * It only grows; an entry that is free is taken for the next watch. It can be read at any moment,
 * also while a thread is frozen inside a wrapper: an entry is complete before its wd says so, and
 * is there, as WATCH_PENDING, before the kernel has the watch.
 */
#ifndef CKPT_INOTIFY_H
#define CKPT_INOTIFY_H

#include "preload.h"

enum { WATCH_FREE = 0, WATCH_PENDING = -1, WATCH_TAKEN = -2 };

struct watch {
	struct watch *next;
	int fd;	    /* under which it was added */
	int wd;	    /* or WATCH_*; released after path is written, acquired before it is read */
	size_t cap; /* bytes of path */
	char path[];
};

extern struct watch *watch_list HIDDEN; /* pushed with release, walked with acquire */

static inline struct watch *watch_first(void)
{
	return __atomic_load_n(&watch_list, __ATOMIC_ACQUIRE);
}

static inline int watch_wd(const struct watch *w)
{
	return __atomic_load_n(&w->wd, __ATOMIC_ACQUIRE);
}

#endif
