/* Linux AIO contexts keep their ids and limits, and go on to work. */
#include "harness.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

enum { N = 3 };

static void write_and_wait(aio_context_t context, int fd, int i)
{
	char byte = (char)('a' + i), back = 0;
	struct iocb cb = {.aio_data = (uint64_t)i + 7, .aio_lio_opcode = IOCB_CMD_PWRITE,
			  .aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)&byte, .aio_nbytes = 1,
			  .aio_offset = i};
	struct iocb *list = &cb;
	struct io_event event;

	check(syscall(SYS_io_submit, context, 1L, &list) == 1, "io_submit %d: %s", i, strerror(errno));
	check(syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) == 1, "io_getevents %d: %s", i,
	      strerror(errno));
	check(event.data == (uint64_t)i + 7 && event.res == 1, "event %d has data %ld and result %ld",
	      i, (long)event.data, (long)event.res);
	check(pread(fd, &back, 1, i) == 1 && back == byte, "the byte written");
}

int main(void)
{
	aio_context_t context[N] = {0};
	int fd = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; i < N; i++) {
		if (syscall(SYS_io_setup, 10 + i * 200, &context[i]))
			skip("io_setup: %s", strerror(errno));
		write_and_wait(context[i], fd, i);
	}
	syscall(SYS_io_destroy, context[1]);

	ready();

	write_and_wait(context[0], fd, 10);
	write_and_wait(context[2], fd, 12);
	check(syscall(SYS_io_destroy, context[1]) < 0, "the destroyed context is there again");
	check(syscall(SYS_io_destroy, context[0]) == 0 && syscall(SYS_io_destroy, context[2]) == 0,
	      "io_destroy: %s", strerror(errno));
	return verdict();
}
