/*
 * test: running
 * test: refusable
 * test: checkpoints 5
 *
 * The program has used up its address space: a checkpoint may fail, the program does not notice.
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/resource.h>

int main(void)
{
	struct rlimit limit = {64 << 20, 64 << 20};
	int areas = 0;

	setrlimit(RLIMIT_AS, &limit);
	for (size_t n = 8 << 20; n >= 4096; n /= 2)
		while (mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
			areas++;
	ready();
	check(areas > 0 && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED,
	      "there is room again");
	return verdict();
}
