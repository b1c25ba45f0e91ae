/* special.c: the kernel's own areas of a process, vdso and vvar. */
#ifndef CKPT_SPECIAL_H
#define CKPT_SPECIAL_H

#include "handover.h"
#include "region.h"
#include "restart.h"

enum { SPECIALS_MAX = 8 };

struct special {
	uint64_t start, len;
	bool is_vdso; /* code, not data */
};

/* Those of this process, and so of all that are forked from it; from lowest to highest. */
struct special_own {
	struct special area[SPECIALS_MAX];
	uint32_t n;
	uint64_t hash; /* of the vdso */
};

/* Those that a process of the image had, beside ours. */
struct special_plan {
	const struct special_own *own;
	struct special old[SPECIALS_MAX];
	uint32_t nold;
	bool other_kernel; /* the vdso recorded is not this kernel's */
};

void special_own_read(struct special_own *own);
void special_read(const struct saved *p, const struct special_own *own,
		  struct special_plan *s);
/* Bytes of a hole that takes ours. */
uint64_t special_span(const struct special_own *own);
/* Fill in where ours go (to the hole, when they can't go home), and the patches of another's code. Dies. */
void special_plan(const struct restart *r, const struct saved *p, const struct special_plan *s,
		  uint64_t hole, struct restore_plan *plan);
/* Is addr in an area that needs no content from the image? */
bool special_has(const struct special_plan *s, uint64_t addr);

/* Pages below the end of addresses and not below `above`. */
static inline bool area_plausible(const struct rec_vma *v, uint64_t above)
{
	return v->start < v->end && v->start >= above && v->end <= TASK_END &&
	       v->start % CKPT_PAGE == 0 && v->end % CKPT_PAGE == 0;
}

#endif
