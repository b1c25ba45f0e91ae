/*
 * pidfd_open(2) of processes of the job, of its zombies, and of what has ended and been waited for:
 * that is, after a restart, a process of ours that has ended.
 */
#include "process.h"
#include <sys/wait.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

struct pidfd_state {
	int32_t pid; /* 0: it has ended, and its parent knows */
	uint32_t reserved;
};

static bool pidfd_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[pidfd]") || str_starts(f->link, "pidfd:");
}

static void pidfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *info = plugin_fdinfo(c, f);
	const char *pid = info ? proc_field(info, "Pid:") : NULL;
	bool has_ended = pid && *pid == '-';
	struct pidfd_state st = {0};

	if (!info)
		return;
	if (pid && !has_ended)
		st.pid = parse_dec(&pid);
	if (!has_ended && !process_comes_back(c, st.pid))
		plugin_refuse(c, f, "process %d is outside the job", st.pid);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

/* Of a process that has ended at once. */
static int ended_open(void)
{
	int fd = -1;
	long pid = sys_call4(__NR_clone, CLONE_PIDFD, NULL, &fd, NULL);

	if (pid == 0)
		sys_exit_group(0);
	if (pid < 0)
		return pid;
	sys_call4(__NR_wait4, pid, NULL, __WALL, NULL);
	return fd;
}

/* O_EXCL is PIDFD_THREAD. */
static int pidfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pidfd_state st;
	size_t n;
	int fd;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = st.pid ? sys_call2(__NR_pidfd_open, st.pid, f->flags & (O_NONBLOCK | O_EXCL))
		    : ended_open();
	return fd < 0 ? plugin_fail(c, f, fd, "pidfd_open of process %d", st.pid) : fd;
}

const struct plugin plugin_pidfd = {
	.name = "pidfd",
	.is_late = true,
	.match = pidfd_match,
	.save = pidfd_save,
	.restore = pidfd_restore,
};
