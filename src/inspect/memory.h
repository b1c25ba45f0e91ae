/*
 * memory.c: the memory of a process of an image, by address, as the process saw it: what the image holds, zeros
 * where nothing was written, and for the rest the file that was mapped, if it is still the same.
 */
#ifndef CKPT_INSPECT_MEMORY_H
#define CKPT_INSPECT_MEMORY_H

#include "inspect.h"

struct memory;

struct memory *memory_open(const struct report *r, const struct process *p);
void memory_close(struct memory *m);
/* How many of the n bytes at addr could be read; less than n when what follows is not there. */
size_t memory_read(struct memory *m, uint64_t addr, void *buf, size_t n);
/*
 * The stretch [*start, *end) behind addr where something else than zeros may be, up to the end of that area. False:
 * none.
 */
bool memory_next(struct memory *m, const struct area *a, uint64_t addr, uint64_t *start, uint64_t *end);
const struct process *memory_process(const struct memory *m);
/* The file that the area maps, open for reading; -1: it is not there any more, or another one. */
int memory_file(struct memory *m, const struct area *a);
/* The area that addr is in, or NULL. */
const struct area *memory_area(const struct memory *m, uint64_t addr);

#endif
