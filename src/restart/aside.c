/* What is in the way of a file that is put back, and may be wanted: it is renamed, not removed. */
#define _GNU_SOURCE
#include <ckpt/plugin.h>
#include <errno.h>
#include <stdio.h>
#include "protocol.h"

enum { ASIDE_MAX = 1000 };

int plugin_set_aside(struct plugin_ctx *c, const struct plugin_file *f, const char *path)
{
	char to[CKPT_PATH_MAX];

	for (int i = 1; i <= ASIDE_MAX; i++) {
		if (snprintf(to, sizeof(to), "%s.ckpt-aside-%d", path, i) >= (int)sizeof(to))
			return -ENAMETOOLONG;
		if (renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
			plugin_note(c, f, "%s came after the checkpoint; it is %s now", path, to);
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}
