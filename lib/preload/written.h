/*
 * Files that the program has written to and may have closed since. Others may write to them, too, so they are left as
 * they are; but where --files names them, what was done to them after a checkpoint is to be undone. The kernel tells
 * only of what is open, so wrappers/open.c notes each file that is opened to be changed. closed.c looks at them in the
 * pause.
 *
 * The notes lie in memory that a process shares with those it forks: a shell's child opens what its command writes to,
 * and is gone. They are a cache: of too many files in a set the one that was opened longest ago is forgotten. A program
 * that was executed begins anew.
 */
#ifndef CKPT_WRITTEN_H
#define CKPT_WRITTEN_H

#include "preload.h"

enum {
	WRITTEN_SETS = 128, /* a power of two */
	WRITTEN_WAYS = 8,
	WRITTEN_PATH_MAX = 512, /* a longer path is not noted */
};

enum written_state { WRITTEN_FREE, WRITTEN_TAKEN /* by one who fills it in */, WRITTEN_NOTED };
struct written_file {
	uint64_t dev, ino;
	uint32_t state;
	uint32_t stamp; /* the larger, the later it was opened */
	bool moved;	/* since a restart the path is where the file was moved to (--map-path) */
	char path[WRITTEN_PATH_MAX];
};

struct written {
	uint32_t claimed; /* by which checkpoint; one process of those that share this looks at the files */
	uint32_t stamp;
	struct written_file file[WRITTEN_SETS][WRITTEN_WAYS];
};

extern struct written *written HIDDEN; /* NULL: nothing is noted */

/* By the constructor. Without memory, or when --files names no file, nothing is noted. */
void written_init(void) HIDDEN;
/* fd was opened with these flags of open(2). */
void written_note(int fd, int flags) HIDDEN;
/* Does --files say that such a file is to be put back though it is closed? */
bool written_is_named(const char *path) HIDDEN;
/* In a restored process: the paths are to be where they lead now. Of processes that share the notes any does it. */
void written_move(void (*move)(char *path, size_t n)) HIDDEN;

#endif
