/*
 * The directory for images of SLURM jobs. A job may go on at another node, at another time: what only this node has, or
 * what is gone when the job ends, is no place for them.
 */
#include "slurm.h"
#include "core.h"
#include "die.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { ASIDE_MAX = 10000 };

static const char *const private_places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run"};

static bool is_below(const char *path, const char *place)
{
	return parse_skip(&path, place) && (*path == '/' || !*path);
}

/* What keeps a directory, by its true name, from being a place for images; NULL: nothing. */
static const char *private_place(const char *path)
{
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(private_places); i++)
		if (is_below(path, private_places[i]))
			return private_places[i];
	if (statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		return "a tmpfs";
	if (statfs(path, &fs) == 0 && fs.f_type == RAMFS_MAGIC)
		return "a ramfs";
	return NULL;
}

static void place_check(const char *path)
{
	const char *local = getenv("CKPT_SLURM_LOCAL"), *place;

	if (local && !strcmp(local, "1"))
		return;
	place = private_place(path);
	if (place)
		die("directory for images %s: %s is private to a node or lost with it, and the job may go on elsewhere "
		    "(--ckptdir or CKPT_DIR name another; CKPT_SLURM_LOCAL=1 when all nodes share it, or there is only one)",
		    path, place);
}

/* A directory that the user names may be open to others; what is made in it is not. Nothing is made in a wrong place. */
static void base_make(const char *path)
{
	char *copy = strdup(path), *parent = copy ? realpath(dirname(copy), NULL) : NULL;

	if (access(path, F_OK) && parent)
		place_check(parent);
	if (mkdir(path, 0700) && errno != EEXIST)
		die("directory for images %s:", path);
	free(parent);
	free(copy);
}

void slurm_base_find(struct slurm *s)
{
	const char *given = getenv("CKPT_DIR"), *submit = getenv("SLURM_SUBMIT_DIR");
	char path[PATH_MAX];

	if (given && *given)
		str_copy(path, given, sizeof(path));
	else if (!submit || *submit != '/')
		die("SLURM_SUBMIT_DIR is not set: a directory for images has to be named (--ckptdir or CKPT_DIR)");
	else if (snprintf(path, sizeof(path), "%s/.ckpt", submit) >= (int)sizeof(path))
		die("%.200s…: path is too long", submit);
	base_make(path);
	if (!realpath(path, s->base))
		die("directory for images %s:", path);
	if (access(s->base, W_OK | X_OK))
		die("directory for images %s: not writable:", s->base);
	place_check(s->base);
}

void slurm_dir_make(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		die("cannot make directory %s:", path);
	if (lstat(path, &st))
		die("cannot look at %s:", path);
	if (!S_ISDIR(st.st_mode))
		die("%s is not a directory: images can't be kept there", path);
	if (st.st_uid != geteuid())
		die("%s belongs to user %u, not to us: images can't be kept there", path, st.st_uid);
	if (st.st_mode & 077 && chmod(path, 0700))
		die("cannot make %s private:", path);
}

void slurm_dir_aside(const char *path)
{
	char to[PATH_MAX];

	for (int i = 1; i <= ASIDE_MAX; i++) {
		if (snprintf(to, sizeof(to), "%s.old-%d", path, i) >= (int)sizeof(to))
			die("%.200s…: path is too long", path);
		if (renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
			warn("%s was left by another job with this number; it is %s now", path, strrchr(to, '/') + 1);
			return;
		}
		if (errno != EEXIST && errno != EINVAL)
			break;
		/* A file system that does not know the flag: what is there is seen, and the lock is held. */
		if (errno == EINVAL && access(to, F_OK) && rename(path, to) == 0)
			return;
	}
	die("cannot set %s aside, which another job with this number has left:", path);
}
