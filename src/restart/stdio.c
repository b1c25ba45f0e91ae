/*
 * --own-output: a standard output that was a regular file, and is to be ours now, as one from outside always is. A batch
 * script's output is a file of the batch system's, with what others write between: it is no log of the program's, to be
 * cut back to where that was.
 *
 * The user names inodes, for a program may have opened a file of its own for its output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "descriptors_parts.h"
#include "die.h"

static int output_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int own = c->std[f->number];
	int fd = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? plugin_fail(c, f, -errno, "ckpt_restart's own can't be had") : fd;
}

static const struct plugin plugin_output = {
	.name = "regular",
	.is_std = true,
	.restore = output_restore,
};

/* Is the number in a list of them? */
static bool list_has(const char *list, uint64_t n)
{
	while (*list) {
		if (parse_dec(&list) == n)
			return true;
		parse_skip(&list, ",");
	}
	return false;
}

void output_option(const char *arg)
{
	if (!*arg || strspn(arg, "0123456789,") != strlen(arg) || strlen(arg) > OUTPUTS_MAX)
		die("--own-output=%.200s: must be inode numbers, with ',' between them", arg);
}

void outputs_take(struct plugin_ctx *c)
{
	for (uint32_t i = 0; c->params.outputs && i < c->nfiles; i++) {
		struct plugin_file *f = &c->files[i];
		bool output = f->process == 0 && (f->number == 1 || f->number == 2);

		if (output && str_eq(f->plugin->name, "regular") && (f->flags & O_ACCMODE) != O_RDONLY &&
		    list_has(c->params.outputs, f->ino))
			f->plugin = &plugin_output;
	}
}
