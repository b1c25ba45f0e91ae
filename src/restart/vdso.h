/*
 * vdso.c: the functions that a kernel puts into every process, when the image was made under another
 * kernel, or on a CPU for which the kernel chose other instructions.
 */
#ifndef CKPT_VDSO_H
#define CKPT_VDSO_H

#include "core.h"
#include "handover.h"

enum { VDSO_PATCHES_MAX = 64 };

/* An ELF image in memory that is to run at address `at`; len 0: there is none. */
struct vdso {
	const void *image;
	size_t len;
	uint64_t at;
};

/*
 * What to write over old's functions so that each goes to that of now: out holds VDSO_PATCHES_MAX. The
 * number of patches, or -errno with why filled: -ENOEXEC not an ELF image, -ENOTSUP no room for a jump,
 * -E2BIG too many functions.
 */
int vdso_redirect(const struct vdso *old, const struct vdso *now, struct plan_patch *out,
		  struct text *why);

#endif
