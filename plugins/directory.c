/*
 * Directories: opened again by path, at the same position. A deleted one is made anew beside where it
 * was, and deleted.
 */
#include <ckpt/plugin.h>
#include "lock.h"

static bool directory_match(const struct plugin_file *f)
{
	return S_ISDIR(f->mode) && f->link[0] == '/';
}

static void directory_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct stat st;
	bool found = sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, 0) == 0 &&
		     st.st_ino == f->ino && st.st_dev == f->dev;

	if (!found && f->nlink)
		plugin_refuse(c, f, "its path leads to another file");
	locks_save(c, f);
}

static int directory_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open(f->link, plugin_open_flags(f->flags) | O_DIRECTORY | O_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened again");
	f->fd = fd;
	err = locks_restore(c, f);
	return err ? err : fd;
}

static int directory_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	off_t pos = f->pos ? sys_lseek(f->fd, f->pos, SEEK_SET) : 0;

	return pos < 0 ? plugin_fail(c, f, pos, "its position can't be set") : 0;
}

const struct plugin plugin_directory = {
	.name = "directory",
	.match = directory_match,
	.save = directory_save,
	.restore = directory_restore,
	.fill = directory_fill,
};
