/*
 * moves.c: directories that have been renamed or copied since the checkpoint (ckpt_restart --map-path): where
 * a path leads now. Frozen-safe.
 *
 * A list is text: OLD, 0, NEW, 0, for each, and a last 0. OLD and NEW are absolute, without a '/' at the end.
 */
#ifndef CKPT_MOVES_H
#define CKPT_MOVES_H

#include "core.h"

enum { MOVES_MAX = 8192 }; /* bytes of a list */

/* Append to a list of at most MOVES_MAX bytes: 0, -EINVAL for a path that is none, -ENAMETOOLONG. */
int moves_add(char *moves, const char *from, const char *to);
/*
 * Where path is now, to buf of n bytes: the OLD with most components that it has in front becomes its NEW. False: it is
 * where it was, or there is no room.
 */
bool moves_apply(const char *moves, const char *path, char *buf, size_t n);

#endif
