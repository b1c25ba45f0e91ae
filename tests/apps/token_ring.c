/*
 * 200 threads that hand eight messages round a ring, under locks and condition variables. Each thread
 * changes a message in its own way; the order is fixed, so is the output: a line a round.
 *
 *	token_ring [ROUNDS]
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 200, MESSAGES = 8 };

struct message {
	int number; /* which message, -1: none */
	int round;
	uint64_t value;
};

/* What thread i has received; messages stay in order. */
static struct place {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	struct message queue[MESSAGES + 1];
	unsigned head, tail;
} places[THREADS];

static int rounds = 350;

static void put(struct place *p, struct message m)
{
	pthread_mutex_lock(&p->lock);
	while (p->tail - p->head == MESSAGES + 1)
		pthread_cond_wait(&p->less, &p->lock);
	p->queue[p->tail++ % (MESSAGES + 1)] = m;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

static struct message take(struct place *p)
{
	struct message m;

	pthread_mutex_lock(&p->lock);
	while (p->tail == p->head)
		pthread_cond_wait(&p->more, &p->lock);
	m = p->queue[p->head++ % (MESSAGES + 1)];
	pthread_cond_signal(&p->less);
	pthread_mutex_unlock(&p->lock);
	return m;
}

static void *thread(void *arg)
{
	uint64_t me = (uintptr_t)arg, seen = 0;

	for (int n = 0; n < rounds * MESSAGES; n++) {
		struct message m = take(&places[me]);

		seen = seen * 31 + m.value;
		for (int i = 0; i < 300; i++)
			m.value = m.value * 6364136223846793005u + me * 2 + 1;
		m.value ^= seen;
		if (me == 0) {
			m.round++;
			if (m.number == 0) {
				printf("round %d: %016lx\n", m.round, (long)m.value);
				fflush(stdout);
			}
		}
		/* what comes home after the last round stays with thread 0 */
		if (me != 0 || m.round <= rounds - 1)
			put(&places[(me + 1) % THREADS], m);
	}
	return (void *)(uintptr_t)seen;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	uint64_t sum = 0;

	if (argc > 1)
		rounds = atoi(argv[1]);
	for (int i = 0; i < THREADS; i++) {
		pthread_mutex_init(&places[i].lock, NULL);
		pthread_cond_init(&places[i].more, NULL);
		pthread_cond_init(&places[i].less, NULL);
	}
	/* all are there before the first moves: their order stays */
	for (int i = 0; i < MESSAGES; i++)
		put(&places[1], (struct message){.number = i, .value = (uint64_t)i * 77});
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)i))
			return 1;
	for (int i = 0; i < THREADS; i++) {
		void *seen;

		pthread_join(t[i], &seen);
		sum = sum * 17 + (uintptr_t)seen;
	}
	printf("sum %016lx\n", (long)sum);
	return 0;
}
