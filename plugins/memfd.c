/*
 * memfd_create(2): name, content, seals. Open files of one memfd, and areas that map it, share it.
 */
#include <ckpt/plugin.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include "lock.h"

#define MEMFD_PREFIX "/memfd:"
#define DELETED	     " (deleted)"

static bool memfd_match(const struct plugin_file *f)
{
	return S_ISREG(f->mode) && str_starts(f->link, MEMFD_PREFIX) && str_ends(f->link, DELETED);
}

static void memfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	size_t n = str_len(f->link) - (sizeof(DELETED) - 1) - (sizeof(MEMFD_PREFIX) - 1);
	char *name = plugin_alloc(c, n + 1);
	struct statfs fs;
	int err = sys_call2(__NR_fstatfs, f->fd, &fs);

	if (err || fs.f_type == HUGETLBFS_MAGIC) {
		plugin_refuse(c, f, "huge page memory can't be restored");
		return;
	}
	if (!name)
		return;
	__builtin_memcpy(name, f->link + sizeof(MEMFD_PREFIX) - 1, n);
	err = plugin_save_object(c, f, PLUGIN_OBJECT_MEMFD, name, !locks_save(c, f));
	if (err)
		plugin_refuse(c, f, "its content can't be read");
}

static int memfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int object = plugin_object_fd(c, f, f->object);
	int fd = object < 0 ? object : plugin_open_again(object, f->flags);
	int err;

	if (fd < 0)
		return object < 0 ? object : plugin_fail(c, f, fd, "can't be opened again");
	f->fd = fd;
	err = locks_restore(c, f);
	return err ? err : fd;
}

static int memfd_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	off_t pos = sys_lseek(f->fd, f->pos, SEEK_SET);

	return pos < 0 ? plugin_fail(c, f, pos, "its position can't be set") : 0;
}

const struct plugin plugin_memfd = {
	.name = "memfd",
	.match = memfd_match,
	.save = memfd_save,
	.share = locks_share,
	.restore = memfd_restore,
	.fill = memfd_fill,
};
