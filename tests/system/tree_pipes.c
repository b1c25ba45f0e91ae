/*
 * Pipes and FIFOs with their ends in different processes: full ones, of another size, in packet
 * mode, with a writer that waits for room, whose writer has gone; a FIFO that is still being
 * opened.
 */
#include "tree.h"
#include <sys/stat.h>

static int full[2], packets[2], resized[2], left[2];
static struct signpost up, down;

static void put(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

static void check_get(int fd, const char *want)
{
	char buf[64] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want), "%zd: \"%s\", not \"%s\"", n, buf,
	      want);
}

/* More than fits: the last bytes wait until there is room. */
static void writer(void *arg)
{
	static char buf[100000];
	int fifo;

	(void)arg;
	close(full[0]);
	close(packets[0]);
	close(left[0]);
	fifo = open("fifo", O_WRONLY);
	put(fifo, "through the FIFO");
	put(packets[1], "one");
	put(packets[1], "two");
	put(resized[1], "resized");
	put(left[1], "left behind");
	close(left[1]);
	signpost_tell(&up);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = i % 251;
	check(write(full[1], buf, sizeof(buf)) == sizeof(buf), "not all is written");
	signpost_await(&down, 1);
	put(packets[1], "three");
	put(packets[1], "four");
	put(fifo, " and more");
	signpost_tell(&up);
	signpost_await(&down, 1);
}

static void opener(void *arg)
{
	int fd;

	(void)arg;
	close(left[1]);
	signpost_tell(&up);
	fd = open("late", O_RDONLY);
	check_get(fd, "opened");
}

static void drain(void)
{
	static char buf[100000];
	size_t n = 0;
	int bad = 0;
	ssize_t got;

	while (n < sizeof(buf) && (got = read(full[0], buf + n, sizeof(buf) - n)) > 0)
		n += got;
	for (size_t i = 0; i < n; i++)
		bad += buf[i] != (char)(i % 251);
	check(n == sizeof(buf) && !bad, "%zu bytes, %d of them wrong", n, bad);
}

int main(void)
{
	int fifo, late;
	pid_t pid, waiting;

	up = signpost_make();
	down = signpost_make();
	unlink("fifo");
	unlink("late");
	if (pipe(full) || pipe2(packets, O_DIRECT) || pipe(resized) || pipe(left) ||
	    mkfifo("fifo", 0600) || mkfifo("late", 0600))
		die("pipe");
	fcntl(resized[0], F_SETPIPE_SZ, 1 << 18);
	pid = child_start(writer, NULL);
	waiting = child_start(opener, NULL);
	fifo = open("fifo", O_RDONLY);
	close(full[1]);
	close(packets[1]);
	close(left[1]);
	signpost_await(&up, 2);
	sleep_ms(30);

	ready();

	check_get(left[0], "left behind");
	check_get(left[0], "");
	check(fcntl(resized[0], F_GETPIPE_SZ) == 1 << 18, "its size is %d",
	      fcntl(resized[0], F_GETPIPE_SZ));
	check_get(resized[0], "resized");
	check_get(fifo, "through the FIFO");
	check_get(packets[0], "one");
	check_get(packets[0], "two");
	drain();
	signpost_tell(&down);
	signpost_await(&up, 1);
	check_get(packets[0], "three");
	check_get(packets[0], "four");
	check_get(fifo, " and more");
	late = open("late", O_WRONLY);
	put(late, "opened");
	signpost_tell(&down);
	child_end(waiting, 0);
	child_end(pid, 0);
	return verdict();
}
