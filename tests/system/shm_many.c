/*
 * Segments that are more than one chunk of an image, behind content of an odd length: some lie in two chunks, of which
 * the second begins behind the segment's size, in what is left of its page.
 *
 * test: leaves
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/shm.h>

enum { N = 300, SIZE = 56, ODD = 100 };

static int segments[N];

static void content_put(char *p, int i)
{
	memset(p, i, SIZE);
	snprintf(p, SIZE, "segment %d", i);
}

static void segment_make(int i)
{
	char *p;

	segments[i] = shmget(IPC_PRIVATE, SIZE, 0600);
	p = segments[i] < 0 ? (void *)-1 : shmat(segments[i], NULL, 0);
	if (p == (void *)-1)
		die("segment %d", i);
	content_put(p, i);
	shmdt(p);
}

static void segment_check(int i)
{
	char wanted[SIZE], *p = shmat(segments[i], NULL, 0);

	content_put(wanted, i);
	if (p == (void *)-1)
		check(false, "segment %d: %s", i, strerror(errno));
	else
		check(!memcmp(p, wanted, SIZE), "segment %d holds \"%.20s\"", i, p);
	shmctl(segments[i], IPC_RMID, NULL);
	shmdt(p);
}

int main(void)
{
	int fd = memfd_create("odd", 0);

	if (fd < 0 || ftruncate(fd, ODD) < 0 || pwrite(fd, "odd", 3, ODD - 3) != 3)
		die("memfd");
	for (int i = 0; i < N; i++)
		segment_make(i);

	ready();

	for (int i = 0; i < N; i++)
		segment_check(i);
	return verdict();
}
