/*
 * Memory that processes share: anonymous, a memfd of which each maps another part, overlapping, one
 * that only children have, a deleted file, a file in place. Every page holds what it held, and is still the
 * same page for all.
 */
#include "harness.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 300, CHILDREN = 3, KINDS = 4 };

struct area {
	uint8_t *p;
	int pages;
	int first; /* page of the object */
};

/* What the processes tell each other in; itself shared. */
static struct talk {
	volatile int go, done, bad;
} *talk;

static struct area area[KINDS];
static const char *const names[KINDS] = {"anonymous", "memfd", "deleted file", "file"};
static uint8_t *own; /* of children only */

static void *map(int fd, int pages, int first)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED,
		       fd, (off_t)first * PAGE);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void fill(const struct area *a, int from)
{
	for (int i = from; i < a->pages; i += 2) /* every other page is never touched */
		memset(a->p + i * PAGE, a->first + i, PAGE);
}

static int differing(const struct area *a)
{
	for (int i = 0; i < a->pages; i++)
		for (int at = 0; at < PAGE; at += 512)
			if (a->p[i * PAGE + at] != ((a->first + i) % 2 ? 0 : (uint8_t)(a->first + i)))
				return i;
	return -1;
}

static int open_file(const char *path, bool keep)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, PAGES * PAGE))
		die("%s", path);
	if (!keep)
		unlink(path);
	return fd;
}

static void child_main(int me)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	__atomic_add_fetch(&talk->done, 1, __ATOMIC_SEQ_CST);
	while (talk->go < 1)
		sleep_ms(2);
	for (int k = 0; k < KINDS; k++)
		if (differing(&area[k]) >= 0)
			talk->bad = 1 + k;
	if (me && memcmp(own, "only children", 13))
		talk->bad = 100;
	for (int k = 0; k < KINDS; k++)
		area[k].p[me * PAGE + 7] = 100 + me;
	__atomic_add_fetch(&talk->done, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

int main(void)
{
	int fd[KINDS] = {-1, memfd_create("parts", 0), open_file("shared_mappings.gone", false),
			 open_file("shared_mappings.file", true)};

	if (ftruncate(fd[1], PAGES * PAGE))
		die("ftruncate");
	talk = map(-1, 1, 0);
	for (int k = 0; k < KINDS; k++) {
		area[k] = (struct area){map(fd[k], PAGES, 0), PAGES, 0};
		fill(&area[k], 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		if (i == 1) {
			own = map(-1, 1, 0);
			strcpy((char *)own, "only children");
		}
		if (fork() == 0) {
			/* another view, of which a part is the parent's, and one without the descriptor */
			struct area part = {map(fd[1], 40, 10 + 30 * i), 40, 10 + 30 * i};

			munmap(area[1].p, area[1].pages * PAGE);
			area[1] = part;
			for (int k = 1; k < KINDS; k++)
				close(fd[k]);
			child_main(i);
		}
	}
	munmap(own, PAGE);
	munmap(area[1].p + 80 * PAGE, (PAGES - 80) * PAGE);
	area[1].pages = 80;
	for (int k = 1; k < KINDS; k++)
		close(fd[k]);
	while (talk->done < CHILDREN)
		sleep_ms(2);
	ready();
	for (int k = 0; k < KINDS; k++)
		check(differing(&area[k]) < 0, "%s: page %d differs", names[k], differing(&area[k]));
	talk->done = 0;
	talk->go = 1;
	while (talk->done < CHILDREN)
		sleep_ms(2);
	check(!talk->bad, "a child sees something else: %d", talk->bad);
	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < CHILDREN; i++)
			check(k == 1 || area[k].p[i * PAGE + 7] == 100 + i, "%s: page %d is no longer shared", names[k], i);
	while (wait(NULL) > 0)
		;
	unlink("shared_mappings.file");
	return verdict();
}
