/*
 * POSIX shared memory and semaphores, files in /dev/shm: named and unlinked, in use by two processes, which
 * take turns over the checkpoint.
 */
#include "harness.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct turns {
	sem_t go, done;
	long count;
	int stop;
};

static char name[2][32];

static struct turns *map(int i, bool unlinked)
{
	int fd = shm_open(name[i], O_RDWR | O_CREAT | O_EXCL, 0600);
	struct turns *t;

	if (fd < 0 || ftruncate(fd, 3 * 4096) < 0)
		die("shm_open");
	t = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t == MAP_FAILED)
		die("mmap");
	if (unlinked)
		shm_unlink(name[i]);
	if (!unlinked)
		close(fd);
	sem_init(&t->go, 1, 0);
	sem_init(&t->done, 1, 0);
	return t;
}

static int child(struct turns *a, struct turns *b, sem_t *named)
{
	for (;;) {
		while (sem_wait(&a->go) < 0)
			;
		if (a->stop)
			break;
		a->count++;
		b->count--;
		sem_post(&b->done);
	}
	while (sem_wait(named) < 0)
		;
	return 0;
}

int main(void)
{
	struct turns *a, *b;
	sem_t *named, *again;
	pid_t pid;
	int status, fd;
	char sem[32];

	snprintf(name[0], sizeof(name[0]), "/ckpt-test-a-%d", getpid());
	snprintf(name[1], sizeof(name[1]), "/ckpt-test-b-%d", getpid());
	snprintf(sem, sizeof(sem), "/ckpt-test-%d", getpid());
	a = map(0, false);
	b = map(1, true);
	named = sem_open(sem, O_CREAT | O_EXCL, 0600, 0);
	if (named == SEM_FAILED)
		die("sem_open");
	pid = fork();
	if (pid == 0)
		_exit(child(a, b, named));
	for (int i = 0; i < 100; i++) {
		sem_post(&a->go);
		sem_wait(&b->done);
	}
	sem_post(&a->go);

	ready();

	sem_wait(&b->done);
	check(a->count == 101 && b->count == -101, "%ld and %ld turns", a->count, b->count);
	for (int i = 0; i < 100; i++) {
		sem_post(&a->go);
		sem_wait(&b->done);
	}
	check(a->count == 201 && b->count == -201, "%ld and %ld turns at last", a->count, b->count);
	a->stop = 1;
	sem_post(&a->go);
	again = sem_open(sem, 0);
	check(again != SEM_FAILED, "sem_open: %s", strerror(errno));
	if (again != SEM_FAILED)
		sem_post(again);
	check(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
	fd = shm_open(name[0], O_RDONLY, 0);
	check(fd >= 0, "shm_open: %s", strerror(errno));
	check(shm_open(name[1], O_RDONLY, 0) < 0, "the unlinked one has a name");
	shm_unlink(name[0]);
	sem_unlink(sem);
	return verdict();
}
