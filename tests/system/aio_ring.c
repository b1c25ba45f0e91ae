/*
 * The ring of a linux-aio context has gone around, and some of its events are not fetched: they are
 * there after the restart, in order, and the ring goes around again.
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

enum { N = 300, UNFETCHED = 90, ROUNDS = 5 };

static aio_context_t context;
static uint64_t submitted, fetched;
static int fd;

static void submit(void)
{
	static char byte = 'x';
	struct iocb cb = {.aio_data = submitted, .aio_lio_opcode = IOCB_CMD_PWRITE,
			  .aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)&byte, .aio_nbytes = 1};
	struct iocb *list = &cb;

	if (syscall(SYS_io_submit, context, 1L, &list) == 1)
		submitted++;
	else
		check(false, "io_submit %ld: %s", (long)submitted, strerror(errno));
}

static void fetch(void)
{
	struct io_event event = {0};
	long n = syscall(SYS_io_getevents, context, 1L, 1L, &event, &(struct timespec){.tv_sec = 5});

	check(n == 1, "io_getevents gives %ld: %s", n, strerror(errno));
	check(event.data == fetched && event.res == 1, "event %ld has data %ld and result %ld",
	      (long)fetched, (long)event.data, (long)event.res);
	fetched++;
}

static void go_around(void)
{
	for (int i = 0; i < ROUNDS * N && !test_failures; i++) {
		submit();
		if (submitted - fetched > UNFETCHED)
			fetch();
	}
}

int main(void)
{
	long n;

	fd = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (syscall(SYS_io_setup, N, &context))
		skip("io_setup: %s", strerror(errno));
	go_around();
	ready();
	n = syscall(SYS_io_getevents, context, 0L, 0L, NULL, NULL);
	check(n == 0, "io_getevents of none gives %ld", n);
	go_around();
	while (submitted - fetched < N)
		submit();
	while (fetched < submitted)
		fetch();
	check(syscall(SYS_io_destroy, context) == 0, "io_destroy: %s", strerror(errno));
	return verdict();
}
