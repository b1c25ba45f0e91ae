/*
 * --env: variables of our own environment that take the place of the program's. What a batch system says of a job is
 * of the run that it says it to.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "graft.h"
#include "restart.h"

extern char **environ;

void graft_option(struct options *o, const char *arg)
{
	struct text t = {.buf = o->graft, .len = strlen(o->graft), .cap = sizeof(o->graft)};

	if (!*arg || strchr(arg, '=') || strchr(arg, ','))
		die("--env %.200s: must be the name of a variable, or a pattern of names such as 'SLURM_*'", arg);
	if (t.len + strlen(arg) + 2 > t.cap)
		die("--env %.200s: there are too many", arg);
	text_put(&t, "%s%s", t.len ? "," : "", arg);
}

char *graft_make(const struct options *o, size_t *len)
{
	size_t n = strlen(o->graft) + 1;
	char *graft;

	*len = 0;
	if (!o->graft[0])
		return NULL;
	graft = malloc(GRAFT_MAX);
	if (!graft)
		die("out of memory");
	memcpy(graft, o->graft, n);
	for (char **e = environ; e && *e; e++) {
		size_t m = strlen(*e) + 1;

		if (!graft_means(o->graft, *e))
			continue;
		if (n + m + 1 > GRAFT_MAX)
			die("--env: the variables are longer than %d bytes together", GRAFT_MAX);
		memcpy(graft + n, *e, m);
		n += m;
	}
	graft[n++] = 0;
	*len = n;
	return graft;
}
