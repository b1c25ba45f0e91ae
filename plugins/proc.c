/*
 * Files of /proc and /sys: opened again by path, at the same position. A restarted process has the
 * PID it had, so its own files are where they were.
 */
#include "process.h"

static bool proc_match(const struct plugin_file *f)
{
	return (S_ISREG(f->mode) || S_ISDIR(f->mode)) && !(f->flags & O_PATH) &&
	       (str_starts(f->link, "/proc/") || str_starts(f->link, "/sys/") ||
		str_eq(f->link, "/proc") || str_eq(f->link, "/sys"));
}

/* The process whose file it is, 0 for a file of no process. */
static int proc_pid(const struct plugin_file *f)
{
	const char *p = f->link;

	return parse_skip(&p, "/proc/") ? (int)parse_dec(&p) : 0;
}

/* The thread whose file it is, 0: none. */
static int proc_tid(const struct plugin_file *f)
{
	const char *p = f->link;

	if (!parse_skip(&p, "/proc/"))
		return 0;
	parse_dec(&p);
	return parse_skip(&p, "/task/") ? (int)parse_dec(&p) : 0;
}

static void proc_save(struct plugin_ctx *c, struct plugin_file *f)
{
	int pid = proc_pid(f);
	int tid = proc_tid(f);

	if (pid && !process_comes_back(c, pid))
		plugin_refuse(c, f, "process %d is outside the job", pid);
	else if (tid && tid != pid)
		plugin_refuse(c, f, "a file of a thread can't be restored");
}

static int proc_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open(f->link, plugin_open_flags(f->flags) | O_CLOEXEC, 0);

	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

static int proc_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	off_t pos = f->pos ? sys_lseek(f->fd, f->pos, SEEK_SET) : 0;

	if (pos < 0)
		plugin_caution(c, f, "starts at its beginning again");
	return 0;
}

const struct plugin plugin_proc = {
	.name = "proc",
	.is_late = true,
	.match = proc_match,
	.save = proc_save,
	.restore = proc_restore,
	.fill = proc_fill,
};
