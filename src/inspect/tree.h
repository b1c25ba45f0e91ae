/* tree.c: processes in the order of a tree. */
#ifndef CKPT_INSPECT_TREE_H
#define CKPT_INSPECT_TREE_H

#include "inspect.h"

/* Each process behind its parent and the children that come before it; depth is how far it is below the first. */
void tree_walk(const struct report *r, void (*each)(const struct process *p, int depth, void *arg), void *arg);

#endif
