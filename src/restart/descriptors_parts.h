/*
 * Inside of descriptors.c and its parts: descriptors_parse.c reads the records, plugin_restore.c is what
 * plugins may ask at a restart.
 */
#ifndef CKPT_DESCRIPTORS_PARTS_H
#define CKPT_DESCRIPTORS_PARTS_H

#include "descriptors.h"
#include "objects.h"
#include <ckpt/plugin.h>

struct plugin_ctx {
	struct descriptors_params params;
	struct objects objects;
	struct plugin_file *files; /* array of nfiles */
	uint32_t nfiles;
	struct plugin_file **sorted; /* the same by inode */
	const struct rec **plugin_recs; /* REC_PLUGIN, by file, then as they stand in the image */
	uint32_t nplugin_recs;
	struct arena arena;
	int std[3]; /* ckpt_restart's own streams, -1: closed */
	struct session_tty *ttys;
	bool late;  /* the processes are there */
	char fd_path[32];
};

/* The controlling terminal of a session inside the job. */
struct session_tty {
	int session, foreground;
	int fd;
	struct session_tty *next;
};

/* Records of the type in a process. */
uint32_t records_count_type(const struct saved *p, uint16_t type);
/* id of the file that a REC_PLUGIN belongs to. */
uint32_t rec_file_id(const struct rec *r);
/* Orders of c->files and of c->sorted, for qsort(3) and bsearch(3). */
int file_by_id(const void *a, const void *b);
int file_by_inode(const void *a, const void *b);
/* The open file of a REC_FD: 1, 0 for a number without a file, which needs but be free, or -EBADMSG. */
int number_parse(struct plugin_ctx *c, const struct rec *r, struct plugin_file **f);
/* What number becomes: the open file, or a standard stream of our own. */
int number_source(const struct plugin_ctx *c, const struct plugin_file *f, int number);
/* stdio.c: standard output that is to be ours. */
void outputs_take(struct plugin_ctx *c);
/* Tell of a failure that is of no one file; returns err. */
int descriptors_fail(struct plugin_ctx *c, int err, const char *what);

#endif
