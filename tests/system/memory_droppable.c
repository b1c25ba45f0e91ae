/*
 * Memory that the kernel may drop (MAP_DROPPABLE), as libc uses for the state of its random numbers: it
 * stays such memory, and each of its pages is what it was or zeros.
 */
#include "harness.h"
#include <sys/mman.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

enum { PAGES = 8, PAGE = 4096 };

/* True when the area at p is droppable. */
static bool is_droppable(const char *p)
{
	char *smaps = read_whole("/proc/self/smaps", NULL), start[32], *area, *flags;
	bool yes;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	area = smaps ? strstr(smaps, start) : NULL;
	flags = area ? strstr(area, "VmFlags:") : NULL;
	yes = flags && strcspn(flags, "\n") > (size_t)(strstr(flags, " dp") - flags);
	free(smaps);
	return yes;
}

int main(void)
{
	/* Between areas without access, so that it is an area of its own. */
	char *around = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = mmap(around + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		skip("MAP_DROPPABLE: %s", strerror(errno));
	check(is_droppable(p), "a new area is not droppable");
	memset(p, 'd', PAGES * PAGE);
	ready();
	check(is_droppable(p), "the area is not droppable any more");
	for (int i = 0; i < PAGES; i++) {
		char first = p[i * PAGE];

		check(first == 'd' || first == 0, "page %d begins with %d", i, first);
		for (int k = 0; k < PAGE; k++)
			if (p[i * PAGE + k] != first) {
				check(false, "byte %d of page %d", k, i);
				break;
			}
	}
	memset(p, 'e', PAGES * PAGE);
	check(p[0] == 'e' || p[0] == 0, "the area can't be written");
	return verdict();
}
