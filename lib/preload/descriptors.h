/*
 * The open files of a frozen process: what descriptors.c, which lists and saves them, plugin_save.c, which
 * answers plugins, and kept.c, which keeps what only the restored process can do, have in common.
 */
#ifndef CKPT_DESCRIPTORS_H
#define CKPT_DESCRIPTORS_H

#include <ckpt/plugin.h>
#include "preload.h"

enum { DESCRIPTOR_LINK_MAX = 4096, DESCRIPTOR_LIST_BYTES = 32768 };

/* An open file of the job that this process knows of. */
struct file {
	struct plugin_file file; /* first: a plugin's pointer is ours */
	int32_t tid, fd;	 /* where kcmp(2) and /proc find it: here, or in the process that saves it */
};

struct number {
	int fd;
	struct plugin_file *file;
};

struct plugin_ctx {
	struct save *save;
	struct shared *shared;
	struct plugin_file *files, **files_end;
	struct plugin_file **by_id; /* by_id_max pointers, NULL: not known here */
	uint32_t by_id_max;
	struct blob numbers; /* struct number[], ascending */
	struct blob extra;   /* int[]: descriptors that plugin_add_file() has taken over */
	int list_fd;	     /* /proc/thread-self/fd */
	int tid;
	char link[DESCRIPTOR_LINK_MAX + 1];
	char *info; /* of info_cap bytes: text of an fdinfo file */
	size_t info_cap;
	char list[DESCRIPTOR_LIST_BYTES];
};

/* The decimal name of a number, in buf. */
const char *number_name(int fd, char *buf, size_t n) HIDDEN;

/* A file that is not open, by a descriptor of ours, which is taken over: one that no number leads to. */
void descriptors_add_closed(struct plugin_ctx *c, int fd) HIDDEN;

/* ---- closed.c ---- */

/* Add the files that the program has closed and that --files names. */
void closed_list(struct plugin_ctx *c) HIDDEN;

/* ---- kept.c ---- */

/* Nothing is kept yet: a checkpoint begins. */
void kept_clear(void) HIDDEN;
/* A thread as owner of a descriptor's signals is not there before its process is. */
void kept_owner(struct plugin_ctx *c, struct plugin_file *f) HIDDEN;

#endif
