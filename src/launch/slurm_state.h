/*
 * slurm_state.c: small files of "key=value" lines, in which ckpt_launch keeps for the next run of a SLURM job what it
 * has to know of this one.
 *
 * They are written whole beside their place and renamed, so that a reader, and a node that crashes, sees the old one
 * or the new one. They are read back strictly: what was not written by us is not taken for less, or for more.
 */
#ifndef CKPT_SLURM_STATE_H
#define CKPT_SLURM_STATE_H

#include <stddef.h>
#include <stdint.h>

/* One line: a text, or a number where size is 0. */
struct state_field {
	const char *key;
	size_t offset; /* in the structure that is read or written, of char[size] or uint64_t */
	size_t size;
};

#define STATE_TEXT(type, field)	  {#field, offsetof(type, field), sizeof(((type *)0)->field)}
#define STATE_NUMBER(type, field) {#field, offsetof(type, field), 0}

/*
 * Read path into a structure: 0; -ENOENT; -EBADMSG when it is not a regular file of ours, or anything but each of the
 * fields once; or another -errno. The structure is then as it was.
 */
int state_read(const char *path, const struct state_field *fields, size_t n, void *to, size_t size);
/* Write a structure to path, mode 0600. A line feed in a text is written as a blank. 0 or -errno. */
int state_write(const char *path, const struct state_field *fields, size_t n, const void *from);

#endif
