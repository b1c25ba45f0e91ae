/*
 * test: tty
 * test: checkpoints 10
 *
 * A read of the terminal goes on to wait. test_objects.py types the line "typed" in the end.
 */
#include "harness.h"
#include <pthread.h>
#include <termios.h>

static char line[64];
static ssize_t len;
static int err;

static void *reader(void *arg)
{
	len = read(STDIN_FILENO, line, sizeof(line));
	err = errno;
	return arg;
}

int main(void)
{
	struct timespec limit;
	struct termios t;
	pthread_t r;

	if (!isatty(STDIN_FILENO))
		skip("no terminal");
	tcgetattr(STDIN_FILENO, &t);
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
	pthread_create(&r, NULL, reader, NULL);
	sleep_ms(20);
	ready();
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 20;
	if (getenv("CKPT_TEST_GO") && pthread_timedjoin_np(r, NULL, &limit) == 0)
		check(len == 6 && !memcmp(line, "typed\n", 6), "read gives %zd: %s", len, strerror(err));
	else
		check(!getenv("CKPT_TEST_GO"), "read does not return");
	return verdict();
}
