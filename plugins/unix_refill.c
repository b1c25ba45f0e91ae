/*
 * What waited in a Unix socket is sent to it again: by its peer, by the socket of the job that has
 * the sender's name, or by one of ours that gets the name for that; with the descriptors that were
 * under way, and with the credentials, where they can be given.
 */
#include "unix.h"
#include <sys/uio.h>

enum { CHUNKS_MAX = 64 /* of one message */ };

/* A message being put together. */
struct message {
	struct unix_part part; /* of its first chunk */
	const uint32_t *ids;
	const char *name;
	struct iovec iov[CHUNKS_MAX];
	uint32_t niov;
};

/* Room for anything, for as long as we send; the options set later are what they were. */
static void room_make(int fd)
{
	int n = 64 << 20;

	if (sock_set_int(fd, SO_SNDBUFFORCE, n))
		sock_set_int(fd, SO_SNDBUF, n);
}

/* Add the index-th record; false when there is none, or a damaged one. */
static bool message_add(struct plugin_ctx *c, const struct plugin_file *f, unsigned int index,
			struct message *m, uint32_t *flags)
{
	struct unix_part part;
	const uint8_t *p;
	size_t n, head;

	p = plugin_get(c, f, index, &part, sizeof(part), &n);
	if (!p || part.nfiles > UNIX_FDS_MAX || part.name_len > UNIX_NAME_MAX)
		return false;
	head = part.nfiles * sizeof(uint32_t) + part.name_len;
	if (head > n)
		return false;
	if (!m->niov) {
		m->part = part;
		m->ids = (const uint32_t *)p;
		m->name = (const char *)p + part.nfiles * sizeof(uint32_t);
	}
	m->iov[m->niov++] = (struct iovec){(void *)(p + head), n - head};
	*flags = part.flags;
	return true;
}

/* 0 or -errno: one of the files is missing. */
static int fds_find(struct plugin_ctx *c, const struct message *m, int *fds)
{
	const struct plugin_file *f;
	uint32_t i, id;

	for (i = 0; i < m->part.nfiles; i++) {
		__builtin_memcpy(&id, &m->ids[i], sizeof(id));
		f = plugin_file_by_id(c, id);
		if (!f || f->fd < 0)
			return -EBADMSG;
		fds[i] = f->fd;
	}
	return 0;
}

static void control_put(struct msghdr *h, int type, const void *p, size_t n)
{
	struct cmsghdr *cmsg = (void *)((char *)h->msg_control + h->msg_controllen);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(n);
	__builtin_memcpy(CMSG_DATA(cmsg), p, n);
	h->msg_controllen += CMSG_SPACE(n);
}

/* Where a message comes from. */
struct sender {
	int fd;
	bool is_ours; /* to be closed */
	struct sockaddr_un to;
	uint32_t to_len; /* 0: it is connected */
};

/* A socket for a sender that is not there any more; without its name if another has that now. */
static int stranger_make(struct plugin_ctx *c, const struct unix_socket *s, const struct message *m)
{
	int fd = sys_call3(__NR_socket, AF_UNIX, s->st.type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && m->part.name_len && unix_bind_hidden(fd, m->name, m->part.name_len, NULL))
		plugin_caution(c, s->file,
			       "a message that waits in it comes without its sender's name");
	return fd;
}

static int sender_find(struct plugin_ctx *c, const struct unix_socket *s, const struct message *m,
		       struct sender *from)
{
	struct plugin_file *peer =
		s->st.kind == UNIX_PAIR ? plugin_file_by_id(c, s->st.peer) : NULL;
	struct unix_socket *named = NULL;

	*from = (struct sender){.fd = peer ? peer->fd : s->sender_fd};
	if (from->fd >= 0)
		return 0;
	if (m->part.name_len)
		named = unix_by_name(c, m->name, m->part.name_len, s->st.type, 0);
	from->fd = named ? named->file->fd : stranger_make(c, s, m);
	from->is_ours = !named;
	from->to_len = unix_address(s, &from->to);
	return from->fd < 0 ? from->fd : 0;
}

/* A queue of datagrams has a limit, but for those of the peer: let its sender become that. */
static bool become_peer(struct plugin_ctx *c, const struct unix_socket *s, const struct message *m)
{
	struct unix_socket *peer =
		m->part.name_len ? unix_by_name(c, m->name, m->part.name_len, s->st.type, 0) : NULL;
	struct sockaddr_un addr;
	uint32_t n;

	if (!peer || s->st.kind != UNIX_SENDING || peer->file->id != s->st.peer)
		return false;
	n = unix_address(peer, &addr);
	return sys_call3(__NR_connect, s->file->fd, &addr, n) == 0;
}

static long message_pass(struct plugin_ctx *c, const struct unix_socket *s, const struct message *m,
			 int fd, const struct msghdr *h)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (m->part.flags & UNIX_PART_OOB ? MSG_OOB : 0);
	long n = unix_call_as(c, m->part.cred.pid, __NR_sendmsg, fd, (long)h, flags, 0);

	if (n == -EAGAIN && become_peer(c, s, m))
		n = unix_call_as(c, m->part.cred.pid, __NR_sendmsg, fd, (long)h, flags, 0);
	return n;
}

static long send_from(struct plugin_ctx *c, const struct unix_socket *s, struct message *m,
		      struct sender *from)
{
	union unix_control control;
	int fds[UNIX_FDS_MAX];
	size_t with_fds;
	struct msghdr h = {.msg_name = from->to_len ? &from->to : NULL,
			   .msg_namelen = from->to_len,
			   .msg_iov = m->iov,
			   .msg_iovlen = m->niov,
			   .msg_control = &control};
	long n = fds_find(c, m, fds);

	if (n)
		return n;
	if (m->part.nfiles)
		control_put(&h, SCM_RIGHTS, fds, m->part.nfiles * sizeof(int));
	room_make(from->fd);
	if (!m->part.cred.pid)
		return message_pass(c, s, m, from->fd, &h);
	with_fds = h.msg_controllen;
	control_put(&h, SCM_CREDENTIALS, &m->part.cred, sizeof(m->part.cred));
	n = message_pass(c, s, m, from->fd, &h);
	if (n != -EPERM && n != -EINVAL && n != -ESRCH)
		return n;
	plugin_caution(c, s->file, "a message of process %d, user %u, comes without credentials",
		       m->part.cred.pid, m->part.cred.uid);
	h.msg_controllen = with_fds;
	return message_pass(c, s, m, from->fd, &h);
}

static int message_send(struct plugin_ctx *c, const struct unix_socket *s, struct message *m)
{
	struct sender from;
	long n = sender_find(c, s, m, &from);

	if (n == 0)
		n = send_from(c, s, m, &from);
	if (from.is_ours && from.fd >= 0)
		sys_close(from.fd);
	m->niov = 0;
	return n < 0 ? plugin_fail(c, s->file, n, "what waited in it can't be put back") : 0;
}

/* Is a file under way in it that is made only when the processes are there? */
static bool is_late(struct plugin_ctx *c, const struct unix_socket *s)
{
	struct message m;
	const struct plugin_file *f;
	uint32_t flags, id, i;
	unsigned int index;

	for (index = 1; m.niov = 0, message_add(c, s->file, index, &m, &flags); index++)
		for (i = 0; m.part.kind == UNIX_PART_DATA && i < m.part.nfiles; i++) {
			__builtin_memcpy(&id, &m.ids[i], sizeof(id));
			f = plugin_file_by_id(c, id);
			if (f && f->plugin->is_late)
				return true;
		}
	return false;
}

int unix_queue_fill(struct plugin_ctx *c, struct unix_socket *s, bool late)
{
	struct message m = {.niov = 0};
	unsigned int index;
	uint32_t flags;
	int err = 0;

	s->is_late = is_late(c, s);
	if (s->is_late != late)
		return 0;
	for (index = 1; !err && message_add(c, s->file, index, &m, &flags); index++) {
		if (flags & UNIX_PART_MORE && m.niov < CHUNKS_MAX)
			continue;
		if (m.part.kind == UNIX_PART_DATA)
			err = message_send(c, s, &m);
		m.niov = 0;
	}
	return err;
}
