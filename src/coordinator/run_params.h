/* What a checkpoint's processes are told: the image's name, and how it is made. */
#ifndef CKPT_RUN_PARAMS_H
#define CKPT_RUN_PARAMS_H

#include "run.h"

/*
 * Where the image goes: the job's directory, or the one of a path that was asked for. asker: the process's connection,
 * NULL: none has asked. dir has room for CKPT_PATH_MAX.
 */
void run_image_dir(const struct job *job, const struct peer *asker, char *dir);
/* Fill in run->cp.params and the generation. 0, or -errno with why. */
int run_params_fill(struct run *run, const struct peer *asker, struct text *why);

#endif
