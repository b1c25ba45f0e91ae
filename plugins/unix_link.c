/*
 * Restart of Unix sockets: names, who listens, and who is connected with whom.
 *
 *	names		of all that others may look for
 *	listening
 *	pairs		both ends of the job: socketpair(2); where one has a name, as accepted
 *connections have, by connecting to who listens there, or listened single ends	the same, with a
 *socket of ours as peer (queues) gone peers	our socket is closed
 *	sending		datagram sockets connected to a name; they would not take others' messages
 *before pending		who was not accepted yet connects again
 *
 * What records the pid of its maker (SO_PEERCRED) is made by a process with that pid.
 */
#include "unix.h"

struct call {
	long nr, a, b, c, d;
	long result;
	bool has_run;
};

static int call_run(void *arg)
{
	struct call *call = arg;

	call->has_run = true;
	call->result = sys_call4(call->nr, call->a, call->b, call->c, call->d);
	return 0;
}

long unix_call_as(struct plugin_ctx *c, int pid, long nr, long a, long b, long d, long e)
{
	struct call call = {nr, a, b, d, e, 0, false};

	if (pid > 1)
		plugin_as_pid(c, pid, call_run, &call);
	if (!call.has_run)
		call_run(&call);
	return call.result;
}

typedef int socket_fn(struct plugin_ctx *c, struct unix_socket *s);

static int for_all(struct plugin_ctx *c, socket_fn *fn)
{
	struct plugin_file *f;
	int err = 0;

	for (f = plugin_file_next(c, NULL); !err && f; f = plugin_file_next(c, f))
		if (f->plugin == &plugin_unix)
			err = fn(c, f->data);
	return err;
}

static struct unix_socket *socket_by_id(struct plugin_ctx *c, uint32_t id)
{
	struct plugin_file *f = id ? plugin_file_by_id(c, id) : NULL;

	return f && f->plugin == &plugin_unix ? f->data : NULL;
}

static bool same_name(const char *a, uint32_t n, const char *b, uint32_t m)
{
	return n == m && !__builtin_memcmp(a, b, n);
}

struct unix_socket *unix_by_name(struct plugin_ctx *c, const char *name, uint32_t len, int type,
				 enum unix_kind kind)
{
	struct unix_socket *s;
	struct plugin_file *f;

	for (f = plugin_file_next(c, NULL); f; f = plugin_file_next(c, f)) {
		s = f->plugin == &plugin_unix ? f->data : NULL;
		if (s && s->st.type == type && (!kind || s->st.kind == kind) &&
		    same_name(s->name, s->st.name_len, name, len))
			return s;
	}
	return NULL;
}

/* Let f be the socket fd, which is closed. */
static int adopt(struct plugin_ctx *c, const struct plugin_file *f, int fd)
{
	int err = sys_dup3(fd, f->fd, O_CLOEXEC);

	sys_close(fd);
	return err < 0 ? plugin_fail(c, f, err, "no descriptor") : 0;
}

/* ---- Names, listening -------------------------------------------------------------------- */

/* An accepted connection has its name from who listens, and a pair is not made yet. */
static int bind_early(struct plugin_ctx *c, struct unix_socket *s)
{
	bool connected = s->st.kind != UNIX_SINGLE && s->st.kind != UNIX_LISTENING &&
			 s->st.kind != UNIX_SENDING && s->st.kind != UNIX_PENDING;

	return connected ? 0 : unix_bind(c, s);
}

static int listen_again(struct plugin_ctx *c, struct unix_socket *s)
{
	long err;

	if (s->st.kind != UNIX_LISTENING)
		return 0;
	err = unix_call_as(c, s->st.peercred.pid, __NR_listen, s->file->fd, s->st.backlog, 0, 0);
	return err ? plugin_fail(c, s->file, err, "listen") : 0;
}

/* ---- Connections ------------------------------------------------------------------------- */

/* An end of a connection: a socket of the job, or one of ours in the place of one. */
struct end {
	struct unix_socket *s; /* NULL: ours */
	int fd;
	const char *name;
	uint32_t name_len;
	int pid; /* of who made the other end, as SO_PEERCRED of this tells; 0: any */
};

static struct end end_of(struct unix_socket *s)
{
	return (struct end){s, s->file->fd, s->name, s->st.name_len, s->st.peercred.pid};
}

/* What s was connected to, and is not there. */
static struct end end_instead(const struct unix_socket *s)
{
	return (struct end){NULL, -1, s->peer_name, s->st.peer_name_len, 0};
}

static int end_set(struct plugin_ctx *c, struct end *e, int fd)
{
	if (e->s)
		return adopt(c, e->s->file, fd);
	e->fd = fd;
	return 0;
}

static int pair_make(struct plugin_ctx *c, const struct plugin_file *f, int type, struct end *a,
		     struct end *b)
{
	int fds[2], err;

	err = unix_call_as(c, a->pid, __NR_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, (long)fds);
	if (err)
		return plugin_fail(c, f, err, "socketpair");
	err = end_set(c, a, fds[0]);
	if (!err)
		err = end_set(c, b, fds[1]);
	return err;
}

/* Something that listens at the name of the server's end: of the job, or for now. */
struct listener {
	struct unix_socket *s;
	int fd, path_fd;
};

static int listener_get(struct plugin_ctx *c, int type, const struct end *server,
			const struct end *client, struct listener *l)
{
	int err;

	l->path_fd = -1;
	l->s = unix_by_name(c, server->name, server->name_len, type, UNIX_LISTENING);
	if (l->s) {
		l->fd = l->s->file->fd;
		return 0;
	}
	l->fd = sys_call3(__NR_socket, AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return l->fd;
	err = unix_bind_hidden(l->fd, server->name, server->name_len, &l->path_fd);
	return err ? err : (int)unix_call_as(c, client->pid, __NR_listen, l->fd, 1, 0, 0);
}

static void listener_put(const struct listener *l)
{
	if (l->s)
		return;
	if (l->path_fd >= 0)
		sys_close(l->path_fd);
	if (l->fd >= 0)
		sys_close(l->fd);
}

static uint32_t listener_address(const struct listener *l, const struct end *server,
				 struct sockaddr_un *addr)
{
	struct unix_socket ours = {.path_fd = l->path_fd, .name = server->name};

	ours.st.name_len = server->name_len;
	return unix_address(l->s ? l->s : &ours, addr);
}

/* The server's new descriptor or -errno. */
static int connect_accept(struct plugin_ctx *c, const struct listener *l, const struct end *server,
			  const struct end *client)
{
	struct sockaddr_un addr;
	uint32_t n = listener_address(l, server, &addr);
	int err = unix_call_as(c, server->pid, __NR_connect, client->fd, (long)&addr, n, 0);

	return err ? err : sys_call4(__NR_accept4, l->fd, NULL, NULL, SOCK_CLOEXEC);
}

static int connection_make(struct plugin_ctx *c, int type, struct end *server, struct end *client)
{
	struct listener l = {.fd = -1};
	int fd = 0;

	if (!client->s)
		fd = client->fd = sys_call3(__NR_socket, AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && client->name_len)
		fd = unix_bind_hidden(client->fd, client->name, client->name_len, NULL);
	if (fd >= 0)
		fd = listener_get(c, type, server, client, &l);
	if (fd >= 0)
		fd = connect_accept(c, &l, server, client);
	listener_put(&l);
	return fd < 0 ? fd : end_set(c, server, fd);
}

/* Is a the end that was accepted? It has the name of who listened. */
static bool is_server(struct plugin_ctx *c, int type, const struct end *a, const struct end *b)
{
	if (!a->name_len || !b->name_len)
		return a->name_len;
	return !unix_by_name(c, b->name, b->name_len, type, UNIX_LISTENING);
}

static int ends_connect(struct plugin_ctx *c, const struct unix_socket *s, struct end *a,
			struct end *b)
{
	bool first;
	int err;

	if (s->st.type == SOCK_DGRAM || (!a->name_len && !b->name_len))
		return pair_make(c, s->file, s->st.type, a, b);
	first = is_server(c, s->st.type, a, b);
	err = connection_make(c, s->st.type, first ? a : b, first ? b : a);
	if (!err)
		return 0;
	plugin_caution(c, s->file, "its connection has no name now: %s", errno_name(err));
	return pair_make(c, s->file, s->st.type, a, b);
}

/* Datagram sockets that were made as a pair may have got names, by which they are known. */
static int bind_late(struct plugin_ctx *c, struct unix_socket *s)
{
	return s->st.type == SOCK_DGRAM && s->path_fd < 0 ? unix_bind(c, s) : 0;
}

static int connect_with_peer(struct plugin_ctx *c, struct unix_socket *s)
{
	struct unix_socket *peer;
	struct end a, b;
	int err;

	if (s->st.kind != UNIX_PAIR || s->is_linked)
		return 0;
	peer = socket_by_id(c, s->st.peer);
	if (!peer || peer->is_linked || peer->st.peer != s->file->id ||
	    peer->st.type != s->st.type || peer == s)
		return plugin_fail(c, s->file, 0, "its record names a wrong peer");
	s->is_linked = peer->is_linked = true;
	a = end_of(s);
	b = end_of(peer);
	err = ends_connect(c, s, &a, &b);
	if (!err)
		err = bind_late(c, s);
	return err ? err : bind_late(c, peer);
}

static int connect_without_peer(struct plugin_ctx *c, struct unix_socket *s)
{
	struct end a, b;
	int err;

	if (s->st.kind != UNIX_HALF && s->st.kind != UNIX_OUTSIDE)
		return 0;
	a = end_of(s);
	b = end_instead(s);
	err = ends_connect(c, s, &a, &b);
	s->sender_fd = b.fd;
	return err ? err : bind_late(c, s);
}

int unix_link_all(struct plugin_ctx *c)
{
	static socket_fn *const steps[] = {bind_early, listen_again, connect_with_peer,
					   connect_without_peer};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++)
		err = for_all(c, steps[i]);
	return err;
}

/* ---- When the queues are full ------------------------------------------------------------ */

/* What the peer has not read when it is closed makes the other's next use fail: ECONNRESET. */
void unix_peer_close(struct unix_socket *s)
{
	bool reset = s->st.type != SOCK_DGRAM && (s->st.kind == UNIX_OUTSIDE || s->st.reset);

	if (s->sender_fd < 0)
		return;
	if (reset)
		sys_call6(__NR_sendto, s->file->fd, (long)"", 1, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
	sys_close(s->sender_fd);
	s->sender_fd = -1;
}

static int peer_close(struct plugin_ctx *c, struct unix_socket *s)
{
	(void)c;
	if (!s->is_late)
		unix_peer_close(s);
	return 0;
}

static int connect_to_name(struct plugin_ctx *c, struct unix_socket *s)
{
	struct unix_socket *peer = socket_by_id(c, s->st.peer);
	struct sockaddr_un addr;
	uint32_t n;

	if (s->st.kind != UNIX_SENDING)
		return 0;
	n = peer ? unix_address(peer, &addr)
		 : unix_address_of(s->peer_name, s->st.peer_name_len, &addr);
	if (sys_call3(__NR_connect, s->file->fd, &addr, n))
		plugin_caution(c, s->file, "nobody listens at what it was connected to");
	return 0;
}

static int client_connect(struct plugin_ctx *c, struct unix_socket *s, struct unix_socket *client)
{
	struct sockaddr_un addr;
	uint32_t n = unix_address(s, &addr);
	int fd = client->file->fd, err;

	sys_fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	err = unix_call_as(c, client->file->pid, __NR_connect, fd, (long)&addr, n, 0);
	client->is_linked = true;
	return err ? plugin_fail(c, s->file, err, "who waits to be accepted can't connect again")
		   : 0;
}

static int clients_connect(struct plugin_ctx *c, struct unix_socket *s)
{
	struct unix_socket *client;
	struct unix_part part;
	const uint32_t *ids;
	size_t i, n;
	int err = 0;

	ids = s->st.kind == UNIX_LISTENING ? plugin_get(c, s->file, 1, &part, sizeof(part), &n)
					   : NULL;
	if (!ids || part.kind != UNIX_PART_PENDING)
		return 0;
	for (i = 0; !err && i < n / sizeof(*ids); i++) {
		client = socket_by_id(c, ids[i]);
		if (client && client->st.kind == UNIX_PENDING && !client->is_linked)
			err = client_connect(c, s, client);
	}
	return err;
}

/* It was about to be accepted by a process outside the job. */
static int unclaimed_reset(struct plugin_ctx *c, struct unix_socket *s)
{
	struct end a, b;
	int err;

	if (s->st.kind != UNIX_PENDING || s->is_linked)
		return 0;
	plugin_caution(c, s->file, "its peer is outside the job: it comes back as reset");
	s->st.kind = UNIX_OUTSIDE;
	a = end_of(s);
	b = (struct end){.fd = -1};
	a.name_len = 0;
	err = pair_make(c, s->file, s->st.type, &a, &b);
	s->sender_fd = b.fd;
	return err ? err : peer_close(c, s);
}

int unix_link_rest(struct plugin_ctx *c)
{
	static socket_fn *const steps[] = {peer_close, connect_to_name, clients_connect,
					   unclaimed_reset};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++)
		err = for_all(c, steps[i]);
	return err;
}
