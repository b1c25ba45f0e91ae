/*
 * A step's directory in that of its job. SLURM numbers steps as they come, and the batch script's own launches have no
 * number at all; in another run they may come in another order, some not at all. So what an earlier run has left is found
 * again by the command line: first under the step's own number, then under any that nobody has claimed in this run. A
 * command that nobody has run before begins in a new directory.
 *
 * All tasks of a step are in one: the first that comes claims it for the step (state), each its own part (taskP/state).
 */
#include "slurm.h"
#include "contents.h"
#include "core.h"
#include "die.h"
#include "slurm_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOT_FORMAT = 1, SLOTS_MAX = 10000 };

#define TEXT_OF(field)	 STATE_TEXT(struct slot_state, field)
#define NUMBER_OF(field) STATE_NUMBER(struct slot_state, field)

static const struct state_field fields[] = {
	NUMBER_OF(format),  NUMBER_OF(run),	   TEXT_OF(token),	  NUMBER_OF(command_id),
	TEXT_OF(command),   NUMBER_OF(generation), NUMBER_OF(created_ns), NUMBER_OF(restores),
	TEXT_OF(outputs),
};

static void path_put(char path[PATH_MAX], const char *dir, const char *a, const char *b)
{
	if (snprintf(path, PATH_MAX, "%s/%s%s%s", dir, a, *b ? "/" : "", b) >= PATH_MAX)
		die("%.200s…: path is too long", dir);
}

/* False: it has none. One that can't be read ends the job: it may be the only way to its images. */
static bool state_get(const char *dir, struct slot_state *state)
{
	char path[PATH_MAX];
	int err;

	*state = (struct slot_state){0};
	path_put(path, dir, "state", "");
	err = state_read(path, fields, ARRAY_SIZE(fields), state, sizeof(*state));
	if (!err && state->format != SLOT_FORMAT)
		err = -EBADMSG;
	if (err && err != -ENOENT)
		die_status(STATUS_HOLD, "%s can't be read, so it is not known what these images are of: %s", path,
			   err == -EBADMSG ? "it is damaged" : strerror(-err));
	return !err;
}

static void state_put(const char *dir, const struct slot_state *state)
{
	char path[PATH_MAX];
	int err;

	path_put(path, dir, "state", "");
	err = state_write(path, fields, ARRAY_SIZE(fields), state);
	if (err)
		die("cannot write %s: %s", path, strerror(-err));
}

void slot_state_write(const struct slurm *s, const struct slot_state *state)
{
	state_put(s->slot, state);
}

/* ---- which ---- */

/* Directories of steps, or of launches by the batch script. */
static int is_slot(const struct dirent *e)
{
	return !strncmp(e->d_name, "step", 4) || !strncmp(e->d_name, "batch", 5);
}

static bool same_step(const struct slurm *s, const struct slot_state *state)
{
	return state->run == s->run && !strcmp(state->token, s->token);
}

/* Is it this step's in this run, and does this task have no part of it yet? */
static bool is_ours(const struct slurm *s, const char *name)
{
	struct slot_state state;
	char path[PATH_MAX];

	if (!s->proc[0])
		return false;
	path_put(path, s->dir, name, "");
	if (!state_get(path, &state) || !same_step(s, &state))
		return false;
	path_put(path, s->dir, name, s->proc);
	return !state_get(path, &state) || state.run != s->run;
}

/* Was it another run's, with this command? */
static bool is_earlier(const struct slurm *s, const char *name)
{
	struct slot_state whole, part;
	char path[PATH_MAX];

	path_put(path, s->dir, name, "");
	if (!state_get(path, &whole) || whole.run == s->run)
		return false;
	path_put(path, s->dir, name, s->proc);
	return state_get(path, &part) && part.command_id == s->command_id;
}

/* The first of the kind, by number, for which fits() is true; the step's own before all. */
static bool slot_find(const struct slurm *s, bool (*fits)(const struct slurm *s, const char *name), char *name, size_t n)
{
	size_t kind = strcspn(s->step, "0123456789");
	struct dirent **list;
	int count;
	bool found = false;

	if (fits(s, s->step))
		return str_copy(name, s->step, n);
	count = scandir(s->dir, &list, is_slot, versionsort);
	for (int i = 0; i < count; i++) {
		if (!found && !strncmp(list[i]->d_name, s->step, kind) && fits(s, list[i]->d_name))
			found = str_copy(name, list[i]->d_name, n);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return found;
}

/* A name that nobody has: stepK, stepK-2, ...; batch1, batch2, ... */
static void slot_new(const struct slurm *s, char *name, size_t n)
{
	bool numbered = strpbrk(s->step, "0123456789");
	char path[PATH_MAX];
	struct stat st;

	for (int i = 1; i <= SLOTS_MAX; i++) {
		if (numbered)
			snprintf(name, n, i == 1 ? "%s" : "%s-%d", s->step, i);
		else
			snprintf(name, n, "%s%d", s->step, i);
		path_put(path, s->dir, name, "");
		if (lstat(path, &st))
			return;
	}
	die("there are too many directories in %s", s->dir);
}

static void slot_choose(const struct slurm *s, char *name, size_t n)
{
	struct slot_state state;
	char path[PATH_MAX];

	if (slot_find(s, is_ours, name, n) || slot_find(s, is_earlier, name, n))
		return;
	slot_new(s, name, n);
	path_put(path, s->dir, s->step, s->proc);
	if (s->run && strcmp(name, s->step) && state_get(path, &state) && state.run != s->run)
		warn("%s: what it was in an earlier run had another command line, and is not gone on with: %s",
		     s->place, state.command);
}

/* ---- it is ours from now on ---- */

/* The batch script's output is a file. One that has no place is treated as a file of the program's own. */
static void outputs_add(struct slot_state *state)
{
	char ino[32], *at;
	struct stat st;
	size_t len;

	for (int fd = 1; fd <= 2; fd++) {
		if (fstat(fd, &st) || !S_ISREG(st.st_mode))
			continue;
		len = snprintf(ino, sizeof(ino), "%lu,", (unsigned long)st.st_ino);
		at = strstr(state->outputs, ino);
		if (at && (at == state->outputs || at[-1] == ','))
			continue;
		if (strlen(state->outputs) + len < sizeof(state->outputs))
			strcat(state->outputs, ino);
	}
}

static void state_claim(const struct slurm *s, const char *dir, struct slot_state *state)
{
	char path[PATH_MAX];

	slurm_dir_make(dir);
	state_get(dir, state);
	state->format = SLOT_FORMAT;
	state->run = s->run;
	state->command_id = s->command_id;
	str_copy(state->token, s->token, sizeof(state->token));
	str_copy(state->command, s->command, sizeof(state->command));
	outputs_add(state);
	state_put(dir, state);
	path_put(path, dir, "exited", "");
	unlink(path);
}

/* Images that nobody will finish: a writer that lives has a lock on its own. */
static void parts_remove(const char *path)
{
	DIR *dir = opendir(path);
	char files[NAME_MAX + sizeof(CONTENTS_SUFFIX)];
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd;

		if (!str_ends(e->d_name, ".ckpt.part"))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (!flock(fd, LOCK_EX | LOCK_NB) && !unlinkat(dirfd(dir), e->d_name, 0)) {
			snprintf(files, sizeof(files), "%s" CONTENTS_SUFFIX, e->d_name);
			contents_remove(dirfd(dir), files);
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
}

void slurm_slot_take(struct slurm *s, struct slot_state *state)
{
	char name[SLURM_NAME_MAX];

	slot_choose(s, name, sizeof(name));
	path_put(s->slot, s->dir, name, "");
	state_claim(s, s->slot, state);
	if (s->proc[0]) {
		path_put(s->slot, s->dir, name, s->proc);
		state_claim(s, s->slot, state);
	}
	parts_remove(s->slot);
}

/* ---- those that have exited ---- */

static bool has_exited(const struct slurm *s, const char *dir)
{
	struct slot_state state;
	char path[PATH_MAX];

	path_put(path, dir, "exited", "");
	return access(path, F_OK) == 0 && state_get(dir, &state) && state.run == s->run;
}

static int is_part(const struct dirent *e)
{
	return !strncmp(e->d_name, "task", 4);
}

static bool part_exited(const struct slurm *s, const char *dir)
{
	struct dirent **list;
	char path[PATH_MAX];
	bool found = has_exited(s, dir);
	int count = scandir(dir, &list, is_part, NULL);

	for (int i = 0; i < count; i++) {
		path_put(path, dir, list[i]->d_name, "");
		found = found || has_exited(s, path);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return found;
}

bool slurm_slot_exited(const struct slurm *s, char *name, size_t n)
{
	struct dirent **list;
	char path[PATH_MAX];
	bool found = false;
	int count = scandir(s->dir, &list, is_slot, versionsort);

	for (int i = 0; i < count; i++) {
		path_put(path, s->dir, list[i]->d_name, "");
		if (!found && part_exited(s, path))
			found = str_copy(name, list[i]->d_name, n);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return found;
}
