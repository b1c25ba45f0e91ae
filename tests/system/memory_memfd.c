/* Mappings of memfds: with the descriptor open, with it closed, private and sealed. */
#include "harness.h"
#include <sys/mman.h>

enum { PAGE = 4096, N = 8 };

static int make(const char *name, char c)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char page[PAGE];

	memset(page, c, PAGE);
	for (int i = 0; i < N; i++)
		if (fd < 0 || write(fd, page, PAGE) != PAGE)
			die("memfd_create");
	return fd;
}

static char *map(int fd, int prot, int flags)
{
	char *p = mmap(NULL, N * PAGE, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

int main(void)
{
	int open_fd = make("open", 'o'), closed = make("closed", 'c'), sealed = make("sealed", 's');
	char *o = map(open_fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *c = map(closed, PROT_READ | PROT_WRITE, MAP_SHARED), *c2 = map(closed, PROT_READ, MAP_SHARED);
	char *s, *p = map(closed, PROT_READ | PROT_WRITE, MAP_PRIVATE), byte = 0;

	if (fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		die("F_ADD_SEALS");
	s = map(sealed, PROT_READ, MAP_PRIVATE);
	close(closed);
	o[10] = 'x';
	c[PAGE] = 'y';
	p[2 * PAGE] = 'z';

	ready();

	check(o[0] == 'o' && o[10] == 'x', "the open memfd's memory");
	check(pread(open_fd, &byte, 1, 10) == 1 && byte == 'x', "the open memfd has %d", byte);
	check(pwrite(open_fd, "w", 1, 20) == 1 && o[20] == 'w', "memfd and its mapping are apart");
	check(c[0] == 'c' && c[PAGE] == 'y', "the closed memfd's memory");
	c[3 * PAGE] = 'n';
	check(c2[3 * PAGE] == 'n', "two mappings of one memfd are apart");
	check(p[2 * PAGE] == 'z' && p[PAGE] == 'y', "the private mapping");
	check(s[N * PAGE - 1] == 's', "the sealed memfd's memory");
	check(fcntl(sealed, F_GET_SEALS) ==
		      (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL),
	      "seals are %#x", fcntl(sealed, F_GET_SEALS));
	return verdict();
}
