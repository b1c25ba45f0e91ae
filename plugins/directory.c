/*
 * Directories: opened again by path, at the same position. A deleted one is made anew beside where
 * it was, and deleted.
 */
#include <ckpt/plugin.h>
#include "lock.h"

#define DELETED " (deleted)"

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

static bool directory_deleted(const struct plugin_file *f)
{
	return !f->nlink && str_ends(f->link, DELETED);
}

/* The path without " (deleted)", or without its last name too; NULL: no memory. */
static char *deleted_path(struct plugin_ctx *c, const struct plugin_file *f, bool parent)
{
	size_t n = str_len(f->link) - (sizeof(DELETED) - 1);
	char *path = plugin_alloc(c, n + 2);

	while (parent && n && f->link[n - 1] != '/')
		n--;
	if (!path)
		return NULL;
	__builtin_memcpy(path, f->link, n);
	return path;
}

/* A new directory below dir, deleted at once. */
static int deleted_below(const char *dir, int flags)
{
	static const char name[] = ".ckpt-deleted";
	int at = sys_open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int fd;

	if (at < 0)
		return at;
	fd = sys_call3(__NR_mkdirat, at, name, 0700);
	if (!fd || fd == -EEXIST)
		fd = sys_openat(at, name, flags, 0);
	sys_call3(__NR_unlinkat, at, name, AT_REMOVEDIR);
	sys_close(at);
	return fd;
}

/* Where it was, if that can be; else below its parent, or anywhere. */
static int deleted_restore(struct plugin_ctx *c, const struct plugin_file *f, int flags)
{
	const char *path = deleted_path(c, f, false), *parent = deleted_path(c, f, true);
	int fd;

	if (!path || !parent)
		return -ENOMEM;
	if (sys_call2(__NR_mkdir, path, 0700) == 0) {
		fd = sys_open(path, flags, 0);
		sys_call1(__NR_rmdir, path);
		return fd;
	}
	fd = deleted_below(parent, flags);
	return fd < 0 ? deleted_below("/tmp", flags) : fd;
}

static int directory_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int flags = plugin_open_flags(f->flags) | O_DIRECTORY | O_CLOEXEC;
	int fd = directory_deleted(f) ? deleted_restore(c, f, flags) : sys_open(f->link, flags, 0);
	int err;

	if (fd == -ENOENT)
		return plugin_fail(c, f, 0, "is gone, and the program had it open");
	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened again");
	f->fd = fd;
	err = locks_restore(c, f);
	return err ? err : fd;
}

static int directory_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	off_t pos = f->pos && !directory_deleted(f) ? sys_lseek(f->fd, f->pos, SEEK_SET) : 0;

	return pos < 0 ? plugin_fail(c, f, pos, "its position can't be set") : 0;
}

const struct plugin plugin_directory = {
	.name = "directory",
	.match = directory_match,
	.save = directory_save,
	.restore = directory_restore,
	.fill = directory_fill,
};
