/*
 * Terminals: the one that the standard streams are, or the controlling one. At restart it is the
 * terminal that ckpt_restart has; its settings (termios) are put back, its size is not. Those that the job
 * has made itself are found out here, and are pty.c's.
 */
#include "pty.h"
#include <signal.h>

struct tty_state {
	uint32_t numbers; /* bit n: standard stream n is the same terminal */
	uint32_t reserved;
	struct termios termios;
};

/* One that has been hung up answers nothing: it is told by its number. */
static bool tty_match(const struct plugin_file *f)
{
	struct termios t;
	int err;

	if (!S_ISCHR(f->mode))
		return false;
	err = sys_ioctl(f->fd, TCGETS, &t);
	return !err || (err == -EIO && (f->rdev == DEV_TTY || pts_is_slave(f->rdev)));
}

/* Of our session: only then does it tell. */
static bool is_controlling(int fd)
{
	int session;

	return sys_ioctl(fd, TIOCGSID, &session) == 0;
}

static void tty_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct tty_state st = {.numbers = plugin_std_numbers(c, f)};

	if (pts_save(c, f))
		return;
	if (sys_ioctl(f->fd, TCGETS, &st.termios)) {
		plugin_outside(c, f, "its terminal is gone");
		return;
	}
	if (!st.numbers && f->rdev != DEV_TTY && !is_controlling(f->fd))
		plugin_refuse(c, f, "it is neither the terminal the program was started on nor that of its session");
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

static bool is_tty(int fd)
{
	struct termios t;

	return fd >= 0 && sys_ioctl(fd, TCGETS, &t) == 0;
}

/*
 * By the name that it has: /dev/tty would not tell the next checkpoint which terminal it is, where one of the job's
 * own has the same number.
 */
static int open_by_name(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct tty_state st;
	int own, number, fd = -1;
	size_t n;

	if (f->rdev == DEV_TTY || !plugin_get(c, f, 0, &st, sizeof(st), &n))
		return -1;
	for (number = 0; fd < 0 && number < 3; number++) {
		own = plugin_std_fd(c, number);
		if (st.numbers & 1u << number && is_tty(own))
			fd = plugin_open_again(own, f->flags | O_NOCTTY);
	}
	return fd;
}

/* The terminal opened anew: an open file of our own, whose flags are nobody else's business. */
static int own_terminal(struct plugin_ctx *c, const struct plugin_file *f)
{
	int n, fd = open_by_name(c, f);

	if (fd < 0)
		fd = sys_open("/dev/tty", plugin_open_flags(f->flags) | O_NOCTTY | O_CLOEXEC, 0);
	for (n = 0; fd < 0 && n < 3; n++)
		if (is_tty(plugin_std_fd(c, n)))
			fd = sys_fcntl(plugin_std_fd(c, n), F_DUPFD_CLOEXEC, 0);
	return fd;
}

static int tty_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = own_terminal(c, f);

	if (fd >= 0)
		return fd;
	if (f->number > 2)
		plugin_caution(c, f, "there is no terminal; it becomes /dev/null");
	fd = sys_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
	return fd < 0 ? plugin_fail(c, f, fd, "/dev/null can't be opened") : fd;
}

static bool same_settings(const struct termios *a, const struct termios *b)
{
	size_t i;

	for (i = 0; i < NCCS; i++)
		if (a->c_cc[i] != b->c_cc[i])
			return false;
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && a->c_line == b->c_line;
}

/* SIGTTOU is blocked: at this point we may not be in the terminal's foreground group yet. */
static int tty_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	uint64_t ttou = 1ull << (SIGTTOU - 1), mask;
	struct tty_state st;
	struct termios now;
	size_t n;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n) || sys_ioctl(f->fd, TCGETS, &now))
		return 0;
	if (same_settings(&now, &st.termios))
		return 0;
	sys_sigprocmask(SIG_BLOCK, &ttou, &mask);
	sys_ioctl(f->fd, TCSETS, &st.termios);
	sys_sigprocmask(SIG_SETMASK, &mask, NULL);
	return 0;
}

const struct plugin plugin_tty = {
	.name = "tty",
	.is_std = true,
	.match = tty_match,
	.save = tty_save,
	.restore = tty_restore,
	.fill = tty_fill,
};
