/* O_PATH: a place in the file system, whatever is there. */
#include <ckpt/plugin.h>

static bool path_match(const struct plugin_file *f)
{
	return f->flags & O_PATH && f->link[0] == '/';
}

static void path_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct stat st;
	long err = sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, AT_SYMLINK_NOFOLLOW);

	if (err || st.st_ino != f->ino || st.st_dev != f->dev)
		plugin_refuse(c, f, "its path no longer leads to it");
}

static int path_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open(f->link, plugin_open_flags(f->flags) | O_NOFOLLOW | O_CLOEXEC, 0);

	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

const struct plugin plugin_path = {
	.name = "path",
	.match = path_match,
	.save = path_save,
	.restore = path_restore,
};
