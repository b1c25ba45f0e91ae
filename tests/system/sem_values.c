/*
 * SysV semaphores: id, key, mode and values; a thread waits for one, another for zero.
 *
 * test: leaves
 */
#include "harness.h"
#include <pthread.h>
#include <sys/sem.h>

enum { N = 40 };

static int set;

static int op(int num, int by)
{
	struct sembuf s = {.sem_num = num, .sem_op = by};

	return semop(set, &s, 1);
}

static void *taker(void *arg)
{
	check(op(0, -3) == 0, "semop: %s", strerror(errno));
	return arg;
}

static void *zero_waiter(void *arg)
{
	struct sembuf s = {.sem_num = 1};
	struct timespec t = {.tv_sec = 60};

	check(semtimedop(set, &s, 1, &t) == 0, "semtimedop: %s", strerror(errno));
	return arg;
}

int main(void)
{
	key_t key = 0x44000000 | getpid();
	int other = semget(IPC_PRIVATE, 1, 0600);
	unsigned short values[N];
	struct semid_ds ds;
	pthread_t t, z;

	set = semget(key, N, IPC_CREAT | IPC_EXCL | 0604);
	if (set < 0 || other < 0)
		die("semget");
	for (int i = 0; i < N; i++)
		values[i] = i == 0 ? 2 : i == N - 1 ? 32767 : 3 * i;
	semctl(set, 0, SETALL, values);
	pthread_create(&t, NULL, taker, NULL);
	pthread_create(&z, NULL, zero_waiter, NULL);
	while (semctl(set, 0, GETNCNT) != 1 || semctl(set, 1, GETZCNT) != 1)
		sleep_ms(1);

	ready();

	check(semget(key, 0, 0) == set, "the key is not that of the set");
	check(semctl(set, 0, IPC_STAT, &ds) == 0, "set %d: %s", set, strerror(errno));
	check(ds.sem_nsems == N, "it has %lu semaphores", (unsigned long)ds.sem_nsems);
	check((ds.sem_perm.mode & 0777) == 0604, "its mode is %o", ds.sem_perm.mode);
	for (int i = 0; i < N; i++)
		check(semctl(set, i, GETVAL) == values[i], "semaphore %d is %d, was %d", i,
		      semctl(set, i, GETVAL), values[i]);
	sleep_ms(20);
	check(semctl(set, 0, GETNCNT) == 1, "%d threads wait for more", semctl(set, 0, GETNCNT));
	op(0, 2);
	op(1, -3);
	pthread_join(t, NULL);
	pthread_join(z, NULL);
	check(semctl(set, 0, GETVAL) == 1, "the first is %d at last", semctl(set, 0, GETVAL));
	check(semctl(other, 0, GETVAL) == 0, "the other set: %s", strerror(errno));
	semctl(set, 0, IPC_RMID);
	semctl(other, 0, IPC_RMID);
	return verdict();
}
