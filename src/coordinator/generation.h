/*
 * Images of a job in its directory: NAME-JOB.GGGGG.ckpt, the generations, and NAME-JOB.ckpt, a link
 * to the newest. A name that ends in .part is an image being written.
 */
#ifndef CKPT_GENERATION_H
#define CKPT_GENERATION_H

#include <stdint.h>
#include "core.h"

/* 0 when images can be made in dir, else -errno and why. */
int generation_check_dir(const char *dir, struct text *why);
/* 1 + the highest generation that stem (NAME-JOB) has in dir, unfinished ones counted. */
uint64_t generation_next(const char *dir, const char *stem);

#endif
