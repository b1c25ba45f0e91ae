/*
 * Pseudo terminals under full load: a child that prints numbers, one that reads lines that are typed to it, and
 * one in raw mode. Nothing is lost, doubled or out of order.
 * test: checkpoints 5
 */
#include "pty.h"
#include "tree.h"
#include <pty.h>

enum { LINE = 12 };

/* The n-th line, or what is between two of them. */
static void line_make(char *line, unsigned long n)
{
	snprintf(line, LINE + 1, "%011lu\n", n);
}

/* Write lines until let go, and then one with a full stop. */
static void lines_write(int fd, const char *end)
{
	char line[LINE + 1];

	for (unsigned long n = 0; !gone(); n++) {
		line_make(line, n);
		for (size_t at = 0; at < LINE;) {
			ssize_t w = write(fd, line + at, LINE - at);

			if (w < 0)
				die("write");
			at += (size_t)w;
		}
	}
	if (write(fd, end, strlen(end)) < 0)
		die("write");
}

/* Read lines, and compare, until the one with a full stop; cr: CR comes before each newline. */
static void lines_read(int fd, const char *name, bool cr)
{
	char line[LINE + 1], c = 0;
	unsigned long n = 0;

	for (int at = 0; c != '.';) {
		if (read(fd, &c, 1) != 1) {
			check(false, "%s: read: %s", name, strerror(errno));
			return;
		}
		if (cr && c == '\r')
			continue;
		if (!at)
			line_make(line, n++);
		if (c != '.' && line[at] != c) {
			check(false, "%s: line %lu: %d instead of %d", name, n - 1, c, line[at]);
			return;
		}
		at = (at + 1) % LINE;
	}
}

static void printer(void)
{
	lines_write(1, ".");
	sleep_ms(200); /* until it has been read */
}

static void reader(void)
{
	set_local(0, 0, ECHO);
	lines_read(0, "typed lines", false);
}

static void raw_reader(void)
{
	set_raw(0);
	lines_read(0, "raw", false);
}

static pid_t start(void (*run)(void), int *master)
{
	pid_t pid;

	fflush(stdout);
	pid = forkpty(master, NULL, NULL, NULL);
	if (pid < 0)
		die("forkpty");
	if (pid == 0) {
		run();
		_exit(test_failures ? 1 : 0);
	}
	return pid;
}

static void writer(void *arg)
{
	int *master = arg;

	lines_write(*master, ".\n");
}

int main(void)
{
	int out, in, raw;
	pid_t p = start(printer, &out), r = start(reader, &in), w = start(raw_reader, &raw), to_in, to_raw;

	sleep_ms(100); /* modes are set */
	to_in = child_start(writer, &in);
	to_raw = child_start(writer, &raw);
	printf("ready\n");
	fflush(stdout);
	lines_read(out, "printed lines", true);
	child_end(to_in, 0);
	child_end(to_raw, 0);
	child_end(p, 0);
	child_end(r, 0);
	child_end(w, 0);
	return verdict();
}
