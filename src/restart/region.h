/*
 * region.c: one piece of memory at an address that neither ckpt_restart nor the program uses, holding
 * the restorer and all that it needs.
 */
#ifndef CKPT_REGION_H
#define CKPT_REGION_H

#include "restart.h"
#include "handover.h"

#define TASK_END 0x7ffffffff000ull /* of 47-bit addresses, TASK_SIZE_MAX in the kernel */

struct region {
	uint64_t start, len;
	uint8_t *stack_top;
	uint64_t used;	/* bytes */
	uint64_t entry; /* of the restorer */
	struct {
		uint64_t start, end;
	} *avoid;
	size_t navoid, cap;
};

/* Nothing is placed in [start, end). Call for everything before region_reserve(). */
void region_avoid(struct region *g, uint64_t start, uint64_t end);
/* The lowest address with len bytes free of all that; dies when there is none. */
uint64_t region_hole(struct region *g, size_t len);
/* Map n bytes and room for the restorer, and load that. Dies. */
void region_reserve(struct region *g, size_t n);
/* A copy of n bytes at p (NULL: zeros), aligned to 16; dies when the region is too small. */
void *region_put(struct region *g, const void *p, size_t n);
/* n zeroed bytes, aligned to pages. */
void *region_put_pages(struct region *g, size_t n);
/* Go to the restorer, as this node. */
void region_enter(struct region *g, struct restore_job *job, uint32_t node) __attribute__((noreturn));

#endif
