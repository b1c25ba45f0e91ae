/*
 * Memory that a child has from its parent and both have changed since: each sees its own; areas that only
 * one of them has; pages that one has given back.
 */
#include "tree.h"
#include <sys/mman.h>

enum { PAGES = 2048 };

static struct signpost set_up;
static unsigned char *shared_by_fork, *parents_only, *given_back;

static unsigned char *map(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void fill(unsigned char *p, int from, int to, int step, int value)
{
	for (int i = from; i < to; i += step)
		memset(p + i * 4096, (value + i) & 0xff, 4096);
}

static void check_filled(const unsigned char *p, int from, int to, int step, int value, const char *who)
{
	for (int i = from; i < to; i += step)
		for (int k = 0; k < 4096; k += 511)
			if (p[i * 4096 + k] != ((value + i) & 0xff)) {
				check(false, "%s: page %d: %d, not %d", who, i, p[i * 4096 + k],
				      (value + i) & 0xff);
				return;
			}
}

static void child(void *arg)
{
	unsigned char *own;

	(void)arg;
	munmap(parents_only, PAGES * 4096);
	own = mmap(parents_only, PAGES * 2048, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (own != parents_only)
		die("mmap");
	memset(own, 9, 4096);
	fill(shared_by_fork, 0, PAGES, 7, 100);
	madvise(given_back, PAGES * 2048, MADV_DONTNEED);
	mprotect(shared_by_fork, 4096 * 16, PROT_READ);
	signpost_tell(&set_up);
	wait_gone();
	check_filled(shared_by_fork, 0, PAGES, 7, 100, "child, changed");
	check_filled(shared_by_fork, 1, PAGES, 7, 1, "child, kept");
	check_filled(given_back, PAGES / 2, PAGES, 1, 5, "child, second half");
	for (int i = 0; i < PAGES / 2; i++)
		check(given_back[i * 4096] == 0, "page %d given back is there", i);
	check(own[0] == 9 && own[4096] == 0, "the child's own area: %d %d", own[0], own[4096]);
}

int main(void)
{
	pid_t pid, pid2;

	set_up = signpost_make();
	shared_by_fork = map(PAGES);
	parents_only = map(PAGES);
	given_back = map(PAGES);
	fill(shared_by_fork, 0, PAGES, 1, 1);
	fill(parents_only, 0, PAGES, 1, 3);
	fill(given_back, 0, PAGES, 1, 5);
	pid = child_start(child, NULL);
	pid2 = child_start(child, NULL);
	signpost_await(&set_up, 2);
	fill(shared_by_fork, 3, PAGES, 7, 200);
	ready();
	check_filled(shared_by_fork, 3, PAGES, 7, 200, "parent, changed");
	check_filled(shared_by_fork, 0, PAGES, 7, 1, "parent, kept");
	check_filled(parents_only, 0, PAGES, 1, 3, "parent's only");
	check_filled(given_back, 0, PAGES, 1, 5, "parent, given back by the child");
	child_end(pid, 0);
	child_end(pid2, 0);
	return verdict();
}
