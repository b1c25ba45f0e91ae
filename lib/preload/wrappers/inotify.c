/*
 * The paths of inotify watches. The kernel tells device and inode of a watch (fdinfo), and a file
 * handle that only root may open; there is no way from these to a path. So each path is noted when
 * the watch is added.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include "inotify.h"
#include "wrap.h"

static void watch_set(struct watch *w, int wd)
{
	__atomic_store_n(&w->wd, wd, __ATOMIC_RELEASE);
}

static struct watch *watch_reuse(size_t len)
{
	int expected;

	for (struct watch *w = watch_first(); w; w = w->next) {
		expected = WATCH_FREE;
		if (w->cap > len &&
		    __atomic_compare_exchange_n(&w->wd, &expected, WATCH_TAKEN, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return w;
	}
	return NULL;
}

static struct watch *watch_new(size_t len)
{
	struct watch *w = malloc(sizeof(*w) + len + 1);

	if (!w)
		return NULL;
	*w = (struct watch){.next = watch_first(), .wd = WATCH_TAKEN, .cap = len + 1};
	while (!__atomic_compare_exchange_n(&watch_list, &w->next, w, true, __ATOMIC_RELEASE,
					    __ATOMIC_ACQUIRE))
		;
	return w;
}

/* The absolute path; NULL when there is none, and then the watch won't be added either. */
static char *path_resolve(const char *path, bool follow, char *buf)
{
	char *slash;
	char dir[CKPT_PATH_MAX];

	if (follow)
		return realpath(path, buf);
	if (!str_copy(dir, path, sizeof(dir)))
		return NULL;
	slash = strrchr(dir, '/');
	if (!slash) {
		if (!realpath(".", buf))
			return NULL;
		slash = dir - 1;
	} else {
		*slash = 0;
		if (!realpath(slash == dir ? "/" : dir, buf))
			return NULL;
	}
	if (strlen(buf) + strlen(slash + 1) + 2 > CKPT_PATH_MAX)
		return NULL;
	strcat(buf, "/");
	return strcat(buf, slash + 1);
}

/* An entry for a watch that is about to be added; NULL when there can't be one. */
static struct watch *watch_prepare(int fd, const char *path, uint32_t mask)
{
	char buf[CKPT_PATH_MAX];
	struct watch *w;

	if (!path_resolve(path, !(mask & IN_DONT_FOLLOW), buf))
		return NULL;
	w = watch_reuse(strlen(buf));
	if (!w)
		w = watch_new(strlen(buf));
	if (!w)
		return NULL;
	w->fd = fd;
	strcpy(w->path, buf);
	watch_set(w, WATCH_PENDING);
	return w;
}

/* Free all entries of a watch but one. */
static void watch_forget(int fd, int wd, const struct watch *except)
{
	for (struct watch *w = watch_first(); w; w = w->next)
		if (w != except && w->fd == fd && watch_wd(w) == wd)
			watch_set(w, WATCH_FREE);
}

WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask))
{
	int err = errno;
	struct watch *w = preload.active ? watch_prepare(fd, path, mask) : NULL;
	int wd;

	errno = err;
	wd = REAL(inotify_add_watch)(fd, path, mask);
	if (!w)
		return wd;
	watch_set(w, wd > 0 ? wd : WATCH_FREE);
	if (wd > 0)
		watch_forget(fd, wd, w);
	return wd;
}

WRAP(int, inotify_rm_watch, (int fd, int wd))
{
	int r = REAL(inotify_rm_watch)(fd, wd);

	if (r == 0)
		watch_forget(fd, wd, NULL);
	return r;
}
