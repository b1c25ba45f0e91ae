/* Shared anonymous memory, private to one process: contents, and that it still is shared. */
#include "harness.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, N = 200 };

int main(void)
{
	char *p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *alias = MAP_FAILED;
	int status = -1;

	if (p == MAP_FAILED)
		die("mmap");
	/* old size 0 makes a second mapping of the same pages */
	alias = mremap(p, 0, N * PAGE, MREMAP_MAYMOVE);
	if (alias == MAP_FAILED)
		die("mremap");
	for (int i = 0; i < N; i += 2)
		memset(p + i * PAGE, i, PAGE);

	ready();

	for (int i = 0; i < N; i++)
		check(p[i * PAGE + 77] == (char)(i % 2 ? 0 : i), "page %d", i);
	p[PAGE] = 9;
	check(alias[PAGE] == 9, "the second mapping shows %d, not 9", alias[PAGE]);
	if (fork() == 0) {
		p[5] = 55;
		_exit(0);
	}
	wait(&status);
	check(status == 0 && p[5] == 55, "a child's write is not seen: %d", p[5]);
	return verdict();
}
