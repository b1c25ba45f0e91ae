/* tree.c: the processes of an image as nodes for the restorer. */
#ifndef CKPT_TREE_H
#define CKPT_TREE_H

#include "pstree.h"
#include "restart.h"

/* The nodes are from malloc(3). Dies when there is no such tree. */
void tree_plan(const struct restart *r, struct pstree *tree);

/* Above it no process or thread of the image has its id, and loaders are in nobody's way. */
uint32_t tree_highest_id(const struct restart *r);

#endif
