/*
 * Regular files: opened again by path, at the same position. What the program does to them after
 * the checkpoint is undone, so that a restarted program finds what it had:
 *
 *   read only	the file must be what it was (size and time)
 *   sequential	position at the end, or O_APPEND, as a log is: cut back to the size it had
 *   in place	position before the end (HDF5, SQLite): its content is in the image and put back
 *   unsaved	in place, but too large to be copied in the pause: left as it is
 *   deleted	no name leads to it: content in the image, made anew without a name
 *
 * A file that is gone, or another one under the same name, is an error unless the user said
 * --files=force. The same inode, or the same size and time (a copy), is the same file.
 */
#include <ckpt/plugin.h>
#include "lock.h"
#include <unistd.h>

enum { IN_PLACE_MAX = 64 << 20 };

enum policy { FILE_READ_ONLY, FILE_SEQUENTIAL, FILE_IN_PLACE, FILE_UNSAVED, FILE_DELETED };

/* Stands among the records of locks. */
struct regular_state {
	uint32_t magic;
	uint32_t policy;
};
enum { REGULAR_MAGIC = 0x47455246 };

static bool regular_match(const struct plugin_file *f)
{
	return S_ISREG(f->mode) && f->link[0] == '/';
}

/* Does the path of the link lead to this inode? */
static bool path_leads_here(const struct plugin_file *f)
{
	struct stat st;

	return sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, 0) == 0 && st.st_ino == f->ino &&
	       st.st_dev == f->dev;
}

/* NFS keeps a deleted file as .nfs… until it is closed. */
static bool is_nfs_remnant(const struct plugin_file *f)
{
	const char *p, *name = f->link;

	for (p = f->link; *p; p++)
		if (*p == '/')
			name = p + 1;
	return str_starts(name, ".nfs");
}

static bool is_deleted(const struct plugin_file *f)
{
	return (str_ends(f->link, " (deleted)") && !path_leads_here(f)) || is_nfs_remnant(f);
}

/* Is the inode open for writing through any open file? */
static bool inode_written(const struct plugin_file *f)
{
	const struct plugin_file *p = f;

	do {
		if (plugin_writes(p))
			return true;
		p = p->twin;
	} while (p != f);
	return false;
}

static enum policy deleted_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	int err = plugin_save_object(c, f, PLUGIN_OBJECT_DELETED, f->link, !locked);

	if (err)
		plugin_refuse(c, f, "it is deleted and its content can't be read");
	else if (f->nlink)
		plugin_warn(c, f, "comes back as a file of its own: its other names are not known");
	return FILE_DELETED;
}

/*
 * Output to a file without a name is read by who started the program: a standard stream from
 * outside. Input (a here-document) is content.
 */
static bool is_output_stream(const struct plugin_file *f)
{
	return plugin_writes(f) && (f->number == 1 || f->number == 2);
}

static enum policy in_place_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	if (f->size > IN_PLACE_MAX) {
		plugin_warn(c, f,
			    "written in place and larger than 64 MiB: its content is not saved");
		return FILE_UNSAVED;
	}
	if (plugin_save_object(c, f, PLUGIN_OBJECT_IN_PLACE, f->link, !locked)) {
		plugin_warn(c, f, "written in place, but can't be read: its content is not saved");
		return FILE_UNSAVED;
	}
	return FILE_IN_PLACE;
}

static enum policy named_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	if (!path_leads_here(f))
		plugin_refuse(c, f, "its path leads to another file");
	if (!plugin_writes(f))
		return FILE_READ_ONLY;
	if (f->flags & O_APPEND || (uint64_t)f->pos >= f->size)
		return FILE_SEQUENTIAL;
	return in_place_save(c, f, locked);
}

/* The shell, or whoever started the program, could open what the program itself can't by its path.
 */
static bool can_be_opened(const struct plugin_file *f)
{
	int mode = (plugin_reads(f) ? R_OK : 0) | (plugin_writes(f) ? W_OK : 0);

	return path_leads_here(f) &&
	       sys_call4(__NR_faccessat2, AT_FDCWD, f->link, mode, AT_EACCESS) != -EACCES;
}

static void regular_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st = {.magic = REGULAR_MAGIC};
	bool locked;

	if (is_deleted(f) ? is_output_stream(f) : !can_be_opened(f) && plugin_std_numbers(c, f)) {
		plugin_outside(c, f, "it can't be opened again");
		return;
	}
	locked = locks_save(c, f);
	st.policy = is_deleted(f) ? deleted_save(c, f, locked) : named_save(c, f, locked);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

/* ---- Restart ----------------------------------------------------------------------------- */

static bool state_get(struct plugin_ctx *c, const struct plugin_file *f, struct regular_state *st)
{
	unsigned int i;
	size_t n;

	for (i = 0; plugin_get(c, f, i, st, sizeof(*st), &n); i++)
		if (st->magic == REGULAR_MAGIC)
			return true;
	return false;
}

/* Another open file of the inode has been restored, and made this file anew for it. */
static bool made_by_twin(const struct plugin_file *f, const struct stat *now)
{
	const struct plugin_file *p;
	struct stat st;

	for (p = f->twin; p != f; p = p->twin)
		if (p->fd >= 0 && sys_call2(__NR_fstat, p->fd, &st) == 0 &&
		    st.st_dev == now->st_dev && st.st_ino == now->st_ino)
			return true;
	return false;
}

/* Is the file at the path what it was, as far as the policy asks? */
static int file_check(struct plugin_ctx *c, const struct plugin_file *f, int fd, enum policy policy)
{
	struct stat st;
	int err = sys_call2(__NR_fstat, fd, &st);
	int64_t mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	bool same = (uint64_t)st.st_size == f->size && mtime_ns == f->mtime_ns;

	if (err || !S_ISREG(st.st_mode))
		return plugin_fail(c, f, err, "is no regular file now");
	if (same)
		return 0;
	if (st.st_ino != f->ino && !made_by_twin(f, &st))
		return plugin_changed(c, f, "is another file now");
	if (policy == FILE_READ_ONLY && !inode_written(f))
		return plugin_changed(c, f, "has changed since the checkpoint");
	if (policy == FILE_SEQUENTIAL && (uint64_t)st.st_size < f->size)
		return plugin_changed(c, f, "has %lu bytes, it had %lu at the checkpoint",
				      (unsigned long)st.st_size, (unsigned long)f->size);
	if (policy == FILE_UNSAVED)
		plugin_caution(c, f,
			       "has changed since the checkpoint and its content was not saved");
	return 0;
}

/* Its mode may forbid what it did not when the file was made: for the owner it can be changed. */
static int open_despite_mode(const struct plugin_file *f, int flags)
{
	struct stat st;
	int fd = sys_open(f->link, flags, 0);

	if (fd != -EACCES || sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, 0))
		return fd;
	if (sys_call2(__NR_chmod, f->link, (st.st_mode & 07777) | 0600))
		return fd;
	fd = sys_open(f->link, flags, 0);
	sys_call2(__NR_chmod, f->link, st.st_mode & 07777);
	return fd;
}

/* Shared memory does not outlive a reboot: content that is in the image is put into a new file. */
static bool may_be_made(const struct plugin_file *f, enum policy policy)
{
	return policy == FILE_IN_PLACE && str_starts(f->link, "/dev/shm/");
}

static int named_restore(struct plugin_ctx *c, struct plugin_file *f, enum policy policy)
{
	int flags = plugin_open_flags(f->flags) | O_CLOEXEC;
	int fd = open_despite_mode(f, flags);
	int err;

	if (fd == -ENOENT && may_be_made(f, policy)) {
		fd = sys_open(f->link, flags | O_CREAT | O_EXCL, f->mode & 07777);
		if (fd >= 0)
			return fd;
	}
	if (fd == -ENOENT)
		return plugin_fail(c, f, 0, "is gone, and the program had it open");
	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened again");
	err = file_check(c, f, fd, policy);
	if (err < 0) {
		sys_close(fd);
		return err;
	}
	return fd;
}

static int deleted_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int object = plugin_object_fd(c, f, f->object);
	int fd = object < 0 ? object : plugin_open_again(object, f->flags);

	return object >= 0 && fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

static int regular_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st;
	int fd, err;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = st.policy == FILE_DELETED ? deleted_restore(c, f) : named_restore(c, f, st.policy);
	if (fd < 0)
		return fd;
	f->fd = fd;
	err = locks_restore(c, f);
	return err ? err : fd;
}

/* Cut a log back, or put the saved content in its place. */
static int content_restore(struct plugin_ctx *c, struct plugin_file *f, enum policy policy)
{
	struct stat st;
	int err = sys_call2(__NR_fstat, f->fd, &st);

	if (policy == FILE_IN_PLACE) {
		err = plugin_object_fd(c, f, f->object);
		return err < 0 ? err : 0;
	}
	if (err || policy != FILE_SEQUENTIAL || (uint64_t)st.st_size <= f->size)
		return 0;
	err = sys_call2(__NR_ftruncate, f->fd, f->size);
	return err ? plugin_fail(c, f, err, "can't be cut back to %lu bytes",
				 (unsigned long)f->size)
		   : 0;
}

static int regular_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st;
	off_t pos;
	int err;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	err = content_restore(c, f, st.policy);
	if (err)
		return err;
	pos = sys_lseek(f->fd, f->pos, SEEK_SET);
	return pos < 0 ? plugin_fail(c, f, pos, "its position can't be set") : 0;
}

const struct plugin plugin_regular = {
	.name = "regular",
	.match = regular_match,
	.save = regular_save,
	.share = locks_share,
	.restore = regular_restore,
	.fill = regular_fill,
};
