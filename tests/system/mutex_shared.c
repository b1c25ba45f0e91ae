/*
 * Process-shared mutexes, condition variables, read-write locks and barriers in anonymous shared memory across
 * fork; a robust one whose owner ends after the restart leaves it as dead, and so does one that ends by itself.
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { CHILDREN = 3 };

static struct shared {
	pthread_mutex_t plain, robust, held, pi;
	pthread_cond_t cond;
	pthread_rwlock_t rwlock;
	pthread_barrier_t barrier;
	long count, woken;
	int stop, holding;
} *s;

static void locks_init(void)
{
	pthread_mutexattr_t m, r, p;
	pthread_condattr_t c;
	pthread_rwlockattr_t w;
	pthread_barrierattr_t b;

	pthread_mutexattr_init(&m);
	pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
	r = p = m;
	pthread_mutexattr_setrobust(&r, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setrobust(&p, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&p, PTHREAD_PRIO_INHERIT);
	pthread_condattr_init(&c);
	pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_init(&w);
	pthread_rwlockattr_setpshared(&w, PTHREAD_PROCESS_SHARED);
	pthread_barrierattr_init(&b);
	pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->plain, &m);
	pthread_mutex_init(&s->robust, &r);
	pthread_mutex_init(&s->held, &r);
	pthread_mutex_init(&s->pi, &p);
	pthread_cond_init(&s->cond, &c);
	pthread_rwlock_init(&s->rwlock, &w);
	pthread_barrier_init(&s->barrier, &b, CHILDREN + 1);
}

static int worker(void)
{
	while (!s->stop) {
		pthread_mutex_lock(&s->plain);
		s->count++;
		pthread_mutex_unlock(&s->plain);
		pthread_rwlock_rdlock(&s->rwlock);
		pthread_rwlock_unlock(&s->rwlock);
	}
	pthread_mutex_lock(&s->plain);
	while (s->stop < 2)
		pthread_cond_wait(&s->cond, &s->plain);
	s->woken++;
	pthread_mutex_unlock(&s->plain);
	pthread_barrier_wait(&s->barrier);
	return 0;
}

/* Has three mutexes when it is killed. */
static __attribute__((noreturn)) int owner(void)
{
	pthread_mutex_lock(&s->robust);
	pthread_mutex_lock(&s->held);
	pthread_mutex_lock(&s->pi);
	s->holding = 1;
	for (;;)
		pause();
}

/* Waits for the dead one's. */
static int heir(void)
{
	int err = pthread_mutex_lock(&s->robust);

	if (err == EOWNERDEAD)
		pthread_mutex_consistent(&s->robust);
	pthread_mutex_unlock(&s->robust);
	return err == EOWNERDEAD ? 0 : 1;
}

static pid_t start(int (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	return pid;
}

static void check_dead(pthread_mutex_t *m, const char *what)
{
	int err = pthread_mutex_trylock(m);

	check(err == EOWNERDEAD, "the %s mutex of the dead: %s", what, strerror(err));
	pthread_mutex_consistent(m);
	check(pthread_mutex_unlock(m) == 0, "unlock");
}

int main(void)
{
	pid_t workers[CHILDREN], dead, waiting;
	long before;
	int status;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		die("mmap");
	locks_init();
	dead = start(owner);
	while (!s->holding)
		sleep_ms(1);
	waiting = start(heir);
	for (int i = 0; i < CHILDREN; i++)
		workers[i] = start(worker);
	while (s->count < 1000)
		sleep_ms(1);

	ready();

	before = s->count;
	sleep_ms(20);
	pthread_rwlock_wrlock(&s->rwlock);
	check(s->count > before, "nobody has counted since");
	check(pthread_mutex_trylock(&s->held) == EBUSY, "the held mutex is free");
	pthread_rwlock_unlock(&s->rwlock);
	kill(dead, SIGKILL);
	check(waitpid(dead, &status, 0) == dead && WIFSIGNALED(status), "status %x", status);
	check(waitpid(waiting, &status, 0) == waiting && status == 0, "who waited for it: status %x", status);
	check_dead(&s->held, "held");
	check_dead(&s->pi, "priority");
	s->stop = 1;
	sleep_ms(10);
	pthread_mutex_lock(&s->plain);
	s->stop = 2;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->plain);
	pthread_barrier_wait(&s->barrier);
	for (int i = 0; i < CHILDREN; i++)
		check(waitpid(workers[i], &status, 0) == workers[i] && status == 0, "worker: status %x", status);
	check(s->woken == CHILDREN, "%ld were woken", s->woken);
	return verdict();
}
