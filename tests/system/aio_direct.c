/*
 * Direct reads by linux-aio, eight at a time, while checkpoints are made: a freeze waits for those in
 * flight, and a thread that waits for them gets them all.
 * test: checkpoints 5
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { N = 8, SIZE = 256 << 10 };

static volatile bool stop;
static volatile long rounds;
static char *buf[N];
static int fd;

static void read_all(aio_context_t context)
{
	struct iocb cb[N], *list[N];
	struct io_event event[N];
	long n;

	for (int i = 0; i < N; i++) {
		memset(buf[i], 0xee, SIZE);
		cb[i] = (struct iocb){.aio_data = (uint64_t)i, .aio_lio_opcode = IOCB_CMD_PREAD,
				      .aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)buf[i],
				      .aio_nbytes = SIZE, .aio_offset = (int64_t)i * SIZE};
		list[i] = &cb[i];
	}
	for (long done = 0; done < N; done += n) {
		n = syscall(SYS_io_submit, context, N - done, list + done);
		check(n > 0 || errno == EAGAIN, "io_submit: %s", strerror(errno));
		n = n < 0 ? 0 : n;
	}
	n = syscall(SYS_io_getevents, context, (long)N, (long)N, event, NULL);
	check(n == N, "io_getevents gives %ld: %s", n, strerror(errno));
	for (int i = 0; i < n; i++)
		check(event[i].res == SIZE, "read %d gives %ld", (int)event[i].data, (long)event[i].res);
	for (int i = 0; i < N; i++)
		check(buf[i][0] == 'a' + i && buf[i][SIZE - 1] == 'a' + i, "bytes of read %d", i);
}

static void *work(void *arg)
{
	while (!stop && !test_failures) {
		read_all((aio_context_t)arg);
		rounds++;
	}
	return NULL;
}

int main(void)
{
	aio_context_t context = 0;
	pthread_t t;
	long before;

	fd = open("aio", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0 || syscall(SYS_io_setup, N, &context))
		skip("direct I/O: %s", strerror(errno));
	for (int i = 0; i < N; i++) {
		if (posix_memalign((void **)&buf[i], 4096, SIZE))
			die("memory");
		memset(buf[i], 'a' + i, SIZE);
		if (pwrite(fd, buf[i], SIZE, (off_t)i * SIZE) != SIZE)
			skip("direct I/O: %s", strerror(errno));
	}
	pthread_create(&t, NULL, work, (void *)context);
	while (rounds < 3 && !test_failures)
		sleep_ms(1);
	ready();
	before = rounds;
	for (int k = 0; k < 10000 && rounds < before + 2 && !test_failures; k++)
		sleep_ms(1);
	check(rounds >= before + 2, "reads stand still");
	stop = true;
	pthread_join(t, NULL);
	return verdict();
}
