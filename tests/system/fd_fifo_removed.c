/* A FIFO that has been removed, as scripts make one to count jobs with: open for both; and by two who open an end each. */
#include "harness.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static void check_bytes(int fd, const char *expected)
{
	char buf[100];
	ssize_t n = read(fd, buf, sizeof(buf));

	check(n == (ssize_t)strlen(expected) && !memcmp(buf, expected, n), "read gives %zd", n);
}

int main(void)
{
	int both, in, out, flags;

	if (mkfifo("both", 0600) || mkfifo("ends", 0600))
		die("mkfifo");
	both = open("both", O_RDWR);
	in = open("ends", O_RDONLY | O_NONBLOCK);
	out = open("ends", O_WRONLY);
	if (both < 0 || in < 0 || out < 0 || unlink("both") || unlink("ends"))
		die("open");
	if (write(both, "tokens", 6) != 6 || write(out, "half", 4) != 4)
		die("write");
	ready();
	check_bytes(both, "tokens");
	check_bytes(in, "half");
	check(write(both, "more", 4) == 4, "write");
	check_bytes(both, "more");
	flags = fcntl(in, F_GETFL);
	check(read(in, &flags, 1) < 0 && errno == EAGAIN, "there is more to read");
	close(out);
	check(read(in, &flags, 1) == 0, "it does not end");
	return verdict();
}
