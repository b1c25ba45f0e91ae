/* Private memory of huge pages (MAP_HUGETLB): pages of that size again, those never touched untouched. */
#include "harness.h"
#include <sys/mman.h>

enum { HUGE = 2 << 20, N = 3 };

/* A number of the area's entry in smaps. */
static long smaps_number(const void *at, const char *key)
{
	char *text = read_whole("/proc/self/smaps", NULL), start[32], *entry, *p;
	long n;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)at);
	entry = text ? strstr(text, start) : NULL;
	p = entry ? strstr(entry, key) : NULL;
	n = p ? strtol(p + strlen(key), NULL, 10) : -1;
	free(text);
	return n;
}

int main(void)
{
	char *m = mmap(NULL, N * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (m == MAP_FAILED)
		skip("no huge pages (vm.nr_hugepages): %s", strerror(errno));
	for (int i = 0; i < HUGE; i += 4096) {
		m[i] = (char)(i >> 12);
		m[2 * HUGE + i] = (char)(i >> 13);
	}
	mprotect(m + 2 * HUGE, HUGE, PROT_READ);

	ready();

	check(smaps_number(m, "KernelPageSize:") == HUGE >> 10, "pages of %ld KiB", smaps_number(m, "KernelPageSize:"));
	check(smaps_number(m, "Private_Hugetlb:") == HUGE >> 10, "%ld KiB are there",
	      smaps_number(m, "Private_Hugetlb:"));
	for (int i = 0; i < HUGE; i += 4096)
		if (m[i] != (char)(i >> 12) || m[HUGE + i] || m[2 * HUGE + i] != (char)(i >> 13)) {
			check(false, "byte %d: %d %d %d", i, m[i], m[HUGE + i], m[2 * HUGE + i]);
			break;
		}
	memset(m + HUGE, 1, HUGE);
	check(munmap(m, N * HUGE) == 0, "munmap: %s", strerror(errno));
	return verdict();
}
