/*
 * The snapshot: a forked copy of the frozen process that writes the image while the program runs on.
 *
 * It must be no child of the program, so that no wait() of the program's sees it. So it is forked by an
 * intermediate (CLONE_VM, its own descriptor table, exit signal 0) which ends at once; the leader
 * waits for it with __WALL. The intermediate closes the program's descriptors before it forks:
 * a pipe end held by the snapshot would delay an end of file. No process of the job may be a subreaper
 * then (leader.c), or it would be given the snapshot.
 *
 * Where there can be no copy (no memory, a limit on processes) or nobody would reap it (the first program
 * is process 1), the leader writes the image itself, the program still frozen.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "fault.h"
#include "preload.h"
#include "writer.h"
#include "frozen.h"

static void close_between(int from, int to)
{
	if (from <= to)
		sys_call3(__NR_close_range, from, to, 0);
}

/* Close every descriptor but our two, in the intermediate's own table. */
static void close_others(int keep, int also)
{
	int low = keep < also ? keep : also, high = keep < also ? also : keep;

	close_between(0, low - 1);
	close_between(low + 1, high - 1);
	sys_call3(__NR_close_range, high + 1, ~0u, 0);
}

/* The program's own limit on the size of files is not the image's, as far as we may raise it. */
static void file_size_unlimit(void)
{
	uint64_t l[2];

	if (sys_call4(__NR_prlimit64, 0, RLIMIT_FSIZE, NULL, l) < 0 || l[0] == l[1])
		return;
	l[0] = l[1];
	sys_call4(__NR_prlimit64, 0, RLIMIT_FSIZE, l, NULL);
}

static int intermediate(void *arg)
{
	struct snapshot *sn = arg;
	long pid;

	close_others(sn->save->conn, sn->shared_fd);
	if (fault(FAULT_SNAPSHOT_FORK) < 0)
		return 0;
	pid = sys_call5(__NR_clone, 0, 0, 0, 0, 0);
	if (pid == 0) {
		sys_call0(__NR_setsid);
		file_size_unlimit();
		sys_prctl(PR_SET_NAME, (unsigned long)"ckpt_writer", 0, 0, 0);
		writer_run(sn);
		sys_exit_group(0);
	}
	sn->writer = pid;
	return 0;
}

static bool snapshot_fork(struct snapshot *sn, void *stack_top)
{
	long pid = clone_on_stack(CLONE_VM | CLONE_VFORK, stack_top, intermediate, sn);
	int status;

	if (pid > 0)
		while (sys_call4(__NR_wait4, pid, &status, __WALL, NULL) == -EINTR)
			;
	return sn->writer > 0;
}

/* Writers begin when all have come here: they would take the CPUs from processes that stand still. */
static void tell_forked(struct snapshot *sn)
{
	uint32_t *come = &sn->shared->barrier[SHARED_FORKED];

	fault(FAULT_SNAPSHOT_FORKED);
	/* pairs with writer_await() */
	if (__atomic_add_fetch(come, 1, __ATOMIC_RELEASE) == sn->shared->nprocesses)
		shared_wake(come);
}

static void write_here(void *arg)
{
	writer_run(arg);
}

void snapshot_start(struct snapshot *sn, bool *in_pause)
{
	void *top = preload.snapshot_stack + preload.snapshot_stack_len;

	*in_pause = sn->shared->process[0].pid == 1 || !snapshot_fork(sn, top);
	tell_forked(sn);
	if (!*in_pause)
		return;
	call_on_stack(write_here, sn, top);
	sys_madvise(preload.snapshot_stack, preload.snapshot_stack_len, 4 /* MADV_DONTNEED */); /* may have seen keys */
}
