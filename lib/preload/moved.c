/*
 * A restarted program whose directories are elsewhere now (ckpt_restart --map-path): what libckpt itself knows by path,
 * and what whoever reads the environment is told, the coordinator and programs that are executed.
 *
 * All processes are still in the restart, so nobody looks at what changes here.
 */
#define _GNU_SOURCE
#include <linux/prctl.h>
#include <sys/mman.h>
#include "moves.h"
#include "preload.h"
#include "wrappers/inotify.h"
#include "frozen.h"

extern char **environ;

/* Variables whose value is a path of ours. */
static const char *const variables[] = {"CKPT_DIR=", "CKPT_KEYFILE="};

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

/* ---- environment ---- */

/* The variable that the entry sets, when it is one of ours and its value has moved: then that is in now. */
static const char *entry_moved(const char *entry, char *now, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = entry;

		if (parse_skip(&value, variables[i]))
			return moves_apply(restart_control.moves, value, now, n) ? variables[i] : NULL;
	}
	return NULL;
}

/* Who looks for the variable in the program's own list finds the new entry. */
static void environ_point(char *entry, const char *variable)
{
	for (char **e = environ; e && *e; e++)
		if (str_starts(*e, variable))
			*e = entry;
}

/* Copy the entries of old, of n bytes, to buf, as they are now; bytes, or 0 when none has moved. */
static size_t entries_copy(const char *old, size_t n, char *buf, size_t cap)
{
	char now[CKPT_PATH_MAX];
	size_t at = 0, len;
	bool any = false;

	for (const char *e = old; e < old + n && at < cap; e += str_len(e) + 1, at += len + 1) {
		const char *variable = entry_moved(e, now, sizeof(now));
		struct text t = {.buf = buf + at, .cap = cap - at};

		text_put(&t, "%s%s", variable ? variable : e, variable ? now : "");
		len = t.len;
		any |= variable != NULL;
		if (variable)
			environ_point(buf + at, variable);
	}
	return any ? at : 0;
}

/* What /proc/PID/environ shows lies at a place that can be chosen. */
static int environment_show(const struct rec_mm *mm, const char *start, size_t n)
{
	struct prctl_mm_map map = {
		.start_code = mm->start_code,	.end_code = mm->end_code,
		.start_data = mm->start_data,	.end_data = mm->end_data,
		.start_brk = mm->start_brk,	.brk = mm->brk,
		.start_stack = mm->start_stack, .arg_start = mm->arg_start,
		.arg_end = mm->arg_end,		.env_start = (uint64_t)start,
		.env_end = (uint64_t)start + n, .exe_fd = (uint32_t)-1,
	};

	return sys_prctl(PR_SET_MM, PR_SET_MM_MAP, (unsigned long)&map, sizeof(map), 0);
}

/* It is copied first, to be read safely and with an end: the program may have written over it. */
static void environment_move(const struct rec_mm *mm)
{
	size_t n = mm->env_end - mm->env_start, cap = n + ARRAY_SIZE(variables) * CKPT_PATH_MAX;
	char *old = memory_get(n + 1), *new = memory_get(cap);

	if (old && new && memory_copy(old, mm->env_start, n) == n) {
		n = entries_copy(old, n, new, cap);
		if (n && environment_show(mm, new, n) == 0)
			new = NULL; /* it stays */
	}
	if (old)
		sys_munmap(old, mm->env_end - mm->env_start + 1);
	if (new && !n)
		sys_munmap(new, cap);
}

void moved_restore(const struct rec_mm *mm)
{
	if (!restart_control.moves[0])
		return;
	path_move(preload.config.dir, sizeof(preload.config.dir));
	path_move(preload.config.keyfile, sizeof(preload.config.keyfile));
	watches_move();
	environment_move(mm);
}
