/*
 * Files that the program has opened to change them, and closed again (written.h), and of which --files says that they
 * are to be saved or cut back: each becomes an open file of its own for the time of the pause, that no number leads to,
 * and goes the way of all others: plugin "regular" saves it, and puts it back at the restart.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "descriptors.h"
#include "written.h"
#include "frozen.h"

/* Of the processes that share the notes one is enough, and any. An older coordinator gives no nonce: then all do it. */
static bool notes_claim(struct plugin_ctx *c)
{
	uint32_t nonce = c->shared->head->nonce;

	return written && (!nonce || __atomic_exchange_n(&written->claimed, nonce, __ATOMIC_RELAXED) != nonce);
}

/* What looks like a file, and is a switch of the kernel's. */
static bool is_kernels(int fd)
{
	static const uint32_t kernels[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
	};
	struct statfs fs;

	if (sys_call2(__NR_fstatfs, fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		if ((uint32_t)fs.f_type == kernels[i])
			return true;
	return false;
}

/* Has this process it open anyway? To close another descriptor of it would release its locks (fcntl(2)). */
static bool is_open(const struct plugin_ctx *c, const struct stat *st)
{
	for (const struct plugin_file *f = c->files; f; f = f->next)
		if (f->ino == st->st_ino && f->dev == st->st_dev)
			return true;
	return false;
}

/* What is at the path now is what counts: a file that was replaced is the program's, too. */
static void closed_add(struct plugin_ctx *c, struct written_file *w)
{
	struct stat st = {0};
	int fd;

	w->moved = false;
	if (!written_is_named(w->path))
		return;
	if (sys_call4(__NR_newfstatat, AT_FDCWD, w->path, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT)
		w->state = WRITTEN_FREE;
	if (!S_ISREG(st.st_mode) || is_open(c, &st))
		return;
	fd = sys_open(w->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd >= 0 && !is_kernels(fd))
		descriptors_add_closed(c, fd);
	else if (fd >= 0)
		sys_close(fd);
}

void closed_list(struct plugin_ctx *c)
{
	if (!notes_claim(c))
		return;
	for (int i = 0; i < WRITTEN_SETS; i++)
		for (int k = 0; k < WRITTEN_WAYS; k++)
			if (written->file[i][k].state == WRITTEN_NOTED)
				closed_add(c, &written->file[i][k]);
}
