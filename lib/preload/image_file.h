/*
 * image_file.c: the image as a file among the generations of its job. Frozen-safe.
 */
#ifndef CKPT_IMAGE_FILE_H
#define CKPT_IMAGE_FILE_H

#include "preload.h"

struct image_file {
	const struct msg_params *params; /* path, link, generation, keep */
	int dir;		  /* descriptor of the directory, -errno */
	const char *name, *part_name; /* in it: of the image, and while it is written; */
	char files[256], part_files[256]; /* of the directory beside it (contents.h), the same */
	char part[CKPT_PATH_MAX + 8]; /* path of part_name, and of the directory: as they were */
	char dir_path[CKPT_PATH_MAX];
};

/* Create path.part, for the owner alone, and lock it; the descriptor or -errno. */
int image_file_open(struct image_file *f, const struct msg_params *params) HIDDEN;
/* The same file, which another writer has created; its lock stays that one's. */
int image_file_join(struct image_file *f, const struct msg_params *params) HIDDEN;
/*
 * Make it durable under its own name, and the newest generation; has_files: with the directory beside it. On
 * failure -errno and *what says what was tried; image_file_remove() is the caller's to call.
 */
int image_file_commit(struct image_file *f, int fd, bool has_files, const char **what) HIDDEN;
/* Remove the .part file, which fd is open on, and what is beside it; nothing when another has its name. */
void image_file_remove(struct image_file *f, int fd) HIDDEN;
/* Release what image_file_open() or image_file_join() has taken. */
void image_file_close(struct image_file *f) HIDDEN;
/* Remove generations beyond those to be kept, and what writers that were killed have left. */
void image_file_prune(struct image_file *f) HIDDEN;

#endif
