/* 200 threads that hand a token round under locks and condition variables; none is lost, none doubled. */
#include "harness.h"
#include <pthread.h>

enum { THREADS = 200, TOKENS = 5 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	int tokens;
	long passed;
} place[THREADS];
static volatile bool stop;

static void *thread(void *arg)
{
	long me = (long)arg, next = (me + 1) % THREADS;

	for (;;) {
		pthread_mutex_lock(&place[me].lock);
		while (!place[me].tokens && !stop)
			pthread_cond_wait(&place[me].more, &place[me].lock);
		if (stop) {
			pthread_mutex_unlock(&place[me].lock);
			return NULL;
		}
		place[me].tokens--;
		place[me].passed++;
		pthread_mutex_unlock(&place[me].lock);
		pthread_mutex_lock(&place[next].lock);
		place[next].tokens++;
		pthread_cond_signal(&place[next].more);
		pthread_mutex_unlock(&place[next].lock);
	}
}

int main(void)
{
	pthread_t t[THREADS];
	int tokens = 0;
	long before, passed = 0;

	for (int i = 0; i < THREADS; i++) {
		pthread_mutex_init(&place[i].lock, NULL);
		pthread_cond_init(&place[i].more, NULL);
		place[i].tokens = i % (THREADS / TOKENS) == 0;
	}
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)i))
			die("pthread_create");

	ready();

	before = place[0].passed;
	for (int i = 0; i < 5000 && place[0].passed < before + 10; i++)
		sleep_ms(1);
	check(place[0].passed >= before + 10, "the tokens stand still");
	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_mutex_lock(&place[i].lock);
		pthread_cond_broadcast(&place[i].more);
		pthread_mutex_unlock(&place[i].lock);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		tokens += place[i].tokens;
		passed += place[i].passed;
		check(labs(place[i].passed - place[0].passed) <= TOKENS + 1, "place %d: %ld passed, 0: %ld",
		      i, place[i].passed, place[0].passed);
	}
	check(tokens == TOKENS, "%d tokens, were %d", tokens, TOKENS);
	return verdict();
}
