/*
 * Connections that wait to be accepted, and in which the client has sent already: as any client does that does
 * not wait for a greeting. What it has sent waits in a socket that belongs to nobody, where it can't be read.
 *
 * So such connections are accepted. The kernel has no way back for them. But both ends stand still, and
 * what there is of the connection can be made again:
 *
 *   save() of the listening socket	accepts all that wait, reads what the clients have sent, keeps it in the
 *					image, and gives it to the clients' processes
 *   resume() of the client		disconnects, connects to the listening socket as before, and sends it
 *					again (tcp_turns_run())
 *   resume() of the listening socket	closes what it had accepted
 *
 * When the checkpoint is called off in between, resume() does the same. The name of the client's socket stays. All is
 * as before but the order of clients of different processes.
 *
 * It is not done when one of those who wait is outside of the job: it could not be asked to come again.
 */
#include "tcp.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

enum { QUEUE_MAX = 4096 };

/* What save() of a listening socket has accepted. */
struct queue {
	uint32_t n;
	int fds[QUEUE_MAX];
};

/* What inet_diag tells of those who wait at a port. */
struct look {
	struct plugin_ctx *c;
	const struct plugin_file *f;
	union inet_name name; /* f's */
	bool has_sent, has_outside;
	uint32_t n;
	struct plugin_file *clients[QUEUE_MAX];
};

/* Others may listen at the same port of another address. */
static bool waits_here(const struct look *l, const struct inet_diag *d)
{
	union inet_name nobody = d->local;
	struct inet_diag listening;

	nobody.in4.sin_port = 0;
	return inet_diag_find(IPPROTO_TCP, &d->local, &nobody, &listening) == 0 &&
	       listening.state == TCPS_LISTEN && inet_name_eq(&listening.local, &l->name);
}

static void waiting_look(void *arg, const struct inet_diag *d)
{
	struct look *l = arg;
	struct plugin_file *file = NULL;
	struct inet_diag client;

	if (d->ino || (d->state != TCPS_ESTABLISHED && d->state != TCPS_CLOSE_WAIT) ||
	    !waits_here(l, d))
		return;
	if (inet_diag_find(IPPROTO_TCP, &d->remote, &d->local, &client) == 0 && client.ino)
		file = plugin_file_by_inode(l->c, l->f->dev, client.ino);
	if (!file || l->n == QUEUE_MAX) {
		l->has_outside = true;
		return;
	}
	l->clients[l->n++] = file;
	/* The end of the stream counts as one. */
	if (d->unread > (d->state == TCPS_CLOSE_WAIT) ||
	    client.unacked > (client.state == TCPS_FIN_WAIT1))
		l->has_sent = true;
}

/* Read all that the client has sent, keep it and give it back. 0 or -errno. */
static long content_take(struct plugin_ctx *c, const struct plugin_file *f, int fd,
			 const struct tcp_state *st, const struct plugin_file *client)
{
	struct inet_part part = {.kind = PART_QUEUED, .name = st->remote};
	uint32_t n = tcp_unread(fd);
	struct tcp_given *g = plugin_give(c, client, sizeof(*g) + n);
	struct tcp_info info;
	long got;

	if (!g)
		return -ENOMEM;
	tcp_info_read(fd, &info);
	*g = (struct tcp_given){
		.n = n,
		.reconnect = 1,
		.sent_end = info.tcpi_state == TCPS_CLOSE_WAIT,
		.name = st->local,
	};
	got = n ? sys_call6(__NR_recvfrom, fd, (long)(g + 1), n, MSG_DONTWAIT, 0, 0) : 0;
	plugin_put(c, f, &part, sizeof(part), g + 1, n);
	return got == n ? 0 : got < 0 ? got : -EIO;
}

static void accepted_save(struct plugin_ctx *c, const struct plugin_file *f, int fd)
{
	struct plugin_file *client = NULL;
	struct tcp_state st = {0};
	struct inet_diag d;
	long err = -ENOENT;

	inet_local(fd, &st.local);
	inet_remote(fd, &st.remote);
	if (inet_diag_find(IPPROTO_TCP, &st.remote, &st.local, &d) == 0 && d.ino)
		client = plugin_file_by_inode(c, f->dev, d.ino);
	if (client)
		err = tcp_settle(c, f, fd, &st, false);
	if (client)
		err = content_take(c, f, fd, &st, client);
	if (err)
		plugin_refuse(c, f, "what waits in a connection that is not accepted can't be kept: %s",
			      errno_name(err));
}

static void queue_take(struct plugin_ctx *c, struct plugin_file *f)
{
	struct queue *q = plugin_alloc(c, sizeof(*q));
	uint32_t i;
	int fd;

	if (!q)
		return;
	f->data = q;
	sys_fcntl(f->fd, F_SETFL, f->flags | O_NONBLOCK);
	while (q->n < QUEUE_MAX) {
		fd = sys_call4(__NR_accept4, f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			break;
		q->fds[q->n++] = fd;
	}
	sys_fcntl(f->fd, F_SETFL, f->flags);
	for (i = 0; i < q->n; i++)
		accepted_save(c, f, q->fds[i]);
}

/* Have all clients connect again; or none, if one does not take part any more. */
static void clients_call(struct plugin_ctx *c, struct plugin_file *f, struct look *l)
{
	uint32_t n = 0;

	while (n < l->n && tcp_turn_take(c, l->clients[n]))
		n++;
	if (n == l->n)
		queue_take(c, f);
	else
		plugin_refuse_for_now(c, f, "clients that wait to be accepted have sent already; try again");
	while (n)
		tcp_turn_ready(c, l->clients[--n]);
}

void tcp_queue_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct look *l;

	if (!(sock_poll(f->fd, POLLIN) & POLLIN))
		return;
	l = plugin_alloc(c, sizeof(*l));
	if (!l)
		return;
	l->c = c;
	l->f = f;
	inet_local(f->fd, &l->name);
	inet_diag_port(inet_port(&l->name), waiting_look, l);
	if (!l->has_sent)
		return;
	if (l->has_outside)
		plugin_refuse_for_now(
			c, f, "clients of the job and of outside wait to be accepted, and have sent; try again");
	else
		clients_call(c, f, l);
}

/* ---- Before the program runs on ---------------------------------------------------------- */

/*
 * By a reset, which leaves nothing in TIME_WAIT that would have the client's port. It does not take what the client
 * has received; only when that has had no room yet it must not be.
 */
void tcp_queue_release(struct plugin_file *f)
{
	const struct linger at_once = {.l_onoff = 1};
	const struct queue *q = f->data;
	uint32_t i;
	int unsent;

	for (i = 0; q && i < q->n; i++) {
		unsent = 1;
		sys_ioctl(q->fds[i], SIOCOUTQNSD, &unsent);
		if (!unsent)
			sock_set(q->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		sys_close(q->fds[i]);
	}
}
