/* Finds libc's functions behind our wrappers. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include "wrap.h"

extern const struct wrap __start_ckpt_wraps[] HIDDEN, __stop_ckpt_wraps[] HIDDEN;

__attribute__((constructor(100 + 1))) void wrap_resolve(void)
{
	for (const struct wrap *w = __start_ckpt_wraps; w < __stop_ckpt_wraps; w++)
		*w->real = dlsym(RTLD_NEXT, w->name);
}
