/*
 * A session on a pseudo terminal of the job's own: its leader, a group in the foreground, one in the
 * background, one that has parted with the terminal; /dev/tty; what is typed, and ^C, gets where it should.
 */
#include "pty.h"
#include "tree.h"
#include <pty.h>

static struct signpost post, all_set;
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static int dev_tty(void)
{
	return open("/dev/tty", O_RDWR);
}

static void terminal_check(const char *who, const char *name, int tty, pid_t group)
{
	char now[64] = "none";

	ttyname_r(0, now, sizeof(now));
	check(!strcmp(now, name), "%s: terminal %s, was %s", who, now, name);
	check(tcgetpgrp(tty) == group && tcgetpgrp(0) == group, "%s: foreground %d, %d, was %d", who,
	      tcgetpgrp(tty), tcgetpgrp(0), group);
	check(tcgetsid(0) == getsid(0), "%s: session %d of the terminal", who, tcgetsid(0));
}

static void foreground_run(void *arg)
{
	struct who me;
	char line[64] = "";
	char name[64];

	(void)arg;
	signal(SIGTTOU, SIG_IGN);
	signal(SIGINT, on_interrupt);
	setpgid(0, 0);
	tcsetpgrp(0, getpid());
	me = who_am_i();
	ttyname_r(0, name, sizeof(name));
	signpost_tell(&post);
	wait_gone();
	check_who(&me, "foreground");
	terminal_check("foreground", name, 0, getpid());
	check(read(0, line, sizeof(line)) == 5 && !strcmp(line, "line\n"), "foreground: read '%s'", line);
	check(interrupted, "^C did not come");
	check(write(1, "goodbye\n", 8) == 8, "write");
}

static void background_run(void *arg)
{
	pid_t *foreground = arg;
	int tty = dev_tty();
	struct who me;
	char name[64];

	setpgid(0, 0);
	signal(SIGINT, on_interrupt);
	me = who_am_i();
	ttyname_r(0, name, sizeof(name));
	signpost_tell(&post);
	wait_gone();
	check_who(&me, "background");
	terminal_check("background", name, tty, *foreground);
	check(!interrupted, "^C came to the background");
}

static void parted_run(void *arg)
{
	struct who me;
	int tty = dev_tty();

	(void)arg;
	if (ioctl(tty, TIOCNOTTY))
		die("TIOCNOTTY");
	me = who_am_i();
	signpost_tell(&post);
	wait_gone();
	check_who(&me, "parted");
	check(dev_tty() == -1 && errno == ENXIO, "parted: has a terminal");
	check(isatty(tty), "parted: what was /dev/tty");
}

static int leader_run(void)
{
	pid_t foreground, background, parted;
	struct who me = who_am_i();
	int tty = dev_tty();
	char name[64];

	ttyname_r(0, name, sizeof(name));
	foreground = child_start(foreground_run, NULL);
	signpost_await(&post, 1);
	background = child_start(background_run, &foreground);
	parted = child_start(parted_run, NULL);
	signpost_await(&post, 2);
	signpost_tell(&all_set);
	wait_gone();
	check_who(&me, "leader");
	terminal_check("leader", name, tty, foreground);
	child_end(background, 0);
	child_end(parted, 0);
	child_end(foreground, 0);
	return test_failures ? 1 : 0;
}

/* Read until the text comes. */
static void expect_text(int m, const char *text)
{
	char got[4096] = "";
	size_t n = 0;
	ssize_t r = 0;

	while (!strstr(got, text) && n < sizeof(got) - 1 && (r = read(m, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)r;
	check(strstr(got, text), "'%s' does not come, but '%s': %s", text, got, r < 0 ? strerror(errno) : "");
}

int main(void)
{
	struct winsize size = {25, 81, 0, 0};
	int m;
	pid_t child;

	post = signpost_make();
	all_set = signpost_make();
	fflush(stdout);
	child = forkpty(&m, NULL, NULL, &size);
	if (child < 0)
		die("forkpty");
	if (child == 0)
		_exit(leader_run());
	signpost_await(&all_set, 1);

	ready();

	check(number_of(m) != ~0u && tcgetpgrp(m) > 0, "master");
	put(m, "\3", 1);
	sleep_ms(50);
	put(m, "line\n", 5);
	expect_text(m, "goodbye\r\n");
	child_end(child, 0);
	return verdict();
}
