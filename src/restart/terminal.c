/*
 * The job's terminal, as init of the capsule sees it: process groups have the numbers that they have inside.
 * Nobody of the job runs yet, or all do.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "restart.h"

enum { SETTLE_MS = 50, SETTLE_TRIES = 6 };

static bool is_led(const struct restart *r, int32_t sid)
{
	for (uint32_t i = 0; i < r->nprocesses; i++)
		if (r->processes[i].rec.pid == sid)
			return true;
	return false;
}

static bool is_group(const struct restart *r, int32_t pgid)
{
	for (uint32_t i = 0; i < r->nprocesses; i++)
		if (r->processes[i].rec.pgid == pgid)
			return true;
	return false;
}

/* Terminals that were made inside of the job have sessions whose leaders are inside, too. */
int32_t terminal_group(const struct restart *r)
{
	for (uint32_t i = 0; i < r->nprocesses; i++) {
		const struct rec_process *p = &r->processes[i].rec;

		if (!(p->flags & PROCESS_TTY) || (is_led(r, p->sid) && p->sid != r->terminal_sid))
			continue;
		if (is_group(r, p->tty_pgid))
			return p->tty_pgid;
		break; /* the job was in the background */
	}
	return r->processes[0].rec.pgid;
}

static int terminal_open(const struct restart *r)
{
	return r->foreground ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
}

void terminal_give(const struct restart *r)
{
	int fd = terminal_open(r);

	if (fd < 0)
		return;
	tcsetpgrp(fd, terminal_group(r));
	close(fd);
}

static bool is_busy(pid_t pid)
{
	char path[64], stat[1024];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (io_read_file(path, stat, sizeof(stat)) < 0)
		return false;
	p = strrchr(stat, ')');
	return p && p[1] == ' ' && p[2] == 'R';
}

/* Give the group time to go back to the system calls that it waits in: a signal before is often lost on it. */
static void group_settle(const struct restart *r, pid_t group)
{
	const struct timespec moment = {.tv_nsec = SETTLE_MS * 1000000};
	bool busy = true;

	for (int n = 0; busy && n < SETTLE_TRIES; n++) {
		nanosleep(&moment, NULL);
		busy = false;
		for (uint32_t i = 0; i < r->nprocesses && !busy; i++)
			busy = r->processes[i].rec.pgid == group && is_busy(r->processes[i].rec.pid);
	}
}

/*
 * Programs that get SIGWINCH look at the size, and many do nothing when that is what it was. So it is another
 * one for a moment.
 */
static void size_wiggle(const struct restart *r, int fd, pid_t group, const struct winsize *size)
{
	struct winsize other = *size, now;

	other.ws_row += size->ws_row > 1 ? -1 : 1;
	ioctl(fd, TIOCSWINSZ, &other);
	group_settle(r, group);
	if (ioctl(fd, TIOCGWINSZ, &now) == 0 && now.ws_row == other.ws_row && now.ws_col == other.ws_col)
		ioctl(fd, TIOCSWINSZ, size);
}

static void repaint(const struct restart *r, int fd)
{
	const struct rec_process *first = &r->processes[0].rec;
	pid_t group = tcgetpgrp(fd);
	struct winsize size;
	struct termios t;
	bool same;

	if (group <= 0 || tcgetattr(fd, &t) < 0 || ioctl(fd, TIOCGWINSZ, &size) < 0)
		return;
	same = size.ws_row == first->tty_rows && size.ws_col == first->tty_cols;
	if (same && t.c_lflag & ICANON)
		return;
	group_settle(r, group);
	if (same)
		size_wiggle(r, fd, group, &size);
	else
		kill(-group, SIGWINCH);
}

void terminal_repaint(const struct restart *r)
{
	int fd = terminal_open(r);

	if (fd < 0)
		return;
	repaint(r, fd);
	close(fd);
}
