/* 64 MiB in huge pages, some of it given back: contents, and holes stay holes. */
#include "harness.h"
#include <sys/mman.h>

enum { HUGE = 2 << 20, N = 32 };

int main(void)
{
	char *raw = mmap(NULL, (size_t)(N + 1) * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (char *)(((uintptr_t)raw + HUGE - 1) & ~(uintptr_t)(HUGE - 1));

	if (raw == MAP_FAILED)
		die("mmap");
	madvise(p, (size_t)N * HUGE, MADV_HUGEPAGE);
	for (int i = 0; i < N; i++)
		for (int k = 0; k < HUGE; k += 512)
			*(int *)(p + (size_t)i * HUGE + k) = i * HUGE + k;
	for (int i = 0; i < N; i += 4)
		madvise(p + (size_t)i * HUGE + 8192, 65536, MADV_DONTNEED);

	ready();

	for (int i = 0; i < N; i++)
		for (int k = 0; k < HUGE; k += 512) {
			bool hole = i % 4 == 0 && k >= 8192 && k < 8192 + 65536;
			int is = *(int *)(p + (size_t)i * HUGE + k), was = hole ? 0 : i * HUGE + k;

			if (is != was) {
				check(false, "huge page %d byte %d is %d, was %d", i, k, is, was);
				return verdict();
			}
		}
	return verdict();
}
