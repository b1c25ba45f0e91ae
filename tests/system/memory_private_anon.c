/*
 * Private anonymous memory: contents, pages never touched, zeroed pages, read-only and executable
 * areas, and PROT_NONE areas that hold data.
 */
#include "harness.h"
#include <sys/mman.h>

enum { PAGE = 4096, AREA = 300 * PAGE, SPARSE = 1 << 30 };

static void *map(size_t n, int prot, int flags)
{
	void *p = mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void fill(uint32_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n / 4; i++)
		p[i] = seed = seed * 1664525 + 1013904223;
}

static void verify(const uint32_t *p, size_t n, uint32_t seed, const char *what)
{
	size_t bad = 0;

	for (size_t i = 0; i < n / 4; i++)
		bad += p[i] != (seed = seed * 1664525 + 1013904223);
	check(!bad, "%zu words of %s", bad, what);
}

/* Bytes of the process that are in memory. */
static size_t resident(void)
{
	char *text = read_whole("/proc/self/statm", NULL);
	size_t pages = strtoul(strchr(text, ' '), NULL, 10);

	free(text);
	return pages * PAGE;
}

int main(void)
{
	static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov $42,%eax; ret */
	uint32_t *rw = map(AREA, PROT_READ | PROT_WRITE, 0);
	uint32_t *ro = map(AREA, PROT_READ | PROT_WRITE, 0);
	uint32_t *none = map(AREA, PROT_READ | PROT_WRITE, 0);
	char *zeroed = map(AREA, PROT_READ | PROT_WRITE, 0);
	char *sparse = map(SPARSE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	void *exec = map(PAGE, PROT_READ | PROT_WRITE, 0);
	int (*answer)(void);
	size_t before;

	fill(rw, AREA, 1);
	fill(ro, AREA, 2);
	fill(none, AREA, 3);
	memset(zeroed, 1, AREA);
	memset(zeroed, 0, AREA);
	for (size_t i = 0; i < SPARSE; i += 64 << 20)
		memcpy(sparse + i + 5000, &i, sizeof(i));
	memcpy(exec, code, sizeof(code));
	if (mprotect(ro, AREA, PROT_READ) || mprotect(none, AREA, PROT_NONE) ||
	    mprotect(exec, PAGE, PROT_READ | PROT_EXEC))
		die("mprotect");
	memcpy(&answer, &exec, sizeof(answer));
	before = resident();

	ready();

	check(resident() < before + (64 << 20), "resident bytes are %zu, were %zu", resident(),
	      before);
	verify(rw, AREA, 1, "the writable area");
	verify(ro, AREA, 2, "the read-only area");
	check(answer() == 42, "the code written to memory");
	for (size_t i = 0; i < AREA; i++)
		if (zeroed[i])
			check(false, "zeroed byte %zu", i);
	for (size_t i = 0; i < SPARSE; i += 64 << 20) {
		check(!memcmp(sparse + i + 5000, &i, sizeof(i)), "sparse data at %zu", i);
		check(!sparse[i + (1 << 20)], "untouched page at %zu", i);
	}
	check(write(STDERR_FILENO, none, 1) < 0 && errno == EFAULT, "the PROT_NONE area is readable");
	if (mprotect(none, AREA, PROT_READ))
		die("mprotect");
	verify(none, AREA, 3, "the PROT_NONE area");
	check(mprotect(ro, AREA, PROT_READ | PROT_WRITE) == 0, "mprotect");
	ro[0] = rw[0] = 5;
	return verdict();
}
