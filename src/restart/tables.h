/*
 * tables.c: processes that share a descriptor table (CLONE_FILES), or root, directory and umask (CLONE_FS), with
 * others. What they share can only be had from who makes one.
 */
#ifndef CKPT_TABLES_H
#define CKPT_TABLES_H

#include "descriptors.h"
#include "pstree.h"

/* Fills clone_flags, and what is about tables of the nodes. Dies when one was not made by any that it shares with. */
void tables_plan(struct restart *r, struct pstree *tree);
/* Send what was made late to the tables that parted with ours. 0 or -errno. */
int tables_give(const struct restore_job *job, struct plugin_ctx *d);

#endif
