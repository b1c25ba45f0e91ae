/* diff.c: what changed between two images, by mapping. */
#ifndef CKPT_INSPECT_DIFF_H
#define CKPT_INSPECT_DIFF_H

#include "inspect.h"

/* Numbers of pages. */
struct change {
	const struct area *area; /* of the later image, or of the earlier one if that is not there any more */
	uint64_t changed;	 /* pages of other content */
	uint64_t added, removed; /* pages of addresses that only the later, or the earlier, has */
};

struct difference {
	const struct process *before, *after; /* with the same pid; NULL: there is none */
	struct change *changes;		      /* one for each area, by address, when there are both */
	size_t nchanges;
};

/* Everything is from malloc(3). Dies when an image is damaged. */
struct difference *report_diff(const struct report *a, const struct report *b, size_t *n);
void diff_text(const struct report *a, const struct report *b, const struct difference *d, size_t n);
void diff_json(const struct report *a, const struct report *b, const struct difference *d, size_t n);

#endif
