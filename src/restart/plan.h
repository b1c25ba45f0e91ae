/* plan.c and inherit.c: the memory of each process, as the restorer is to make it. */
#ifndef CKPT_PLAN_H
#define CKPT_PLAN_H

#include "descriptors.h"
#include "handover.h"
#include "restart.h"
#include "special.h"

/* What is known of one process while its plan is made. */
struct planner {
	struct restart *r;
	const struct saved *p;
	struct plugin_ctx *descriptors;
	struct restore_plan plan;
	struct special_plan special;
	struct rec_vma *vma; /* as recorded, one for each plan.vmas; guards are not among them */
	char **path;
	bool *need_text;     /* the file is not what it was: its bytes come from the image */
};

/*
 * Plan the process whole, as if nothing of it were there yet; all of it in memory of our own. special
 * must be read. Dies.
 */
void plan_process(struct planner *pl);
/*
 * inherit.c: the process is a fork of the one that parent plans: keep what it has from there. Returns
 * false, and changes nothing, when that is not worth it. Parents are to be planned after their children: theirs must
 * be whole yet.
 */
bool plan_inherit(struct planner *pl, const struct planner *parent);

/* Zeroed memory for n things; dies. */
void *plan_alloc(size_t n, size_t size);

#endif
