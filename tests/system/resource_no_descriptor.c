/*
 * test: refused has no descriptor free
 *
 * No descriptor is free and none can be had: refused by name, and the program runs on.
 */
#include "harness.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit limit = {64, 64};
	int fds[64], n = 0, fd;

	setrlimit(RLIMIT_NOFILE, &limit);
	while ((fd = open("/dev/null", O_RDWR)) >= 0)
		fds[n++] = fd;
	check(errno == EMFILE && n > 20, "set-up: %d were free", n);
	ready();
	check(open("/dev/null", O_RDONLY) < 0 && errno == EMFILE, "a descriptor is free");
	for (int i = 0; i < n; i++)
		check(write(fds[i], "x", 1) == 1, "descriptor %d: %s", fds[i], strerror(errno));
	return verdict();
}
