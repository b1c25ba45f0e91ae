/*
 * Threads wait in io_getevents: one without an end, one over and over for 100 ms. Checkpoints do not
 * make it fail, return early, or go on for ever.
 * test: checkpoints 10
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/syscall.h>

static volatile bool stop;

static void *wait_event(void *arg)
{
	struct io_event event = {0};
	long n = syscall(SYS_io_getevents, (aio_context_t)arg, 1L, 1L, &event, NULL);

	check(n == 1 && event.data == 77, "io_getevents gives %ld: %s", n, strerror(errno));
	return NULL;
}

static void *wait_time(void *arg)
{
	while (!stop && !test_failures) {
		struct timespec t = {.tv_nsec = 100000000};
		struct io_event event;
		int64_t start = now_ns(CLOCK_MONOTONIC), ms;
		long n = syscall(SYS_io_getevents, (aio_context_t)arg, 1L, 1L, &event, &t);

		ms = (now_ns(CLOCK_MONOTONIC) - start) / 1000000;
		check(n == 0, "io_getevents of nothing gives %ld: %s", n, strerror(errno));
		check(ms >= 99, "it returned after %ld ms", (long)ms);
		check(t.tv_sec == 0 && t.tv_nsec == 100000000, "the timeout given was changed");
	}
	return NULL;
}

int main(void)
{
	static char byte;
	aio_context_t context[2] = {0};
	struct iocb cb = {.aio_data = 77, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_buf = (uintptr_t)&byte,
			  .aio_nbytes = 1}, *list = &cb;
	pthread_t t[2];
	int fd = open("/dev/zero", O_RDONLY);

	if (syscall(SYS_io_setup, 1, &context[0]) || syscall(SYS_io_setup, 1, &context[1]))
		skip("io_setup: %s", strerror(errno));
	pthread_create(&t[0], NULL, wait_event, (void *)context[0]);
	pthread_create(&t[1], NULL, wait_time, (void *)context[1]);
	sleep_ms(20);
	ready();
	cb.aio_fildes = (uint32_t)fd;
	check(syscall(SYS_io_submit, context[0], 1L, &list) == 1, "io_submit: %s", strerror(errno));
	stop = true;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	return verdict();
}
