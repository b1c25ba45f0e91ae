/*
 * What the program was given from outside as standard stream: a pipe of the shell's, a socket of a
 * batch system. It becomes ckpt_restart's own standard stream.
 *
 * A plugin says that its file is one of these (plugin_outside()); none is found by looking at it.
 */
#include <ckpt/plugin.h>

static bool std_match(const struct plugin_file *f)
{
	(void)f;
	return false;
}

/* The standard streams, most fitting first, for a file of this access mode. */
static const int *std_order(const struct plugin_file *f)
{
	static const int reading[] = {0, 1, 2}, writing[] = {1, 2, 0};

	return plugin_writes(f) ? writing : reading;
}

static int std_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	const int *order = std_order(f);
	uint32_t numbers;
	size_t n;
	int i, own, fd = -1;

	if (!plugin_get(c, f, 0, &numbers, sizeof(numbers), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	for (i = 0; fd < 0 && i < 3; i++) {
		own = plugin_std_fd(c, order[i]);
		if (numbers & 1u << order[i] && own >= 0)
			fd = sys_fcntl(own, F_DUPFD_CLOEXEC, 0);
	}
	if (fd < 0)
		fd = sys_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
	return fd < 0 ? plugin_fail(c, f, fd, "/dev/null can't be opened") : fd;
}

const struct plugin plugin_std = {
	.name = "std",
	.is_std = true,
	.match = std_match,
	.restore = std_restore,
};
