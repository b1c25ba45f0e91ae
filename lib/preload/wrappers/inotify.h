/* inotify.c: what the program watches. */
#ifndef CKPT_INOTIFY_H
#define CKPT_INOTIFY_H

#include "preload.h"

/* Path of a watch with this descriptor and inode, NULL: not known. Frozen-safe. */
const char *inotify_path(int wd, uint64_t ino) HIDDEN;

#endif
