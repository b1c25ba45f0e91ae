/*
 * SysV shared memory: id, key, mode and content; attached at the same places, as a whole, in part and for
 * reading only.
 *
 * test: leaves
 */
#include "harness.h"
#include <sys/mman.h>
#include <sys/shm.h>

enum { SIZE = 5 * 4096 + 100, PART = 2 * 4096 };

static int *whole;
static const int *reading;

static void fill(int *p, size_t n, int salt)
{
	for (size_t i = 0; i < n / sizeof(*p); i++)
		p[i] = (int)i * 7 + salt;
}

static void check_fill(const int *p, size_t n, int salt, const char *what)
{
	for (size_t i = 0; i < n / sizeof(*p); i++) {
		if (p[i] == (int)i * 7 + salt)
			continue;
		check(false, "%s: word %zu is %d", what, i, p[i]);
		return;
	}
}

static void check_shown(int id, const struct shmid_ds *before)
{
	struct shmid_ds now;

	check(shmctl(id, IPC_STAT, &now) == 0, "segment %d: %s", id, strerror(errno));
	check(now.shm_segsz == before->shm_segsz, "its size is %zu", now.shm_segsz);
	check(now.shm_nattch == before->shm_nattch, "it is attached %lu times, was %lu",
	      (unsigned long)now.shm_nattch, (unsigned long)before->shm_nattch);
	check(now.shm_perm.mode == before->shm_perm.mode, "its mode is %o, was %o", now.shm_perm.mode,
	      before->shm_perm.mode);
	check(now.shm_perm.__key == before->shm_perm.__key, "its key is %x", now.shm_perm.__key);
	check(now.shm_perm.uid == before->shm_perm.uid, "it is of user %u", now.shm_perm.uid);
}

int main(void)
{
	key_t key = 0x43000000 | getpid();
	int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0640);
	int loose = shmget(IPC_PRIVATE, 4096, 0600); /* known, but not attached */
	int part = shmget(IPC_PRIVATE, 4 * 4096, 0600), gone = shmget(IPC_PRIVATE, 8192, 0600);
	struct shmid_ds before, before_gone;
	char *p, *q;

	if (id < 0 || loose < 0 || part < 0 || gone < 0)
		die("shmget");
	whole = shmat(id, NULL, 0);
	reading = shmat(id, NULL, SHM_RDONLY);
	p = shmat(part, NULL, 0);
	q = shmat(gone, NULL, 0);
	if (whole == (void *)-1 || reading == (void *)-1 || p == (void *)-1 || q == (void *)-1)
		die("shmat");
	fill(whole, SIZE, 1);
	fill((int *)p, 4 * 4096, 2);
	fill((int *)q, 8192, 3);
	munmap(p + 4096, 4096);
	mprotect(p + PART, 4096, PROT_READ);
	shmctl(gone, IPC_RMID, NULL);
	shmctl(id, IPC_STAT, &before);
	shmctl(gone, IPC_STAT, &before_gone);

	ready();

	check_fill(whole, SIZE, 1, "the segment");
	check_fill(reading, SIZE, 1, "the segment, for reading");
	check_shown(id, &before);
	check_shown(gone, &before_gone);
	check(shmget(key, 0, 0) == id, "the key is not that of the segment");
	whole[3] = 77;
	check(reading[3] == 77, "both attachments are not the same memory");
	check(mprotect((void *)reading, 4096, PROT_READ | PROT_WRITE) < 0,
	      "what was attached for reading can be made writable");
	check_fill((int *)q, 8192, 3, "the removed segment");
	check_fill((int *)p, 4096, 2, "the first part");
	check(*(int *)(p + PART) == PART / 4 * 7 + 2, "the third page");
	check(mprotect(p + PART, 4096, PROT_READ | PROT_WRITE) == 0, "mprotect: %s", strerror(errno));
	check(shmdt(p) == 0 && shmdt(whole) == 0 && shmdt(reading) == 0, "shmdt: %s", strerror(errno));
	check(shmctl(part, IPC_STAT, &before) == 0 && before.shm_nattch == 0, "parts are still attached: %lu",
	      (unsigned long)before.shm_nattch);
	shmdt(q);
	check(shmctl(gone, IPC_STAT, &before) < 0 && errno == EINVAL, "the removed segment is still there");
	check(shmctl(loose, IPC_RMID, NULL) == 0, "the loose segment: %s", strerror(errno));
	shmctl(id, IPC_RMID, NULL);
	shmctl(part, IPC_RMID, NULL);
	return verdict();
}
