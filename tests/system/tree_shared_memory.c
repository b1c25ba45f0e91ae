/*
 * Memory shared between parent and children: anonymous, a memfd, POSIX shared memory that is unlinked. What one
 * writes the others see, after the checkpoint as before.
 */
#include "tree.h"
#include <stdatomic.h>
#include <sys/mman.h>

enum { CHILDREN = 4, WORDS = 4096 };

static atomic_int *area[3];
static struct signpost set_up, all_set_up;

static atomic_int *map(int fd)
{
	void *p = mmap(NULL, WORDS * 4, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED,
		       fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static atomic_int *map_file(int fd)
{
	atomic_int *p;

	if (fd < 0 || ftruncate(fd, WORDS * 4))
		die("shared file");
	p = map(fd);
	close(fd);
	return p;
}

static void child(void *arg)
{
	int me = *(int *)arg;

	for (int a = 0; a < 3; a++)
		area[a][100 + me] = 1000 * a + me;
	signpost_tell(&set_up);
	signpost_await(&all_set_up, 1);
	wait_gone();
	for (int a = 0; a < 3; a++) {
		for (int i = 0; i < CHILDREN; i++)
			check(area[a][100 + i] == 1000 * a + i, "area %d: word of child %d is %d", a, i,
			      area[a][100 + i]);
		atomic_fetch_add(&area[a][0], 1);
		while (area[a][0] < CHILDREN + 1)
			sleep_ms(1);
	}
}

int main(void)
{
	char name[64];
	pid_t pid[CHILDREN];
	int me[CHILDREN], fd;

	set_up = signpost_make();
	all_set_up = signpost_make();
	snprintf(name, sizeof(name), "/ckpt-test-%d", getpid());
	area[0] = map(-1);
	area[1] = map_file(memfd_create("words", 0));
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	shm_unlink(name);
	area[2] = map_file(fd);
	for (int i = 0; i < CHILDREN; i++) {
		me[i] = i;
		pid[i] = child_start(child, &me[i]);
	}
	signpost_await(&set_up, CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		signpost_tell(&all_set_up);
	ready();
	for (int a = 0; a < 3; a++) {
		atomic_fetch_add(&area[a][0], 1);
		while (area[a][0] < CHILDREN + 1)
			sleep_ms(1);
	}
	for (int i = 0; i < CHILDREN; i++)
		child_end(pid[i], 0);
	return verdict();
}
