/*
 * A Linux AIO ring that is larger than a chunk of an image, beside content of an odd length: where one chunk ends and
 * the next begins is between two pages all the same.
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { REQUESTS = 20000, ODD = 100 };

int main(void)
{
	static char byte = 'a';
	int fd = memfd_create("odd", 0);
	aio_context_t context = 0;
	struct iocb cb = {.aio_data = 7, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd,
			  .aio_buf = (uintptr_t)&byte, .aio_nbytes = 1, .aio_offset = ODD - 1};
	struct iocb *list[] = {&cb};
	struct io_event event = {0};

	if (fd < 0 || ftruncate(fd, ODD) < 0)
		die("memfd");
	if (syscall(SYS_io_setup, REQUESTS, &context))
		skip("io_setup: %s (fs.aio-max-nr?)", strerror(errno));
	if (syscall(SYS_io_submit, context, 1l, list) != 1)
		die("io_submit");

	ready();

	check(syscall(SYS_io_getevents, context, 1l, 1l, &event, &(struct timespec){.tv_sec = 1}) == 1,
	      "the event is not there");
	check(event.data == 7 && event.res == 1, "the event is %lu, its result %ld", (unsigned long)event.data,
	      (long)event.res);
	byte = 0;
	check(pread(fd, &byte, 1, ODD - 1) == 1 && byte == 'a', "the file holds %d", byte);
	return verdict();
}
