/*
 * tests/system: the C side of a test. A program sets up one kernel object, calls ready(), and
 * verifies with check() that the object is what it was; it ends with `return verdict();`.
 *
 *	int main(void)
 *	{
 *		... set up ...
 *		ready();
 *		check(value == before, "value is %d, was %d", value, before);
 *		return verdict();
 *	}
 *
 * test_objects.py checkpoints the program while it stands in ready(), kills it, restarts it, lets it
 * go on and expects status 0 and the line "ok". It also does so over three generations, and with the
 * original running on. Without CKPT_TEST_GO in the environment ready() returns at once, so a program
 * can be run by hand.
 *
 * Lines "test: WORD [ARGUMENT]" in a program's opening comment direct test_objects.py:
 *
 *	test: root		needs root
 *	test: user		is for an ordinary user only
 *	test: checkpoints N	N checkpoints in a row before the kill
 *	test: refused TEXT	the checkpoint is refused with a message that has TEXT, and the program,
 *				let go, still ends with "ok"
 *	test: refusable		a checkpoint may be refused, which does the program no harm
 *	test: running		only the variant in which the original runs on
 *	test: loop		the same, with checkpoints back to back
 *	test: once		only the checkpoint, kill, restart variant
 *	test: dead SECONDS	stays dead so long between kill and restart
 *	test: leaves		killed, it leaves SysV objects or queues named /ckpt-test-*, which are removed
 *	test: tty		standard streams are a terminal
 *	test: time SECONDS	may take so long to be ready or to end (default 20)
 */
#ifndef CKPT_TEST_HARNESS_H
#define CKPT_TEST_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEST_SKIPPED = 77 };

#define TEST_UNUSED __attribute__((unused))
#define TEST_PRINTF(n) __attribute__((unused, format(printf, n, n + 1)))

/* How many check()s failed. Atomic: threads may check. */
static int test_failures;

/* Is the program let go? */
static TEST_UNUSED bool gone(void)
{
	const char *path = getenv("CKPT_TEST_GO");

	return !path || access(path, F_OK) == 0;
}

/* Sleep, not shortened by signals. */
static TEST_UNUSED void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Say that the state is set up and block until let go: here the checkpoints happen. */
static TEST_UNUSED void ready(void)
{
	printf("ready\n");
	fflush(stdout);
	while (!gone())
		sleep_ms(5);
}

/* Note and print a difference when !ok. */
static TEST_PRINTF(2) void check(bool ok, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (ok)
		return;
	__atomic_add_fetch(&test_failures, 1, __ATOMIC_RELAXED);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	printf("differs: %s\n", line);
	fflush(stdout);
}

/* Print "ok" when every check held. For `return verdict();` at the end of main. */
static TEST_UNUSED int verdict(void)
{
	if (__atomic_load_n(&test_failures, __ATOMIC_RELAXED))
		return 1;
	printf("ok\n");
	fflush(stdout);
	return 0;
}

/* The set-up failed: this is no verdict on the checkpointer. */
static TEST_PRINTF(1) void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	printf("set-up: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(err));
	fflush(stdout);
	_exit(2);
}

/* The machine or kernel has no such object. */
static TEST_PRINTF(1) void skip(const char *fmt, ...)
{
	va_list ap;

	printf("skip: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(TEST_SKIPPED);
}

/* A whole small file, of /proc say, terminated; NULL with errno. The caller frees it. */
static TEST_UNUSED char *read_whole(const char *path, size_t *len)
{
	size_t n = 0, cap = 1 << 16;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf = fd < 0 ? NULL : malloc(cap);
	ssize_t r = 0;

	while (buf && (r = read(fd, buf + n, cap - n - 1)) > 0) {
		n += (size_t)r;
		if (n + 1 == cap)
			buf = realloc(buf, cap *= 2);
	}
	if (fd >= 0)
		close(fd);
	if (!buf)
		return NULL;
	buf[n] = 0;
	if (len)
		*len = n;
	return buf;
}

/* Nanoseconds of a clock. */
static TEST_UNUSED int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

#endif
