/*
 * A descriptor that can't be restored and that the user said to leave out (ckpt_launch --ignore). It is
 * /dev/null in the restarted program.
 *
 * None is found by looking at it: what another plugin refuses becomes this (plugin_refuse()).
 */
#include <ckpt/plugin.h>

static bool ignored_match(const struct plugin_file *f)
{
	(void)f;
	return false;
}

static int ignored_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open("/dev/null", plugin_open_flags(f->flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC, 0);

	if (fd < 0)
		return plugin_fail(c, f, fd, "/dev/null can't be opened");
	plugin_caution(c, f, "was left out (--ignore); it is /dev/null now");
	return fd;
}

const struct plugin plugin_ignored = {
	.name = "ignored",
	.match = ignored_match,
	.restore = ignored_restore,
};
