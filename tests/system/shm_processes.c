/*
 * A SysV segment, a set of semaphores with SEM_UNDO and a message queue in use by several processes: a
 * counter guarded by a semaphore, incremented by all of them over the checkpoint; none is lost.
 *
 * test: leaves
 * test: checkpoints 8
 */
#include "harness.h"
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { CHILDREN = 4 };

struct shared {
	long count, of[CHILDREN];
	int stop, late;
};

static int segment, set, queue;
static struct shared *shared;

static void op(int num, int by, int flags)
{
	struct sembuf s = {.sem_num = num, .sem_op = by, .sem_flg = flags};

	check(semop(set, &s, 1) == 0, "semop: %s", strerror(errno));
}

static int child(int n)
{
	struct shared *own = n % 2 ? shmat(segment, NULL, 0) : shared;

	while (!own->stop) {
		op(0, -1, SEM_UNDO);
		own->count++;
		own->of[n]++;
		op(0, 1, SEM_UNDO);
	}
	if (n == 0) {
		op(0, -1, SEM_UNDO); /* given back by the end of the process */
		op(1, 5, SEM_UNDO);
	}
	return test_failures != 0;
}

/* Waits for a message, all the time. */
static int listener(void)
{
	struct {
		long type;
		char text[8];
	} m;

	check(msgrcv(queue, &m, sizeof(m.text), getpid(), 0) == 4 && !memcmp(m.text, "stop", 4), "msgrcv: %s",
	      strerror(errno));
	return test_failures != 0;
}

int main(void)
{
	struct {
		long type;
		char text[4];
	} m = {.text = {'s', 't', 'o', 'p'}};
	struct shmid_ds before, now;
	pid_t pid[CHILDREN + 1];
	long sum = 0;
	int status;

	segment = shmget(IPC_PRIVATE, sizeof(struct shared), 0600);
	set = semget(IPC_PRIVATE, 2, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	shared = shmat(segment, NULL, 0);
	if (segment < 0 || set < 0 || queue < 0 || shared == (void *)-1)
		die("set-up");
	shmctl(segment, IPC_RMID, NULL);
	semctl(set, 0, SETVAL, 1);
	for (int i = 0; i <= CHILDREN; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(i == CHILDREN ? listener() : child(i));
	}
	do {
		sleep_ms(1);
		shmctl(segment, IPC_STAT, &before);
	} while (shared->count < 1000 || before.shm_nattch < 1 + CHILDREN + 1 + CHILDREN / 2);

	ready();

	shmctl(segment, IPC_STAT, &now);
	check(now.shm_nattch == before.shm_nattch, "attached %lu times, was %lu", (unsigned long)now.shm_nattch,
	      (unsigned long)before.shm_nattch);
	sleep_ms(20);
	shared->stop = 1;
	m.type = pid[CHILDREN];
	check(msgsnd(queue, &m, 4, 0) == 0, "msgsnd: %s", strerror(errno));
	for (int i = 0; i <= CHILDREN; i++) {
		check(waitpid(pid[i], &status, 0) == pid[i] && status == 0, "child %d: status %x", i, status);
		sum += i < CHILDREN ? shared->of[i] : 0;
	}
	check(sum == shared->count, "%ld increments, counted %ld", sum, shared->count);
	check(semctl(set, 0, GETVAL) == 1, "the semaphore is %d", semctl(set, 0, GETVAL));
	check(semctl(set, 1, GETVAL) == 0, "the other is %d", semctl(set, 1, GETVAL));
	semctl(set, 0, IPC_RMID);
	msgctl(queue, IPC_RMID, NULL);
	return verdict();
}
