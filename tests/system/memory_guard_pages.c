/* Lightweight guard pages (MADV_GUARD_INSTALL): they still fault, their neighbours hold data; also where a file is mapped. */
#include "harness.h"
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum { PAGE = 4096, N = 64 };

/* Can the page be read? Asked of the kernel, so without a fault. */
static bool readable(const char *p)
{
	int fds[2];
	bool yes;

	if (pipe(fds))
		die("pipe");
	yes = write(fds[1], p, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return yes;
}

static bool guard(int page)
{
	return page == 0 || (page >= 20 && page < 25) || page == N - 1;
}

/* Private, of a file that it is the only one to know: a page of the file, a guard, one of its own, and so on. */
static char *file_map(void)
{
	char page[PAGE], *p;
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);

	for (int i = 0; i < N; i++) {
		memset(page, i + 1, sizeof(page));
		if (write(fd, page, sizeof(page)) != sizeof(page))
			die("write");
	}
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < N; i += 3)
		p[i * PAGE] = 'x';
	for (int i = 1; i < N; i += 3)
		if (madvise(p + i * PAGE, PAGE, MADV_GUARD_INSTALL))
			die("MADV_GUARD_INSTALL");
	close(fd);
	return p;
}

static void check_file_map(const char *p)
{
	for (int i = 0; i < N; i++) {
		check(readable(p + i * PAGE) == (i % 3 != 1), "page %d of the file can be read: %d", i, i % 3 == 1);
		if (i % 3 != 1 && readable(p + i * PAGE))
			check(p[i * PAGE] == (i % 3 ? i + 1 : 'x') && p[i * PAGE + 1] == i + 1, "page %d of the file", i);
	}
}

int main(void)
{
	char *mapped, *p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < N; i++)
		p[i * PAGE] = (char)i;
	for (int i = 0; i < N; i++)
		if (guard(i) && madvise(p + i * PAGE, PAGE, MADV_GUARD_INSTALL))
			skip("this kernel has no MADV_GUARD_INSTALL");

	mapped = file_map();
	ready();
	check_file_map(mapped);

	for (int i = 0; i < N; i++) {
		check(readable(p + i * PAGE) == !guard(i), "page %d can%s be read", i,
		      guard(i) ? "" : "not");
		if (!guard(i) && readable(p + i * PAGE))
			check(p[i * PAGE] == i, "page %d", i);
	}
	check(madvise(p + 20 * PAGE, PAGE, MADV_GUARD_REMOVE) == 0 && readable(p + 20 * PAGE),
	      "removing a guard");
	return verdict();
}
