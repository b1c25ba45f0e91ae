/* pidfd_open(2) of the process itself. */
#include <ckpt/plugin.h>

static bool pidfd_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[pidfd]") || str_starts(f->link, "pidfd:");
}

static void pidfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *info = plugin_fdinfo(c, f);
	const char *pid = info ? proc_field(info, "Pid:") : NULL;

	if (!info)
		return;
	if (!pid || (int)parse_dec(&pid) != sys_getpid())
		plugin_refuse(c, f, "it is of a process outside the job");
}

static int pidfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_call2(__NR_pidfd_open, sys_getpid(), f->flags & O_NONBLOCK);

	return fd < 0 ? plugin_fail(c, f, fd, "pidfd_open") : fd;
}

const struct plugin plugin_pidfd = {
	.name = "pidfd",
	.match = pidfd_match,
	.save = pidfd_save,
	.restore = pidfd_restore,
};
