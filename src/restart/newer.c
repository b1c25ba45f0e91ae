/*
 * --verbose: files that have come, or changed, after the checkpoint, and that stay as they are because the job did not
 * have them open. A program that goes back in time may not expect them.
 *
 * Looked for where the job writes: in its working directories and those of the files that it has open for writing,
 * not below; only what belongs to the user. Images are none of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "restart.h"

enum { LINES_MAX = 200 };

struct paths {
	char **list;
	size_t n;
};

struct newer {
	const struct restart *r;
	struct paths directories, open; /* sorted */
	size_t found;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool paths_have(const struct paths *p, const char *path)
{
	return p->n && bsearch(&path, p->list, p->n, sizeof(*p->list), by_name);
}

static void paths_add(struct paths *p, const char *path)
{
	p->list = realloc(p->list, (p->n + 1) * sizeof(*p->list));
	if (!p->list || !(p->list[p->n] = strdup(path)))
		die("out of memory");
	p->n++;
}

static void paths_sort(struct paths *p)
{
	if (p->n)
		qsort(p->list, p->n, sizeof(*p->list), by_name);
}

static void paths_free(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i]);
	free(p->list);
}

static void file_add(struct newer *w, const struct rec *rec)
{
	char dir[CKPT_PATH_MAX], *slash;
	struct rec_file f;
	const char *path;
	size_t len;

	rec_get(rec, &f, sizeof(f));
	path = path_now(w->r->opt.moves, rec_extra(rec, sizeof(f), &len));
	if (!S_ISREG(f.mode) || path[0] != '/' || !str_copy(dir, path, sizeof(dir)))
		return;
	paths_add(&w->open, path);
	slash = strrchr(dir, '/');
	slash[slash == dir] = 0;
	if ((f.flags & O_ACCMODE) != O_RDONLY)
		paths_add(&w->directories, dir);
}

static void process_add(struct newer *w, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;

	paths_add(&w->directories, path_now(w->r->opt.moves, state_string(p, STRING_CWD, NULL)));
	while ((rec = rec_next_type(&it, REC_FILE)))
		file_add(w, rec);
}

static bool is_after(const struct restart *r, const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec > (int64_t)r->image.header.created_ns;
}

static void entry_look(struct newer *w, const char *dir, int at, const char *name)
{
	char path[CKPT_PATH_MAX];
	struct text t = TEXT(path);
	struct statx st;
	bool born;

	if (strstr(name, ".ckpt") || statx(at, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st))
		return;
	born = st.stx_mask & STATX_BTIME && is_after(w->r, &st.stx_btime);
	if (st.stx_uid != geteuid() || (!born && (S_ISDIR(st.stx_mode) || !is_after(w->r, &st.stx_mtime))))
		return;
	text_put(&t, "%s/%s", str_eq(dir, "/") ? "" : dir, name);
	if (paths_have(&w->open, path) || ++w->found > LINES_MAX)
		return;
	warn("%s %s since the checkpoint, and stays as it is", path, born ? "is new" : "has changed");
}

static void directory_look(struct newer *w, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			entry_look(w, dir, dirfd(d), e->d_name);
	if (d)
		closedir(d);
}

void newer_tell(const struct restart *r)
{
	struct newer w = {.r = r};

	for (uint32_t i = 0; i < r->nprocesses; i++)
		process_add(&w, &r->processes[i]);
	paths_sort(&w.directories);
	paths_sort(&w.open);
	for (size_t i = 0; i < w.directories.n; i++)
		if (!i || !str_eq(w.directories.list[i], w.directories.list[i - 1]))
			directory_look(&w, w.directories.list[i]);
	if (w.found > LINES_MAX)
		warn("and %zu more that are new or have changed", w.found - LINES_MAX);
	paths_free(&w.directories);
	paths_free(&w.open);
}
