/*
 * The capsule: pid, mount and time namespaces in which the program finds the ids and clocks it had; a
 * user namespace around them when we have no right to make them ourselves.
 *
 *   ckpt_restart (outside, in no namespace of ours: it may make a capsule again, see become.c)
 *     └─ init of the capsule: reaps; ends when all else in it has ended (init.c)
 *          └─ the job's processes, and stand-ins for those that were outside of it (pstree.c)
 *
 * When ckpt_restart is killed the capsule's init is too, and with it everything inside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "die.h"
#include "ipc.h"
#include "restart.h"
#include "tree.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static void file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("cannot write %s:", path);
	close(fd);
}

/* Map this user and group to themselves; nothing else exists inside. */
static void userns_map(uid_t uid, gid_t gid)
{
	char map[64];

	file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	file_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	file_write("/proc/self/gid_map", map);
}

static void namespaces_enter(struct restart *r)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int flags = CLONE_NEWPID | CLONE_NEWTIME;

	if (r->opt.no_capsule)
		flags = CLONE_NEWTIME;
	if (unshare(flags) == 0)
		return;
	if (errno == EINVAL)
		die("this kernel has no time namespaces (Linux 5.6 has)");
	if (errno != EPERM || r->opt.no_capsule)
		die("cannot make namespaces:");
	if (unshare(flags | CLONE_NEWUSER) < 0)
		die("user namespaces are refused here (%s); as root, or with kernel.unprivileged_userns_clone=1 "
		    "and user.max_user_namespaces > 0, ckpt_restart works", strerror(errno));
	r->in_userns = true;
	userns_map(uid, gid);
}

/* ---- clocks ---- */

static int64_t clock_ns(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Offset that this process already has on a clock, from /proc/self/timens_offsets. */
static int64_t offset_now(const char *name)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	long long sec, nsec, found = 0;
	char key[32];

	while (f && fscanf(f, "%31s %lld %lld", key, &sec, &nsec) == 3)
		if (!strcmp(key, name))
			found = sec * 1000000000 + nsec;
	if (f)
		fclose(f);
	return found;
}

static void clock_line(char *buf, size_t n, const char *name, int64_t offset)
{
	int64_t sec = offset / 1000000000, nsec = offset % 1000000000;

	if (nsec < 0) {
		nsec += 1000000000;
		sec--;
	}
	snprintf(buf, n, "%s %lld %lld\n", name, (long long)sec, (long long)nsec);
}

/* Clocks inside go on where they stood at the checkpoint. */
static void clocks_set(const struct rec_process *p)
{
	char mono[64], boot[64], both[128];

	clock_line(mono, sizeof(mono), "monotonic",
		   offset_now("monotonic") + (int64_t)p->monotonic_ns - clock_ns(CLOCK_MONOTONIC));
	clock_line(boot, sizeof(boot), "boottime",
		   offset_now("boottime") + (int64_t)p->boottime_ns - clock_ns(CLOCK_BOOTTIME));
	snprintf(both, sizeof(both), "%s%s", mono, boot);
	file_write("/proc/self/timens_offsets", both);
}

/* ---- inside ---- */

/* A /proc that shows the capsule's pids: the programs, and the next checkpoint, need it. */
static void proc_mount(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		die("cannot make a mount namespace:");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("cannot make mounts private:");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die("cannot mount /proc in the capsule (is it masked in this container?):");
}

void last_pid_set(uint32_t last)
{
	FILE *f = last ? fopen("/proc/sys/kernel/ns_last_pid", "we") : NULL;

	if (!f)
		return;
	fprintf(f, "%u", last);
	fclose(f);
}

/* We end with ckpt_restart, also when that has been killed before this was said: its end of the socket is closed then. */
static void end_with_parent(int events)
{
	struct pollfd p = {.fd = events};

	fault(FAULT_INIT_BEGIN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR))
		_exit(STATUS_OWN);
}

static void inside_main(struct restart *r, int events)
{
	if (!r->opt.no_capsule) {
		end_with_parent(events);
		proc_mount();
		if (r->own_ipc)
			ipc_namespace_make(r);
		last_pid_set(tree_highest_id(r));
	} else {
		prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans are ours here, too */
	}
	fault(FAULT_INIT_MOUNTS);
	init_run(r, events);
}

/* Enter the namespaces, make init in them as a child of our parent's, tell its pid, and end. */
static void maker_main(struct restart *r, int events, int tell)
{
	pid_t init;

	namespaces_enter(r);
	clocks_set(&r->processes[0].rec);
	init = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (init < 0)
		die("cannot fork:");
	if (init == 0) {
		close(tell);
		inside_main(r, events);
	}
	if (write(tell, &init, sizeof(init)) != sizeof(init))
		die("cannot write to a pipe:");
	_exit(0);
}

/* init, in its namespaces, as our child. */
static pid_t init_make(struct restart *r, int inside, int outside)
{
	pid_t maker, init = 0;
	int ends[2], status;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("cannot make a pipe:");
	maker = fork();
	if (maker < 0)
		die("cannot fork:");
	if (maker == 0) {
		close(outside);
		close(ends[0]);
		maker_main(r, inside, ends[1]);
	}
	fault(FAULT_RESTART_NAMESPACES);
	close(ends[1]);
	n = read(ends[0], &init, sizeof(init));
	close(ends[0]);
	waitpid(maker, &status, 0);
	if (n == sizeof(init))
		return init;
	if (WIFSIGNALED(status))
		die("the process that makes the namespaces was killed (signal %d)", WTERMSIG(status));
	exit(r->opt.failure ?: STATUS_OWN); /* it has told why */
}

int capsule_run(struct restart *r)
{
	int sv[2];
	pid_t init;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		die("cannot make a socket:");
	r->own_ipc = ipc_check(r) && !r->opt.no_capsule;
	init = init_make(r, sv[1], sv[0]);
	close(sv[1]);
	fault(FAULT_RESTART_FORKED);
	return supervise(r, sv[0], init);
}
