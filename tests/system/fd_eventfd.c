/* eventfd: count, semaphore mode, flags. */
#include "harness.h"
#include <sys/eventfd.h>

int main(void)
{
	int counter = eventfd(1234567, EFD_NONBLOCK),
	    semaphore = eventfd(3, EFD_SEMAPHORE | EFD_CLOEXEC);
	int empty = eventfd(0, EFD_NONBLOCK), full = eventfd(0, EFD_NONBLOCK);
	uint64_t max = UINT64_MAX - 1, n = 0;

	if (counter < 0 || semaphore < 0 || empty < 0 || write(full, &max, 8) != 8)
		die("eventfd");

	ready();

	check(read(counter, &n, 8) == 8 && n == 1234567, "count %llu", (unsigned long long)n);
	check(read(counter, &n, 8) < 0 && errno == EAGAIN, "O_NONBLOCK lost");
	check(read(semaphore, &n, 8) == 8 && n == 1, "the semaphore gives %llu",
	      (unsigned long long)n);
	check(read(semaphore, &n, 8) == 8 && n == 1, "the semaphore gives %llu",
	      (unsigned long long)n);
	check(fcntl(semaphore, F_GETFD) == FD_CLOEXEC && !(fcntl(semaphore, F_GETFL) & O_NONBLOCK),
	      "flags of the semaphore");
	check(read(empty, &n, 8) < 0 && errno == EAGAIN, "the empty one is not");
	n = 1;
	check(write(full, &n, 8) < 0 && errno == EAGAIN, "the full one has room");
	check(read(full, &n, 8) == 8 && n == max, "the full one has %llu", (unsigned long long)n);
	return verdict();
}
