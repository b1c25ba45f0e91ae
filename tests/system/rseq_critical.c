/*
 * test: checkpoints 10
 *
 * Restartable sequences: one that is interrupted by a checkpoint goes to its abort address, and never
 * commits a result computed from before. Each sequence copies a number, dawdles, and stores it plus
 * one; a second thread makes sure that it is the only one to do so on its counter.
 */
#include "harness.h"
#include <pthread.h>
#include <sys/rseq.h>


static volatile bool stop;

/*
 * Add one to *counter in a restartable sequence that takes some microseconds. True when committed, false
 * when aborted.
 */
static __attribute__((noinline)) bool add_one(struct rseq *rseq, uint64_t *counter)
{
	bool committed;

	__asm__ volatile(
		".pushsection __sequences, \"aw\"\n\t"
		".balign 32\n"
		"0:\t.long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n\t"
		"lea 0b(%%rip), %%rax\n\t"
		"mov %%rax, %[cs]\n"
		"1:\tmov %[counter], %%rcx\n\t"
		"inc %%rcx\n\t"
		"mov $5000, %%eax\n"
		"3:\tdec %%eax\n\t"
		"jnz 3b\n\t"
		"mov %%rcx, %[counter]\n"
		"2:\tmov $1, %%eax\n\t"
		"jmp 5f\n\t"
		".long %c[sig]\n"
		"4:\txor %%eax, %%eax\n"
		"5:\t"
		: "=&a"(committed), [counter] "+m"(*counter), [cs] "=m"(rseq->rseq_cs)
		: [sig] "i"(RSEQ_SIG)
		: "rcx", "memory", "cc");
	return committed;
}

static void *work(void *arg)
{
	struct rseq *rseq = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	uint64_t *result = arg, counter = 0, committed = 0, aborted = 0;

	while (!stop) {
		if (add_one(rseq, &counter))
			committed++;
		else
			aborted++;
		if (counter != committed) {
			check(false, "the counter is %lu after %lu sequences", (long)counter,
			      (long)committed);
			break;
		}
	}
	rseq->rseq_cs = 0;
	result[0] = committed;
	result[1] = aborted;
	return NULL;
}

int main(void)
{
	uint64_t result[2][2];
	pthread_t t[2];

	if (!__rseq_size)
		skip("libc has not registered rseq");
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, result[i]);
	ready();
	sleep_ms(50);
	stop = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		check(result[i][0] > 0, "no sequence was committed");
	}
	return verdict();
}
