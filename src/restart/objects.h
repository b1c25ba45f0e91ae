/* objects.c: content that the image holds for files without a name, memfds and files put back. */
#ifndef CKPT_OBJECTS_H
#define CKPT_OBJECTS_H

#include "descriptors.h"

struct object {
	struct rec_object rec;
	const char *name;
	int fd; /* -1: not made yet */
	bool filled; /* with its content */
};

struct objects {
	const struct descriptors_params *params;
	struct object *list;
	uint32_t n;
	struct image_extent *extents; /* of all objects and processes, by stream */
	size_t nextents;
};

/* Find the objects in the records. 0, -ENOMEM or -EBADMSG. */
int objects_init(struct objects *o, const struct descriptors_params *p);
/*
 * Open the files that mapped objects are, without changing them. On failure -errno, *what as below, and *name.
 */
int objects_open_mapped(struct objects *o, const char **name, const char **what);
/*
 * A descriptor, from params.base on, of the object with its content; made by the first call. On
 * failure -errno and *what says what was tried.
 */
int objects_fd(struct objects *o, uint32_t id, const char **what);
/* The modes they had: not before all have been opened, which a mode may forbid. */
void objects_set_modes(struct objects *o);
int objects_apply_seals(struct objects *o);
void objects_close(struct objects *o);

#endif
