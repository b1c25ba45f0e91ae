/*
 * A linux-aio request that waits for what may never come: the checkpoint is refused, and the request
 * ends as it should.
 * test: refused 1 requests are in flight
 */
#include "harness.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>

int main(void)
{
	aio_context_t context = 0;
	struct iocb cb = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN}, *list = &cb;
	struct io_event event = {0};
	int fds[2];

	if (pipe(fds))
		die("pipe");
	cb.aio_fildes = (uint32_t)fds[0];
	if (syscall(SYS_io_setup, 1, &context) || syscall(SYS_io_submit, context, 1L, &list) != 1)
		skip("polling by linux-aio: %s", strerror(errno));
	ready();
	if (write(fds[1], "x", 1) != 1)
		die("write");
	check(syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) == 1, "io_getevents: %s",
	      strerror(errno));
	check(event.res & POLLIN, "the event has result %lx", (long)event.res);
	return verdict();
}
