/*
 * A restarted program whose directories are elsewhere now (ckpt_restart --map-path): what libckpt itself knows by path.
 * What whoever reads the environment is told, the coordinator and programs that are executed, is environment.c's.
 *
 * All processes are still in the restart, so nobody looks at what changes here.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "marks.h"
#include "moves.h"
#include "preload.h"
#include "written.h"
#include "wrappers/inotify.h"
#include "frozen.h"

static void *memory_get(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

static void path_move(char *path, size_t n)
{
	char now[CKPT_PATH_MAX];

	if (moves_apply(restart_control.moves, path, now, sizeof(now)))
		str_copy(path, now, n);
}

/* ---- inotify ---- */

/* An entry that has no room for the path gives way to another one. */
static void watch_move(struct watch *w, const char *path)
{
	size_t cap = str_len(path) + 1;
	struct watch *new;

	if (w->cap >= cap) {
		str_copy(w->path, path, w->cap);
		return;
	}
	new = memory_get(sizeof(*new) + cap);
	if (!new)
		return;
	*new = (struct watch){.next = watch_list, .fd = w->fd, .wd = w->wd, .cap = cap};
	str_copy(new->path, path, cap);
	watch_list = new;
	w->wd = WATCH_FREE;
}

static void watches_move(void)
{
	char now[CKPT_PATH_MAX];

	for (struct watch *w = watch_first(); w; w = w->next)
		if (w->wd != WATCH_FREE && moves_apply(restart_control.moves, w->path, now, sizeof(now)))
			watch_move(w, now);
}

void moved_restore(void)
{
	if (!restart_control.moves[0])
		return;
	path_move(preload.config.dir, sizeof(preload.config.dir));
	path_move(preload.config.keyfile, sizeof(preload.config.keyfile));
	marks_move();
	watches_move();
	written_move(path_move);
}
