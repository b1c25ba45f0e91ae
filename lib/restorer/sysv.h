/* sysv.c: SysV shared memory, attached where it was. */
#ifndef CKPT_RESTORER_SYSV_H
#define CKPT_RESTORER_SYSV_H

#include "handover.h"

/*
 * Attach every area of vmas[0..n) that has VMA_SYSV, with its protection. To be called before any other area
 * is mapped: a segment is attached whole, and then loses the parts that the program had unmapped.
 * 0, or -errno and in *at the address that could not be had.
 */
long sysv_attach(const struct plan_vma *vmas, uint32_t n, uint64_t *at)
	__attribute__((visibility("hidden")));

#endif
