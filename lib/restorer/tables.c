/*
 * Descriptor tables. All nodes share init's, where all files are made; what is made when the processes are there
 * already is in that one only. Processes that share a table of their own (CLONE_FILES) had to be made with it:
 * so the first of them has parted with init's before, and gets by a socket what init has made since.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include "restorer.h"

void table_begin(struct restore_job *job, const struct plan_node *n)
{
	int r = n->table == TABLE_FIRST ? sys_call1(__NR_unshare, CLONE_FILES) : 0;

	if (r < 0)
		fail(job, "have a descriptor table, process (hex)", n->pid, r);
}

/* Descriptors to the numbers that they have in init's table. Those that they have here are lower. */
static void numbers_take(struct restore_job *job, const struct table_message *m, const int32_t *fds)
{
	for (uint32_t i = 0; i < m->n; i++) {
		int r = sys_call3(__NR_dup3, fds[i], m->numbers[i], O_CLOEXEC);

		if (r < 0)
			fail(job, "have init's descriptor (hex)", m->numbers[i], r);
		sys_close(fds[i]);
	}
}

static void table_receive(struct restore_job *job, const struct plan_node *n)
{
	struct table_message m;
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(m.numbers))];
	} c;
	struct iovec iov = {&m, sizeof(m)};
	long r;

	do {
		struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};

		r = sys_call3(__NR_recvmsg, n->table_fd, &h, MSG_CMSG_CLOEXEC);
		if (r != sizeof(m) || m.n > TABLE_NUMBERS ||
		    (m.n && (h.msg_controllen < sizeof(c.h) || c.h.cmsg_len != CMSG_LEN(m.n * sizeof(int32_t)))))
			fail(job, "have init's late descriptors, process (hex)", n->pid, r);
		numbers_take(job, &m, (int32_t *)CMSG_DATA(&c.h));
	} while (m.n);
	sync_arrive(&job->sync->tables);
}

/* Of all descriptors those of the program remain. */
static void numbers_place(struct restore_job *job, const struct restore_plan *p)
{
	int32_t next = 0;
	int r;

	for (uint32_t i = 0; i < p->nnumbers; i++) {
		const struct plan_number *n = &p->numbers[i];

		if (n->to > next)
			sys_call3(__NR_close_range, next, n->to - 1, 0);
		next = n->to + 1;
		r = sys_call3(__NR_dup3, n->from, n->to, n->cloexec ? O_CLOEXEC : 0);
		if (r < 0)
			fail(job, "place descriptor (hex)", n->to, r);
	}
	if (next < job->log_fd)
		sys_call3(__NR_close_range, next, job->log_fd - 1, 0);
	sys_call3(__NR_close_range, job->log_fd + 1, ~0u, 0);
}

void table_take(struct restore_job *job, const struct plan_node *n, const struct restore_plan *p)
{
	struct restart_sync *s = job->sync;
	int r;

	if (n->table == TABLE_FIRST)
		table_receive(job, n);
	sync_await(job, &s->files, 1);
	switch (n->table) {
	case TABLE_FIRST:
		sync_await(job, &s->parted, s->total - job->nfirst);
		numbers_place(job, p);
		sync_arrive(&s->taken);
		break;
	case TABLE_SHARED:
		sync_arrive(&s->parted);
		sync_await(job, &s->taken, job->nfirst);
		break;
	default:
		r = sys_call1(__NR_unshare, CLONE_FILES);
		if (r < 0)
			fail(job, "have descriptors of its own, process (hex)", p->pid, r);
		if (job->nfirst)
			sync_arrive(&s->parted);
		numbers_place(job, p);
	}
}
