/*
 * Wrappers of libc functions. Only what can't be asked of the kernel afterwards is wrapped, and each
 * wrapper says why. A wrapper's definition is its table entry:
 *
 *	WRAP(int, sigwait, (const sigset_t *set, int *sig))
 *	{
 *		...
 *		return real_sigwait(...);
 *	}
 *
 * real_NAME is libc's function. All are looked up by the constructor; a call before that (from another
 * library's constructor) looks them up itself.
 */
#ifndef CKPT_WRAP_H
#define CKPT_WRAP_H

#include "preload.h"

struct wrap {
	const char *name;
	void **real;
};

void wrap_resolve(void) HIDDEN; /* wrap.c */

#define WRAP(ret, fn, params)                                                                      \
	static ret(*real_ptr_##fn) params;                                                         \
	static const struct wrap wrap_##fn __attribute__((section("ckpt_wraps"), used)) = {        \
		#fn, (void **)&real_ptr_##fn};                                                     \
	__attribute__((visibility("default"))) ret fn params

/* libc's function of that name. */
#define REAL(fn) (*({ if (!real_ptr_##fn) wrap_resolve(); &real_ptr_##fn; }))

#endif
