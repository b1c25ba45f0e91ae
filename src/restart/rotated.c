/*
 * Logs that were rotated since the checkpoint: renamed by the program, or by logrotate(8), to LOG.1 or the like, while older
 * ones went from LOG.1 to LOG.2. The log gets its name back and the older ones their numbers; what came in between is
 * set aside.
 */
#define _GNU_SOURCE
#include <ckpt/plugin.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "protocol.h"

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool is_inode(const char *path, const struct plugin_file *f)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_ino == f->ino && st.st_dev == f->dev &&
	       (uint64_t)st.st_size >= f->size;
}

/* LOG.N in buf of CKPT_PATH_MAX bytes; N 0: LOG. */
static const char *numbered(const struct plugin_file *f, unsigned long n, char *buf)
{
	snprintf(buf, CKPT_PATH_MAX, n ? "%s.%lu" : "%s", f->link, n);
	return buf;
}

const char *plugin_renamed(struct plugin_ctx *c, const struct plugin_file *f)
{
	const char *name = strrchr(f->link, '/') + 1;
	size_t len = name - f->link, n = strlen(name);
	char *path = plugin_alloc(c, CKPT_PATH_MAX), *found = NULL;
	struct dirent *e;
	DIR *d;

	if (!path || is_inode(f->link, f))
		return NULL;
	snprintf(path, CKPT_PATH_MAX, "%.*s", (int)len, f->link);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		if (strncmp(e->d_name, name, n) || !e->d_name[n])
			continue;
		snprintf(path + len, CKPT_PATH_MAX - len, "%s", e->d_name);
		found = is_inode(path, f) ? path : NULL;
	}
	if (d)
		closedir(d);
	return found;
}

/* The number of LOG.N, 0 for another name. */
static unsigned long number_of(const struct plugin_file *f, const char *path)
{
	const char *digits = path + strlen(f->link) + 1;

	return strlen(path) > strlen(f->link) + 1 && digits[strspn(digits, "0123456789")] == 0
		       ? strtoul(digits, NULL, 10)
		       : 0;
}

/* What came after the checkpoint: LOG, and LOG.1 up to the one before the number. */
static int later_set_aside(struct plugin_ctx *c, const struct plugin_file *f, unsigned long number)
{
	char path[CKPT_PATH_MAX];
	unsigned long i = 0;
	int err = 0;

	do
		if (is_there(numbered(f, i, path)))
			err = plugin_set_aside(c, f, path);
	while (!err && ++i < number);
	return err;
}

int plugin_rename_back(struct plugin_ctx *c, const struct plugin_file *f, const char *path)
{
	unsigned long number = number_of(f, path);
	char from[CKPT_PATH_MAX], to[CKPT_PATH_MAX];
	int err;

	if (is_inode(f->link, f)) /* another open file of it has been here */
		return 0;
	err = later_set_aside(c, f, number);
	if (!err && rename(path, f->link))
		err = -errno;
	for (unsigned long i = number + 1; number && !err && is_there(numbered(f, i, from)); i++)
		err = rename(from, numbered(f, i - number, to)) ? -errno : 0;
	if (!err)
		plugin_note(c, f, "was renamed to %s; it has its name again", path);
	return err;
}
