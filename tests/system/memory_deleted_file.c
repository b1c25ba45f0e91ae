/* Mappings of a file that was deleted since: private with written pages, and shared. */
#include "harness.h"
#include <sys/mman.h>

enum { PAGE = 4096, N = 16 };

int main(void)
{
	int fd = open("deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char page[PAGE], *private, *shared, *alias;

	for (int i = 0; i < N; i++) {
		memset(page, 'a' + i, PAGE);
		if (fd < 0 || write(fd, page, PAGE) != PAGE)
			die("deleted");
	}
	private = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	alias = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 4 * PAGE);
	if (private == MAP_FAILED || shared == MAP_FAILED || alias == MAP_FAILED)
		die("mmap");
	close(fd);
	unlink("deleted");
	private[PAGE] = '!';
	shared[2 * PAGE] = '?';

	ready();

	for (int i = 0; i < N; i++) {
		check(private[i * PAGE] == (i == 1 ? '!' : i == 2 ? '?' : 'a' + i),
		      "private page %d is %c", i, private[i * PAGE]);
		check(private[i * PAGE + 9] == 'a' + i, "private page %d", i);
		check(shared[i * PAGE] == (i == 2 ? '?' : 'a' + i), "shared page %d is %c", i,
		      shared[i * PAGE]);
	}
	shared[4 * PAGE] = 'z';
	check(alias[0] == 'z', "two shared mappings of the deleted file are apart");
	check(access("deleted", F_OK) < 0, "the deleted file is there again");
	return verdict();
}
