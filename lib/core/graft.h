/*
 * graft.c: variables of ckpt_restart's environment that take the place of the program's (--env). Frozen-safe.
 *
 * What is handed over is text: the patterns, with ',' between them, 0; then each variable that matches, "NAME=value", 0;
 * and a last 0.
 */
#ifndef CKPT_GRAFT_H
#define CKPT_GRAFT_H

#include "core.h"

enum {
	GRAFT_MAX = 64 << 10,  /* bytes of the whole */
	GRAFT_GLOBS_MAX = 2048, /* of the patterns */
};

/* Does one of the patterns match the name of the variable that an entry of an environment sets? */
bool graft_means(const char *globs, const char *entry);
/* The first of the variables that are handed over, "" when there is none; the next is behind its 0. */
const char *graft_first(const char *graft);
/* Do two entries set the same variable? */
bool graft_same(const char *a, const char *b);
/* The variable of that name: the entry that sets what `entry` sets, NULL when it is not handed over. */
const char *graft_find(const char *graft, const char *entry);

#endif
