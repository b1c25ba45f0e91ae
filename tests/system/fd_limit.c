/* All descriptors that the limit allows are in use, and one above it. */
#include "harness.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit rl = {64, 64}, soft = {32, 64};
	int fd, last = -1, n = 0;

	if (setrlimit(RLIMIT_NOFILE, &rl) || dup2(1, 50) < 0 || setrlimit(RLIMIT_NOFILE, &soft))
		die("setrlimit");
	while ((fd = open("/dev/null", O_RDWR)) >= 0)
		last = fd;

	ready();

	for (fd = 3; fd <= last; fd++)
		n += fcntl(fd, F_GETFL) == (O_RDWR | O_LARGEFILE) || fcntl(fd, F_GETFL) == (O_RDWR | 0100000);
	check(n == last - 2, "%d of %d descriptors", n, last - 2);
	check(fcntl(50, F_GETFD) == 0, "the one above the limit");
	check(open("/dev/null", O_RDWR) < 0 && errno == EMFILE, "there is room now");
	return verdict();
}
