/*
 * Pipes: bytes, size, flags, packets, ends whose other end is closed, an end opened twice, and
 * nothing is taken out of one whose checkpoint is followed by more of the run.
 */
#include "harness.h"
#include <poll.h>
#include <signal.h>

static void make(int fd[2], int flags)
{
	if (pipe2(fd, flags))
		die("pipe2");
}

static void check_read(int fd, const char *want)
{
	char buf[64] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want),
	      "fd %d gives %zd: \"%s\", not \"%s\"", fd, n, buf, want);
}

static int events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	poll(&p, 1, 0);
	return p.revents;
}

static size_t fill(int fd)
{
	static char page[4096];
	size_t n = 0;

	while (write(fd, page, sizeof(page)) > 0)
		n += sizeof(page);
	return n;
}

int main(void)
{
	int plain[2], large[2], packet[2], no_writer[2], no_reader[2], full[2], empty[2], again;
	static char big[200000];
	char path[64];
	size_t n, got = 0;
	ssize_t r;

	make(plain, O_CLOEXEC);
	make(large, O_NONBLOCK);
	make(packet, O_DIRECT);
	make(no_writer, 0);
	make(no_reader, 0);
	make(full, O_NONBLOCK);
	make(empty, O_NONBLOCK);
	fcntl(large[1], F_SETPIPE_SZ, 1 << 18);
	for (n = 0; n < sizeof(big); n++)
		big[n] = (char)(n * 7 + n / 251);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", plain[0]);
	again = open(path, O_WRONLY);
	if (again < 0 || write(plain[1], "hello ", 6) != 6 || write(again, "world", 5) != 5 ||
	    write(large[1], big, sizeof(big)) != sizeof(big) || write(packet[1], "one", 3) != 3 ||
	    write(packet[1], "two two", 7) != 7 || write(no_writer[1], "last", 4) != 4)
		die("write");
	n = fill(full[1]);
	close(no_writer[1]);
	close(no_reader[0]);
	signal(SIGPIPE, SIG_IGN);

	ready();

	check(fcntl(plain[0], F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check_read(plain[0], "hello world");
	check(write(again, "more", 4) == 4, "the end opened again");
	check_read(plain[0], "more");
	check(fcntl(large[0], F_GETPIPE_SZ) == 1 << 18, "size %d", fcntl(large[0], F_GETPIPE_SZ));
	check(fcntl(large[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK lost");
	while ((r = read(large[0], path, sizeof(path))) > 0) {
		check(!memcmp(path, big + got, r), "byte %zu", got);
		got += r;
	}
	check(got == sizeof(big) && errno == EAGAIN, "%zu bytes", got);
	check_read(packet[0], "one");
	check_read(packet[0], "two two");
	check(fcntl(packet[1], F_GETFL) & O_DIRECT, "packet mode lost");
	check(events(no_writer[0]) == (POLLIN | POLLHUP), "events %#x", events(no_writer[0]));
	check_read(no_writer[0], "last");
	check_read(no_writer[0], "");
	check(write(no_reader[1], "x", 1) < 0 && errno == EPIPE,
	      "a pipe without a reader takes bytes");
	check(!(events(full[1]) & POLLOUT), "the full pipe has room");
	for (got = 0; (r = read(full[0], big, sizeof(big))) > 0;)
		got += r;
	check(got == n, "the full pipe had %zu bytes, not %zu", got, n);
	check(read(empty[0], path, 1) < 0 && errno == EAGAIN, "the empty pipe");
	check(write(empty[1], "e", 1) == 1, "write");
	check_read(empty[0], "e");
	return verdict();
}
