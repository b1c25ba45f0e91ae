/* Linux AIO events that have come but were not yet fetched are there after the restart, in order. */
#include "harness.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

enum { N = 20 };

int main(void)
{
	static char bytes[N];
	aio_context_t context = 0;
	struct iocb cb[N], *list[N];
	struct io_event event[N + 1];
	int fd = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600), n;
	uint64_t seen = 0;

	if (syscall(SYS_io_setup, N, &context))
		skip("io_setup: %s", strerror(errno));
	for (int i = 0; i < N; i++) {
		cb[i] = (struct iocb){.aio_data = (uint64_t)i, .aio_lio_opcode = IOCB_CMD_PWRITE,
				      .aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)&bytes[i],
				      .aio_nbytes = 1, .aio_offset = i};
		list[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, context, (long)N, list) != N)
		die("io_submit");
	ready();
	n = (int)syscall(SYS_io_getevents, context, (long)N, (long)N + 1, event,
			 &(struct timespec){.tv_sec = 1});
	check(n == N, "%d events, were %d", n, N);
	for (int i = 0; i < n; i++) {
		check(event[i].res == 1 && event[i].obj == (uintptr_t)&cb[event[i].data],
		      "event %d has result %ld", i, (long)event[i].res);
		seen |= 1ull << event[i].data;
	}
	check(seen == (1ull << N) - 1, "events %lx", (long)seen);
	return verdict();
}
