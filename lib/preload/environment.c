/*
 * The environment of a restarted program, where it is to be another one: paths of ours that lead elsewhere now
 * (ckpt_restart --map-path), and variables that ckpt_restart hands over (--env).
 *
 * There are two lists: what /proc/PID/environ shows, text that lies together, as the program was started with it; and
 * environ, pointers to entries anywhere, as the program has changed it. Both are made anew, in memory that stays: the
 * text has every entry that is ours, and environ points there for those, and where it did for all others. libc sees in
 * a list that it has not made itself one that it must not free.
 *
 * A program that has emptied its list has done so for a reason, and gets nothing.
 */
#define _GNU_SOURCE
#include <linux/prctl.h>
#include <sys/mman.h>
#include "graft.h"
#include "moves.h"
#include "preload.h"
#include "frozen.h"

extern char **environ;

/* Variables whose value is a path of ours. */
static const char *const path_variables[] = {"CKPT_DIR=", "CKPT_KEYFILE=", "CKPT_FINISHED=", "CKPT_EXITED="};

/* The text as it is made: entries, each with its 0. */
struct entries {
	char *text;
	size_t len, cap;
};

static void *memory_get(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

static const char *graft_text(void)
{
	return (const char *)restart_control.graft;
}

/* ---- the text ---- */

static void entry_put(struct entries *to, const char *name, const char *value)
{
	struct text t = {.buf = to->text + to->len, .cap = to->cap - to->len};

	if (t.cap < 2)
		return;
	text_put(&t, "%s%s", name, value);
	to->len += t.len + 1;
}

/* The variable that the entry sets, when it is one of ours and its value has moved: then that is in now. */
static const char *entry_moved(const char *entry, char *now, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(path_variables); i++) {
		const char *value = entry;

		if (parse_skip(&value, path_variables[i]))
			return moves_apply(restart_control.moves, value, now, n) ? path_variables[i] : NULL;
	}
	return NULL;
}

/* Those that are handed over are not taken from what was. */
static bool is_replaced(const char *entry)
{
	return graft_text() && graft_means(graft_text(), entry);
}

/* The n bytes of old as they are now, then what is handed over. True when anything is another. */
static bool entries_make(const char *old, size_t n, struct entries *to)
{
	char now[CKPT_PATH_MAX];
	bool any = graft_text();

	for (const char *e = old; e < old + n; e += str_len(e) + 1) {
		const char *variable = is_replaced(e) ? NULL : entry_moved(e, now, sizeof(now));

		any |= variable != NULL;
		if (!is_replaced(e))
			entry_put(to, variable ? variable : e, variable ? now : "");
	}
	for (const char *e = graft_text() ? graft_first(graft_text()) : ""; *e; e += str_len(e) + 1)
		entry_put(to, e, "");
	return any;
}

/* What /proc/PID/environ shows lies at a place that can be chosen. */
static void entries_show(const struct rec_mm *mm, const struct entries *e)
{
	struct prctl_mm_map map = {
		.start_code = mm->start_code,	.end_code = mm->end_code,
		.start_data = mm->start_data,	.end_data = mm->end_data,
		.start_brk = mm->start_brk,	.brk = mm->brk,
		.start_stack = mm->start_stack, .arg_start = mm->arg_start,
		.arg_end = mm->arg_end,		.env_start = (uint64_t)e->text,
		.env_end = (uint64_t)e->text + e->len, .exe_fd = (uint32_t)-1,
	};

	sys_prctl(PR_SET_MM, PR_SET_MM_MAP, (unsigned long)&map, sizeof(map), 0);
}

/* ---- the list ---- */

/* Where the variable that an entry sets is in the text; NULL: it is not there. */
static char *entries_find(const struct entries *to, const char *entry)
{
	for (char *e = to->text; e < to->text + to->len; e += str_len(e) + 1)
		if (graft_same(e, entry))
			return e;
	return NULL;
}

/* An entry of the list as it is now: itself, one in the text, or NULL for one that is gone. */
static char *entry_now(const struct entries *to, char *entry)
{
	char now[CKPT_PATH_MAX];

	if (is_replaced(entry))
		return graft_find(graft_text(), entry) ? entries_find(to, entry) : NULL;
	if (!entry_moved(entry, now, sizeof(now)) || !entries_find(to, entry))
		return entry;
	return entries_find(to, entry);
}

static bool environ_has(const char *entry)
{
	for (char **e = environ; *e; e++)
		if (graft_same(*e, entry))
			return true;
	return false;
}

static size_t environ_count(void)
{
	size_t n = 0;

	while (environ && environ[n])
		n++;
	return n;
}

/* Those that are there keep their places; new ones come behind. */
static void environ_make(const struct entries *to)
{
	size_t n = 0, more = 0;
	char **list;

	if (!environ_count())
		return;
	for (const char *e = graft_text() ? graft_first(graft_text()) : ""; *e; e += str_len(e) + 1)
		more++;
	list = memory_get((environ_count() + more + 1) * sizeof(*list));
	if (!list)
		return;
	for (char **e = environ; *e; e++)
		if ((list[n] = entry_now(to, *e)))
			n++;
	for (const char *e = graft_text() ? graft_first(graft_text()) : ""; *e; e += str_len(e) + 1)
		if (!environ_has(e))
			list[n++] = entries_find(to, e);
	environ = list;
}

/* ---- both ---- */

static size_t graft_len(void)
{
	size_t n = 0;

	for (const char *e = graft_text() ? graft_first(graft_text()) : ""; *e; e += str_len(e) + 1)
		n += str_len(e) + 1;
	return n;
}

/* The text is copied first, to be read safely and with an end: the program may have written over it. */
void environment_restore(const struct rec_mm *mm)
{
	size_t n = mm->env_end - mm->env_start;
	struct entries to = {.cap = n + 1 + ARRAY_SIZE(path_variables) * CKPT_PATH_MAX + graft_len()};
	char *old;

	if (!restart_control.moves[0] && !restart_control.graft)
		return;
	old = memory_get(n + 1);
	to.text = memory_get(to.cap);
	if (old && to.text && memory_copy(old, mm->env_start, n) == n && entries_make(old, n, &to)) {
		environ_make(&to);
		entries_show(mm, &to);
	} else if (to.text) {
		sys_munmap(to.text, to.cap);
	}
	if (old)
		sys_munmap(old, n + 1);
	restart_control.graft = 0;
}
