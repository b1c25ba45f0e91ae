/*
 * Room in a receive buffer, made and given back. The kernel has three limits for its size: what it gives by itself and
 * SO_RCVLOWAT, up to net.ipv4.tcp_rmem; SO_RCVBUF's, net.core.rmem_max; and none for SO_RCVBUFFORCE (CAP_NET_ADMIN).
 * What a packet takes beside its bytes is the kernel's business, and changes.
 */
#include "tcp.h"
#include <linux/sock_diag.h>

enum {
	BUF_LOCK = 72, /* SO_BUF_LOCK: which buffers' sizes the program has chosen */
	BUF_LOCK_RCV = 2,
	PACKET_MAX = 1 << 16,
	RELIEF = 2 * PACKET_MAX,
};

/* How large SO_RCVBUF would make a buffer; *force: whatever is asked for may be had. */
static int buffer_allowed(int size, bool *force)
{
	int fd = sock_new(AF_INET, SOCK_STREAM, 0), allowed = 0;

	*force = false;
	if (fd < 0)
		return 0;
	*force = sock_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, size / 2) == 0;
	if (*force || sock_set_int(fd, SOL_SOCKET, SO_RCVBUF, size / 2) == 0)
		allowed = sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	sys_close(fd);
	return allowed;
}

static void buffer_set(int fd, int size, bool force)
{
	sock_set_int(fd, SOL_SOCKET, force ? SO_RCVBUFFORCE : SO_RCVBUF, size / 2);
}

/* Behind SO_RCVLOWAT's limits there are those of SO_RCVBUF, and none with privileges. Never less than it has. */
static void buffer_enlarge(int fd, int want)
{
	int have = sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	bool force;

	if (have < want && buffer_allowed(want, &force) > have)
		buffer_set(fd, want, force);
}

/* What SO_RCVLOWAT makes of a buffer in which there is hardly any overhead: half of net.ipv4.tcp_rmem's most. */
static uint64_t buffer_reach(void)
{
	int fd = sock_new(AF_INET, SOCK_STREAM, 0), size;

	if (fd < 0)
		return 0;
	sock_set_int(fd, SOL_SOCKET, SO_RCVLOWAT, INT32_MAX / 2);
	size = sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	sys_close(fd);
	return size / 2;
}

static bool has_slack(uint64_t unread, uint64_t buffer)
{
	return unread <= buffer - buffer / 16;
}

bool tcp_may_refill(int fd, uint64_t unread)
{
	int have = sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	bool force;

	if (has_slack(unread, have) || has_slack(unread, buffer_reach()))
		return true;
	buffer_allowed(have, &force);
	return force;
}

bool tcp_is_full(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0}, n = sizeof(info), most;

	if (sock_get(fd, SOL_SOCKET, SO_MEMINFO, info, &n))
		return true;
	most = info[SK_MEMINFO_RCVBUF];
	return info[SK_MEMINFO_RMEM_ALLOC] + 2 * PACKET_MAX >= most - most / 8;
}

uint32_t tcp_room_keep(int fd)
{
	int locks = sock_int(fd, SOL_SOCKET, BUF_LOCK, -1);

	if (locks >= 0)
		sock_set_int(fd, SOL_SOCKET, BUF_LOCK, locks | BUF_LOCK_RCV);
	return locks;
}

void tcp_room_free(int fd, uint32_t locks)
{
	tcp_tell_room(fd);
	if ((int)locks >= 0)
		sock_set_int(fd, SOL_SOCKET, BUF_LOCK, locks);
}

void tcp_make_room(int fd, uint64_t want)
{
	int locks = sock_int(fd, SOL_SOCKET, BUF_LOCK, -1);
	int low = sock_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	int n;

	want += tcp_unread(fd);
	n = want < INT32_MAX / 2 ? want : INT32_MAX / 2;
	if (locks >= 0)
		sock_set_int(fd, SOL_SOCKET, BUF_LOCK, locks & ~BUF_LOCK_RCV);
	sock_set_int(fd, SOL_SOCKET, SO_RCVLOWAT, n);
	sock_set_int(fd, SOL_SOCKET, SO_RCVLOWAT, low);
	buffer_enlarge(fd, n);
	if (locks >= 0)
		sock_set_int(fd, SOL_SOCKET, BUF_LOCK, locks);
}

void tcp_room_return(int fd, int size)
{
	int locks = sock_int(fd, SOL_SOCKET, BUF_LOCK, -1);
	bool force;

	if (sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0) == size || buffer_allowed(size, &force) < size)
		return;
	buffer_set(fd, size, force);
	if (locks >= 0)
		sock_set_int(fd, SOL_SOCKET, BUF_LOCK, locks);
}

/* Not with an empty queue: that would take a pending error. */
void tcp_tell_room(int fd)
{
	char byte;

	if (sock_unread(fd) > 0)
		sys_call6(__NR_recvfrom, fd, (long)&byte, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0);
}

void tcp_relieve(struct plugin_ctx *c, const struct plugin_file *f, uint32_t peer_ino)
{
	struct plugin_file *other = peer_ino ? plugin_file_by_inode(c, f->dev, peer_ino) : NULL;
	struct tcp_given *g;

	if (!other || !other->mine || other == f || !tcp_is_full(other->fd))
		return;
	g = other->data;
	if (!g) {
		g = plugin_alloc(c, sizeof(*g));
		if (!g)
			return;
		*g = (struct tcp_given){
			.relieved = true,
			.room = sock_int(other->fd, SOL_SOCKET, SO_RCVBUF, 0),
			.locks = tcp_room_keep(other->fd),
		};
		other->data = g;
	}
	if (!g->relieved)
		return;
	tcp_make_room(other->fd, RELIEF);
	tcp_tell_room(other->fd);
}

void tcp_relieve_end(struct plugin_file *f)
{
	const struct tcp_given *g = f->data;

	if (!g || !g->relieved)
		return;
	tcp_room_return(f->fd, g->room);
	tcp_room_free(f->fd, g->locks);
	f->data = NULL;
}
