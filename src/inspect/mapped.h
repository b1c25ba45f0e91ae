/*
 * mapped.c: what is saved beside an image of files and shared memory that are mapped.
 */
#ifndef CKPT_INSPECT_MAPPED_H
#define CKPT_INSPECT_MAPPED_H

#include "inspect.h"

struct mapped;

struct mapped *mapped_open(const struct report *r);
void mapped_close(struct mapped *m);
/* NULL: the image has no such object. */
const struct object *mapped_object(const struct mapped *m, uint32_t id);
/*
 * What lies beside the image of it at pos: up to n bytes, how many is returned. 0: nothing, and *gap is how far the next is;
 * UINT64_MAX: there is none. Dies when it is damaged or missing.
 */
size_t mapped_read(struct mapped *m, const struct object *o, uint64_t pos, void *buf, size_t n, uint64_t *gap);

#endif
