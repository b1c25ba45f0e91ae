/*
 * Areas that a fork does not inherit (MADV_DONTFORK, MADV_WIPEONFORK) are not in the snapshot. To find
 * them in the pause takes reading smaps, 1.3 ms for a Python program; so it is noted here that the
 * program has any.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "wrap.h"

WRAP(int, madvise, (void *addr, size_t len, int advice))
{
	if (advice == MADV_DONTFORK || advice == MADV_WIPEONFORK)
		memory_fork_advice = true;
	return REAL(madvise)(addr, len, advice);
}
