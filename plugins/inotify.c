/* inotify(7). */
#include <ckpt/plugin.h>

static bool inotify_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:inotify");
}

static void inotify_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *info = plugin_fdinfo(c, f);

	if (info && proc_field(info, "inotify wd:"))
		plugin_refuse(c, f, "inotify watches can't be restored");
}

static int inotify_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_call1(__NR_inotify_init1, O_CLOEXEC);

	return fd < 0 ? plugin_fail(c, f, fd, "inotify_init1") : fd;
}

const struct plugin plugin_inotify = {
	.name = "inotify",
	.match = inotify_match,
	.save = inotify_save,
	.restore = inotify_restore,
};
