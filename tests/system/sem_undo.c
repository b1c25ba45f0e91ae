/*
 * SEM_UNDO: what the end of a process adds to semaphores is the same after a restart. unshare(2) has the
 * kernel do here what it does then.
 *
 * test: leaves
 */
#include "harness.h"
#include <sched.h>
#include <sys/sem.h>

enum { N = 5 };

static int set;

static void op(int num, int by, int flags)
{
	struct sembuf s = {.sem_num = num, .sem_op = by, .sem_flg = flags};

	if (semop(set, &s, 1) < 0)
		die("semop");
}

static void check_values(const unsigned short *should, const char *when)
{
	for (int i = 0; i < N; i++)
		check(semctl(set, i, GETVAL) == should[i], "%s: semaphore %d is %d, should be %d", when, i,
		      semctl(set, i, GETVAL), should[i]);
}

int main(void)
{
	unsigned short first[N] = {5, 3, 32767, 7, 0}, held[N] = {2, 4, 32766, 7, 9},
		       last[N] = {5, 3, 32767, 7, 9};

	set = semget(IPC_PRIVATE, N, 0600);
	if (set < 0)
		die("semget");
	semctl(set, 0, SETALL, first);
	op(0, -1, SEM_UNDO);
	op(0, -2, SEM_UNDO);
	op(1, 1, SEM_UNDO);
	op(2, -1, SEM_UNDO);
	op(3, -1, SEM_UNDO);
	op(3, 1, SEM_UNDO);
	op(4, 4, SEM_UNDO);
	semctl(set, 4, SETVAL, 9); /* ends the adjustment */

	ready();

	check_values(held, "before the end");
	if (unshare(CLONE_SYSVSEM) < 0)
		die("unshare");
	check_values(last, "at the end");
	semctl(set, 0, IPC_RMID);
	return verdict();
}
