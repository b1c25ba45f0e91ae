/* process.c: processes that files refer to. */
#ifndef PLUGIN_PROCESS_H
#define PLUGIN_PROCESS_H

#include <ckpt/plugin.h>

/* Save: will there be a process with this pid again? One of the job, or a zombie that one has not
 * waited for. */
bool process_comes_back(struct plugin_ctx *c, int pid) __attribute__((visibility("hidden")));

#endif
