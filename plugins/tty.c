/*
 * Terminals: the one that the standard streams are, or the controlling one. At restart it is the
 * terminal that ckpt_restart has; its settings (termios) are put back, its size is not.
 */
#include <ckpt/plugin.h>
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <signal.h>

struct tty_state {
	uint32_t numbers; /* bit n: standard stream n is the same terminal */
	uint32_t reserved;
	struct termios termios;
};

enum {
	TTY_CONTROLLING = 0x0500, /* /dev/tty: the controlling terminal, whichever it is */
	TTY_MASTER = 0x0502,	  /* /dev/ptmx: no terminal but the other side of one */
};

static bool tty_match(const struct plugin_file *f)
{
	struct termios t;

	return S_ISCHR(f->mode) && f->rdev != TTY_MASTER && sys_ioctl(f->fd, TCGETS, &t) == 0;
}

static uint32_t tty_numbers(struct plugin_ctx *c, const struct plugin_file *f)
{
	const struct plugin_file *std;
	uint32_t numbers = 0;
	int n;

	for (n = 0; n < 3; n++) {
		std = plugin_file_by_number(c, n);
		if (std && S_ISCHR(std->mode) && std->rdev == f->rdev)
			numbers |= 1u << n;
	}
	return numbers;
}

static void tty_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct tty_state st = {.numbers = tty_numbers(c, f)};

	sys_ioctl(f->fd, TCGETS, &st.termios);
	if (!st.numbers && f->rdev != TTY_CONTROLLING)
		plugin_refuse(c, f, "it is not the terminal the program was started on");
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

static bool is_tty(int fd)
{
	struct termios t;

	return fd >= 0 && sys_ioctl(fd, TCGETS, &t) == 0;
}

/* The terminal opened anew: an open file of our own, whose flags are nobody else's business. */
static int own_terminal(struct plugin_ctx *c, const struct plugin_file *f)
{
	int n, fd = sys_open("/dev/tty", plugin_open_flags(f->flags) | O_NOCTTY | O_CLOEXEC, 0);

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
