/*
 * The image as a file:
 *
 *	NAME-JOB.GGGGG.ckpt.part   being written; its writer holds a lock (flock) on it
 *	NAME-JOB.GGGGG.ckpt	   generation G, durable
 *	NAME-JOB.ckpt		   link to the newest generation
 *
 * and beside each, when there is such, the directory with content of large files (contents.h):
 *
 *	NAME-JOB.GGGGG.ckpt.part.files, NAME-JOB.GGGGG.ckpt.files
 *
 * One that was given a name of its own (params->link is "") is no generation, and replaces what has that name.
 *
 * fsync, rename, fsync of the directory: until the rename an older image is the newest one. The directory
 * beside it gets its name first, so that no image is ever without. A .part file that nobody has locked is that
 * of a writer that was killed, and so is a directory of an older generation without an image. All is done in
 * the directory that was opened
 * first: when its path leads elsewhere at the end, there is no image, and nothing is left in the one or the other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "contents.h"
#include "fault.h"
#include "image_file.h"
#include "frozen.h"

static const char suffix[] = ".ckpt", suffix_part[] = ".ckpt.part", suffix_files[] = ".ckpt" CONTENTS_SUFFIX,
		  suffix_part_files[] = ".ckpt.part" CONTENTS_SUFFIX;

/* Names in the directory that was opened; a path may lead elsewhere meanwhile. */
static void unlink_in(const struct image_file *f, const char *name)
{
	sys_call3(__NR_unlinkat, f->dir, name, 0);
}

/* The coordinator may have removed it when it called the checkpoint off: the name may be that of the next. */
static bool part_is(const struct image_file *f, int fd)
{
	struct stat is, was;

	return sys_call4(__NR_newfstatat, f->dir, f->part_name, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sys_call2(__NR_fstat, fd, &was) == 0 && is.st_dev == was.st_dev && is.st_ino == was.st_ino;
}

/* Whoever has it locked looks at it, for a moment, and may remove it as one that nobody writes. */
static void part_lock(int fd)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < 1000 && sys_call2(__NR_flock, fd, LOCK_EX | LOCK_NB) == -EWOULDBLOCK; i++)
		sys_call2(__NR_nanosleep, &ms, NULL);
}

/*
 * Made, and ours once it is locked. Between the two somebody may take it for a dead writer's and remove it: one of a
 * coordinator that was killed has the same name when it is late.
 */
static int part_create(struct image_file *f)
{
	int fd;

	for (;;) {
		fd = sys_openat(f->dir, f->part_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return fd;
		part_lock(fd);
		if (part_is(f, fd))
			return fd;
		sys_close(fd);
	}
}

/* Remove the .part file unless its writer is alive. */
static void part_remove(const struct image_file *f, const char *name)
{
	int fd = sys_openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (sys_call2(__NR_flock, fd, LOCK_EX | LOCK_NB) == 0)
		unlink_in(f, name);
	sys_close(fd);
}

static int dir_open(struct image_file *f, const struct msg_params *params)
{
	struct text part = TEXT(f->part), part_files = TEXT(f->part_files), files = TEXT(f->files);
	size_t slash = 0;

	f->params = params;
	for (size_t i = 0; params->path[i]; i++)
		if (params->path[i] == '/')
			slash = i;
	f->name = params->path + slash + 1;
	text_put(&part, "%s.part", params->path);
	f->part_name = f->part + slash + 1;
	text_put(&part_files, "%s" CONTENTS_SUFFIX, f->part_name);
	text_put(&files, "%s" CONTENTS_SUFFIX, f->name);
	str_copy(f->dir_path, params->path, slash + 1);
	if (!f->dir_path[0])
		str_copy(f->dir_path, "/", sizeof(f->dir_path));
	return f->dir = sys_open(f->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

int image_file_join(struct image_file *f, const struct msg_params *params)
{
	int r = dir_open(f, params);

	return r < 0 ? r : sys_openat(f->dir, f->part_name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
}

int image_file_open(struct image_file *f, const struct msg_params *params)
{
	int fd = dir_open(f, params);

	if (fd >= 0) {
		int r = fault(FAULT_WRITER_OPEN);

		fd = r < 0 ? r : part_create(f);
	}
	if (fd != -EEXIST)
		return fd;
	part_remove(f, f->part_name);
	return part_create(f);
}

/* Does its path still lead to the directory that the image is in? */
static int dir_check(const struct image_file *f)
{
	struct stat is, was;
	int r = sys_call4(__NR_newfstatat, AT_FDCWD, f->dir_path, &is, 0);

	if (r == 0)
		r = sys_call2(__NR_fstat, f->dir, &was);
	if (r == 0 && (is.st_dev != was.st_dev || is.st_ino != was.st_ino))
		r = -ESTALE;
	return r;
}

/* Some file systems have nothing to sync there. */
static int dir_sync(int fd)
{
	int r = fault(FAULT_WRITER_SYNC_DIR);

	if (r == 0)
		r = sys_call1(__NR_fsync, fd);
	return r == -EINVAL ? 0 : r;
}

static bool exists(const struct image_file *f, const char *name)
{
	return sys_call4(__NR_faccessat2, f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int files_sync(const struct image_file *f)
{
	int fd = sys_openat(f->dir, f->part_files, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0), r;

	if (fd < 0)
		return fd;
	r = dir_sync(fd);
	sys_close(fd);
	return r;
}

/* One that has the name already, without an image, is of a writer that was killed between the renames. */
static int files_rename(const struct image_file *f)
{
	int r = exists(f, f->name) ? -EEXIST : fault(FAULT_WRITER_RENAME_FILES);

	if (r == 0)
		r = files_sync(f);
	if (r < 0)
		return r;
	contents_remove(f->dir, f->files);
	r = sys_call4(__NR_renameat, f->dir, f->part_files, f->dir, f->files);
	return r < 0 ? r : dir_sync(f->dir);
}

/* Let the link name this generation: made beside it, then renamed over it. */
static void update_link(struct image_file *f)
{
	const struct msg_params *p = f->params;
	char tmp[sizeof(p->link) + 8];
	struct text t = TEXT(tmp);

	if (!p->link[0])
		return;
	text_put(&t, ".%s.new", p->link);
	unlink_in(f, tmp);
	if (sys_call3(__NR_symlinkat, f->name, f->dir, tmp) == 0 &&
	    sys_call4(__NR_renameat, f->dir, tmp, f->dir, p->link) < 0)
		unlink_in(f, tmp);
}

static int part_rename(const struct image_file *f)
{
	int flags = f->params->link[0] ? RENAME_NOREPLACE : 0;
	int r = sys_call5(__NR_renameat2, f->dir, f->part_name, f->dir, f->name, flags);

	if (r == -EINVAL || r == -ENOSYS) /* NFS has no renameat2 flags */
		r = sys_call4(__NR_renameat, f->dir, f->part_name, f->dir, f->name);
	return r;
}

int image_file_commit(struct image_file *f, int fd, bool has_files, const char **what)
{
	int r = fault(FAULT_WRITER_SYNC);

	*what = "sync";
	if (r == 0)
		r = sys_call1(__NR_fsync, fd);
	if (r < 0)
		return r;
	*what = "rename";
	r = dir_check(f);
	if (r == 0 && !part_is(f, fd))
		r = -ESTALE;
	if (r == 0 && has_files)
		r = files_rename(f);
	if (r == 0)
		r = fault(FAULT_WRITER_RENAME);
	if (r == 0)
		r = part_rename(f);
	if (r < 0)
		return r;
	*what = "sync the directory of";
	r = dir_sync(f->dir);
	if (r < 0) { /* maybe it would not be there after a crash: it never was */
		unlink_in(f, f->name);
		if (has_files)
			contents_remove(f->dir, f->files);
		return r;
	}
	fault(FAULT_WRITER_LINK);
	update_link(f);
	return 0;
}

void image_file_remove(struct image_file *f, int fd)
{
	if (!part_is(f, fd))
		return;
	unlink_in(f, f->part_name);
	contents_remove(f->dir, f->part_files);
	if (!exists(f, f->name))
		contents_remove(f->dir, f->files);
}

void image_file_close(struct image_file *f)
{
	if (f->dir >= 0)
		sys_close(f->dir);
	f->dir = -1;
}

/* ---- other generations ---- */

/*
 * Generation number of a file of this job with that suffix, 0 for any other name. The link's name is the
 * image's without the generation.
 */
static uint64_t name_generation(const struct image_file *f, const char *name, const char *suffix_is)
{
	const char *link = f->params->link;
	size_t stem = str_len(link) - str_len(suffix);
	const char *p = name + stem + 1;
	uint64_t g;

	for (size_t i = 0; i < stem; i++)
		if (name[i] != link[i])
			return 0;
	if (name[stem] != '.')
		return 0;
	g = parse_dec(&p);
	return str_eq(p, suffix_is) ? g : 0;
}

static void prune_name(struct image_file *f, const char *name)
{
	const struct msg_params *p = f->params;
	uint64_t g = name_generation(f, name, suffix);

	if (g && p->keep && g + p->keep <= p->generation)
		unlink_in(f, name);
	g = name_generation(f, name, suffix_part);
	if (g && g < p->generation)
		part_remove(f, name);
}

/*
 * A directory beside an image, or a .part file, that is not there any more. One of a later generation is that of
 * a checkpoint which has just begun.
 */
static void prune_files_name(struct image_file *f, const char *name)
{
	uint64_t g = name_generation(f, name, suffix_files);
	char image[256];

	if (!g)
		g = name_generation(f, name, suffix_part_files);
	if (!g || g >= f->params->generation)
		return;
	str_copy(image, name, str_len(name) - (sizeof(CONTENTS_SUFFIX) - 1) + 1);
	if (!exists(f, image))
		contents_remove(f->dir, name);
}

static void each_name(struct image_file *f, void (*fn)(struct image_file *f, const char *name))
{
	char buf[4096];
	long n;

	sys_lseek(f->dir, 0, SEEK_SET);
	while ((n = sys_getdents(f->dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct sys_dirent *d = (const struct sys_dirent *)(buf + at);

			at += d->reclen;
			fn(f, d->name);
		}
	}
}

void image_file_prune(struct image_file *f)
{
	fault(FAULT_WRITER_PRUNE);
	if (!str_ends(f->params->link, suffix))
		return;
	each_name(f, prune_name);
	each_name(f, prune_files_name);
}
