#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "generations.h"
#include "keys.h"

static char *copy(const char *s)
{
	char *c = strdup(s);

	if (!c)
		die("out of memory");
	return c;
}

/* A link to the newest has the same suffix: it is no image of its own. */
static int is_candidate(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && !strcmp(dot, ".ckpt") && e->d_type != DT_LNK && e->d_type != DT_DIR;
}

static void image_read(struct generation *g, const char *path, int fd, const struct image_keys *keys)
{
	struct report r = {.path = g->file, .beside.fd = -1};
	char buf[256] = "";
	struct text why = TEXT(buf);

	if (image_open_sealed(&r.image, fd, keys, &why) < 0) {
		g->problem = copy(buf);
		return;
	}
	if (report_job(&r, &why) < 0 || beside_open(&r.beside, &r.image, path, &why) < 0)
		g->problem = copy(buf);
	else
		g->beside = beside_bytes(&r.beside);
	beside_close(&r.beside);
	g->job = r.job;
	g->created_ns = r.image.header.created_ns;
	g->nprocesses = r.image.nprocesses;
	image_close(&r.image);
}

static void generation_read(struct generation *g, const char *directory, int dir, const struct image_keys *keys)
{
	char path[PATH_MAX];
	struct text t = TEXT(path);
	int fd = openat(dir, g->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		g->problem = strerror(errno);
	} else {
		g->bytes = st.st_size;
		text_put(&t, "%s/%s", directory, g->file);
		image_read(g, path, fd, keys);
	}
	if (fd >= 0)
		close(fd);
}

static int order(const void *x, const void *y)
{
	const struct generation *a = x, *b = y;
	int jobs = strcmp(a->job.job, b->job.job);

	if (!a->problem != !b->problem)
		return a->problem ? 1 : -1;
	if (a->problem)
		return strcmp(a->file, b->file);
	if (jobs)
		return jobs;
	return a->job.generation < b->job.generation ? -1 : a->job.generation > b->job.generation;
}

struct generation *generations_read(const char *directory, const char *key, size_t *n)
{
	struct image_keys keys = keys_of(key);
	struct dirent **names;
	int count = scandir(directory, &names, is_candidate, NULL), dir;
	struct generation *all;

	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (count < 0 || dir < 0)
		die("cannot read %s:", directory);
	all = calloc(count ? count : 1, sizeof(*all));
	if (!all)
		die("out of memory");
	for (int i = 0; i < count; i++) {
		all[i].file = copy(names[i]->d_name);
		generation_read(&all[i], directory, dir, &keys);
		free(names[i]);
	}
	free(names);
	close(dir);
	if (count)
		qsort(all, count, sizeof(*all), order);
	*n = count;
	return all;
}
