/* --map-path: the job's directories are elsewhere now. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "restart.h"

/* An absolute path without a '/' at its end. */
static char *path_take(const char *arg, const char *given)
{
	char *path = strdup(given);
	size_t n;

	if (!path)
		die("out of memory");
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = 0;
	if (path[0] != '/' || !path[1])
		die("--map-path %s: must be OLD=NEW, two absolute paths", arg);
	return path;
}

static void move_add(struct options *o, const char *arg, const char *from, const char *to)
{
	if (moves_add(o->moves, from, to))
		die("--map-path %s: there are too many, or they are too long", arg);
}

/*
 * An image has paths without symbolic links. OLD may not be there any more; a link to NEW may be in its place. Where it is
 * something else it is meant by its true name, too.
 */
void moves_option(struct options *o, const char *arg)
{
	char *given = strdup(arg), *equals = given ? strchr(given, '=') : NULL;
	char *from, *to, *from_true, *to_true;

	if (!equals)
		die("--map-path %s: must be OLD=NEW, two absolute paths", arg);
	*equals = 0;
	from = path_take(arg, given);
	to = path_take(arg, equals + 1);
	from_true = realpath(from, NULL);
	to_true = realpath(to, NULL);
	if (!to_true)
		die("--map-path %s: %s:", arg, to);
	move_add(o, arg, from, to_true);
	if (from_true && strcmp(from_true, from) && strcmp(from_true, to_true))
		move_add(o, arg, from_true, to_true);
	free(from_true);
	free(to_true);
	free(from);
	free(to);
	free(given);
}

const char *path_now(const char *moves, const char *path)
{
	char now[CKPT_PATH_MAX], *copy;

	if (!moves_apply(moves, path, now, sizeof(now)))
		return path;
	copy = strdup(now);
	if (!copy)
		die("out of memory");
	return copy;
}
