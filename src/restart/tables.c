#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "die.h"
#include "tables.h"

enum { NOBODY = -1 };

/* With which process of the image it shares; with itself if with none before it. */
static int32_t first_of(const struct restart *r, const struct plan_node *n, uint32_t flag)
{
	const struct rec_process *p;
	uint32_t first;

	if (n->kind != NODE_PROCESS)
		return NOBODY;
	p = &r->processes[n->process].rec;
	if (!(p->flags & flag))
		return n->process;
	first = flag == PROCESS_SHARES_FILES ? p->files_of : p->fs_of;
	if (first >= (uint32_t)n->process)
		die("%s: damaged: what process %d shares", r->path, p->pid);
	return (int32_t)first;
}

/* Does it get what it shares from its creator? The first of all gets it from nobody. */
static bool has_creators(const struct restart *r, const struct pstree *tree, const struct plan_node *n, uint32_t flag)
{
	int32_t first = first_of(r, n, flag);

	if (first == NOBODY || first == n->process)
		return false;
	if (n->creator < 0 || first_of(r, &tree->nodes[n->creator], flag) != first)
		die("%s: the process tree can't be made: process %d shares its %s with process %d, by whom it can't be made",
		    r->path, n->pid, flag == PROCESS_SHARES_FILES ? "descriptor table" : "directory and umask",
		    r->processes[first].rec.pid);
	return true;
}

static struct plan_node *node_of_process(const struct pstree *tree, int32_t process)
{
	for (uint32_t i = 0; i < tree->n; i++)
		if (tree->nodes[i].kind == NODE_PROCESS && tree->nodes[i].process == process)
			return &tree->nodes[i];
	return NULL;
}

static void first_make(struct restart *r, struct plan_node *n)
{
	int ends[2];

	if (n->table == TABLE_FIRST)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		die("cannot make a pair of sockets:");
	n->table = TABLE_FIRST;
	n->table_fd = fd_raise(r, ends[0]);
	n->give_fd = fd_raise(r, ends[1]);
}

void tables_plan(struct restart *r, struct pstree *tree)
{
	for (uint32_t i = 0; i < tree->n; i++) {
		struct plan_node *n = &tree->nodes[i];

		if (has_creators(r, tree, n, PROCESS_SHARES_FS))
			n->clone_flags |= CLONE_FS;
		if (!has_creators(r, tree, n, PROCESS_SHARES_FILES))
			continue;
		n->table = TABLE_SHARED;
		first_make(r, node_of_process(tree, first_of(r, n, PROCESS_SHARES_FILES)));
	}
}

static int message_send(int fd, const struct table_message *m, const int32_t *fds)
{
	struct iovec iov = {(void *)m, sizeof(*m)};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(m->numbers))];
	} c = {.h = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (m->n) {
		c.h.cmsg_len = CMSG_LEN(m->n * sizeof(*fds));
		memcpy(CMSG_DATA(&c.h), fds, m->n * sizeof(*fds));
		h.msg_control = &c;
		h.msg_controllen = CMSG_SPACE(m->n * sizeof(*fds));
	}
	return sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int table_give(int fd, const int32_t *late, uint32_t n)
{
	struct table_message m;
	int r;

	do {
		m.n = n < TABLE_NUMBERS ? n : TABLE_NUMBERS;
		memcpy(m.numbers, late, m.n * sizeof(*late));
		r = message_send(fd, &m, late);
		late += m.n;
		n -= m.n;
	} while (r == 0 && m.n);
	return r;
}

int tables_give(const struct restore_job *job, struct plugin_ctx *d)
{
	int32_t *late = NULL;
	uint32_t n = 0;
	int r = job->nfirst ? descriptors_late_numbers(d, &late, &n) : 0;

	for (uint32_t i = 0; i < job->nnodes && r == 0; i++)
		if (job->nodes[i].table == TABLE_FIRST)
			r = table_give(job->nodes[i].give_fd, late, n);
	free(late);
	return r;
}
