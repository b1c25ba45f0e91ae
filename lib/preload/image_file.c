/*
 * The image as a file:
 *
 *	NAME-JOB.GGGGG.ckpt.part   being written; its writer holds a lock (flock) on it
 *	NAME-JOB.GGGGG.ckpt	   generation G, durable
 *	NAME-JOB.ckpt		   link to the newest generation
 *
 * fsync, rename, fsync of the directory: until the rename an older image is the newest one. A .part
 * file that nobody has locked is that of a writer that was killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include "image_file.h"
#include "frozen.h"

static const char suffix[] = ".ckpt", suffix_part[] = ".ckpt.part";

static int part_create(struct image_file *f)
{
	int fd = sys_open(f->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		sys_call2(__NR_flock, fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* Remove the .part file at path unless its writer is alive. */
static void part_remove(const char *path)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (sys_call2(__NR_flock, fd, LOCK_EX | LOCK_NB) == 0)
		sys_call1(__NR_unlink, path);
	sys_close(fd);
}

static void name_files(struct image_file *f, const struct msg_params *params)
{
	struct text part = TEXT(f->part);
	size_t slash = 0;

	f->params = params;
	text_put(&part, "%s.part", params->path);
	for (size_t i = 0; params->path[i]; i++)
		if (params->path[i] == '/')
			slash = i;
	str_copy(f->dir, params->path, slash + 1);
	if (!f->dir[0])
		str_copy(f->dir, "/", sizeof(f->dir));
}

int image_file_join(struct image_file *f, const struct msg_params *params)
{
	name_files(f, params);
	return sys_open(f->part, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
}

int image_file_open(struct image_file *f, const struct msg_params *params)
{
	int fd;

	name_files(f, params);
	fd = part_create(f);
	if (fd != -EEXIST)
		return fd;
	part_remove(f->part);
	return part_create(f);
}

static void sync_dir(struct image_file *f)
{
	int fd = sys_open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	sys_call1(__NR_fsync, fd);
	sys_close(fd);
}

/* Let the link name this generation: made beside it, then renamed over it. */
static void update_link(struct image_file *f)
{
	const struct msg_params *p = f->params;
	char link[CKPT_PATH_MAX + 256], tmp[CKPT_PATH_MAX + 264];
	struct text t = TEXT(link), u = TEXT(tmp);
	const char *base = p->path;

	if (!p->link[0])
		return;
	for (const char *q = p->path; *q; q++)
		if (*q == '/')
			base = q + 1;
	text_put(&t, "%s/%s", f->dir, p->link);
	text_put(&u, "%s/.%s.new", f->dir, p->link);
	sys_call1(__NR_unlink, tmp);
	if (sys_call2(__NR_symlink, base, tmp) == 0 && sys_call2(__NR_rename, tmp, link) < 0)
		sys_call1(__NR_unlink, tmp);
}

int image_file_commit(struct image_file *f, int fd, const char **what)
{
	const char *path = f->params->path;
	int r = sys_call1(__NR_fsync, fd);

	*what = "sync";
	if (r < 0)
		return r;
	*what = "rename";
	r = sys_call5(__NR_renameat2, AT_FDCWD, f->part, AT_FDCWD, path, RENAME_NOREPLACE);
	if (r == -EINVAL || r == -ENOSYS) /* NFS has no renameat2 flags */
		r = sys_call2(__NR_rename, f->part, path);
	if (r < 0)
		return r;
	sync_dir(f);
	update_link(f);
	return 0;
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
	char path[CKPT_PATH_MAX + 256];
	struct text t = TEXT(path);
	uint64_t g = name_generation(f, name, suffix);

	text_put(&t, "%s/%s", f->dir, name);
	if (g && p->keep && g + p->keep <= p->generation)
		sys_call1(__NR_unlink, path);
	g = name_generation(f, name, suffix_part);
	if (g && g < p->generation)
		part_remove(path);
}

void image_file_prune(struct image_file *f)
{
	char buf[4096];
	long n;
	int fd;

	if (!str_ends(f->params->link, suffix))
		return;
	fd = sys_open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	while ((n = sys_getdents(fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct sys_dirent *d = (const struct sys_dirent *)(buf + at);

			at += d->reclen;
			prune_name(f, d->name);
		}
	}
	sys_close(fd);
}
