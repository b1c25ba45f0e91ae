/*
 * Reservations of which little has been touched, and which a child is not to have (Node's WebAssembly, guests of QEMU): what
 * has been touched is there again, and neither takes memory nor time for the rest.
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGE = 4096, TOUCHED = 64 };

static const size_t size = 16ull << 30;

struct area {
	int advice;
	uint8_t *at;
};

static uint8_t *page_at(const struct area *a, int n)
{
	return a->at + size / TOUCHED * n + (size_t)PAGE * n;
}

static void make(struct area *a)
{
	a->at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->at == MAP_FAILED || madvise(a->at, size, a->advice))
		die("mmap");
	for (int n = 0; n < TOUCHED; n++) {
		if (mprotect(page_at(a, n), PAGE, PROT_READ | PROT_WRITE))
			die("mprotect");
		memset(page_at(a, n), n + 1, PAGE);
		if (n % 2 && mprotect(page_at(a, n), PAGE, PROT_NONE))
			die("mprotect");
	}
}

static void look(const struct area *a)
{
	for (int n = 0; n < TOUCHED; n++) {
		const uint8_t *p = page_at(a, n);

		if (n % 2 && mprotect((void *)p, PAGE, PROT_READ))
			die("mprotect");
		check(p[0] == n + 1 && p[PAGE - 1] == n + 1, "page %d has %d and %d", n, p[0], p[PAGE - 1]);
	}
	check(!mprotect(a->at, PAGE, PROT_READ), "mprotect");
}

int main(void)
{
	struct area areas[] = {{.advice = MADV_DONTFORK}, {.advice = MADV_WIPEONFORK}};
	struct rusage use;

	make(&areas[0]);
	make(&areas[1]);
	ready();
	look(&areas[0]);
	look(&areas[1]);
	getrusage(RUSAGE_SELF, &use);
	check(use.ru_maxrss < 512 << 10, "%ld KiB were in memory", use.ru_maxrss);
	return verdict();
}
