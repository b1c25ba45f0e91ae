/*
 * Unix sockets: type, state, peer, options. See unix.h for the rest.
 *
 * Only the kernel's unix_diag tells which socket is the peer, and who waits to be accepted. A
 * connection whose other end is of the job is made anew with it; one with a peer that is closed
 * comes back as half of a connection whose other half is closed again, and one with a peer outside
 * the job as reset.
 *
 * Who is connected but not accepted has a peer without an inode; the listening socket knows in
 * which order they came. What such a client has sent can be read by nobody before it is accepted,
 * and accepting can't be undone: that checkpoint is refused; so is one when such a client has gone,
 * for nobody knows what it has sent.
 */
#include "unix.h"
#include <linux/unix_diag.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>

enum { ESTABLISHED = 1, LISTENING = 10 /* TCP_LISTEN */ };

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#define SO_PASSRIGHTS_ 83
#define SO_INQ_	       84

/* The position in struct unix_state, and so in images. */
static const int int_options[] = {
	SO_SNDBUF,    SO_RCVBUF,    SO_RCVLOWAT,    SO_PRIORITY,    SO_PEEK_OFF,  SO_PASSCRED,
	SO_PASSSEC,   SO_PASSPIDFD, SO_PASSRIGHTS_, SO_INQ_,	    SO_OOBINLINE, SO_REUSEADDR,
	SO_KEEPALIVE, SO_BROADCAST, SO_DONTROUTE,   SO_TIMESTAMPNS,
};
static const int time_options[] = {SO_RCVTIMEO, SO_SNDTIMEO};

enum {
	NINTS = sizeof(int_options) / sizeof(int_options[0]),
	NTIMES = sizeof(time_options) / sizeof(time_options[0]),
};

/* What unix_diag says of a socket. */
struct unix_info {
	uint8_t state;
	uint8_t shutdown; /* as the kernel counts: 1 receiving, 2 sending */
	bool has_peer;
	uint32_t peer_ino;	/* 0: the peer is closed, or not accepted */
	struct unix_place file; /* that it is bound to */
	uint32_t backlog;
	uint32_t npending;
	uint32_t *pending; /* inodes of who waits to be accepted */
	struct plugin_ctx *c;
};

static bool unix_match(const struct plugin_file *f)
{
	return is_socket_of(f, AF_UNIX);
}

static bool is_stream(int type)
{
	return type != SOCK_DGRAM;
}

/* ---- Save -------------------------------------------------------------------------------- */

static const void *attr(const struct nlmsghdr *h, int type, size_t size, size_t *n)
{
	const void *p = sockdiag_attr(h, sizeof(struct unix_diag_msg), type, n);

	return p && *n >= size ? p : NULL;
}

static void diag_parse(const struct nlmsghdr *h, void *arg)
{
	struct unix_info *info = arg;
	const uint32_t *p;
	size_t n;

	info->state = ((const struct unix_diag_msg *)NLMSG_DATA(h))->udiag_state;
	p = attr(h, UNIX_DIAG_PEER, sizeof(*p), &n);
	info->has_peer = p;
	info->peer_ino = p ? *p : 0;
	p = attr(h, UNIX_DIAG_VFS, sizeof(struct unix_diag_vfs), &n);
	info->file = p ? (struct unix_place){p[0], p[1]} : (struct unix_place){0, 0};
	p = attr(h, UNIX_DIAG_SHUTDOWN, 1, &n);
	info->shutdown = p ? *(const uint8_t *)p : 0;
	p = attr(h, UNIX_DIAG_RQLEN, sizeof(struct unix_diag_rqlen), &n);
	info->backlog = p && info->state == LISTENING ? p[1] : 0;
	p = attr(h, UNIX_DIAG_ICONS, sizeof(*p), &n);
	info->pending = p ? plugin_alloc(info->c, n) : NULL;
	if (!info->pending)
		return;
	info->npending = n / sizeof(*p);
	__builtin_memcpy(info->pending, p, n);
}

struct diag_request {
	struct nlmsghdr h;
	struct unix_diag_req r;
};

/* Ask the kernel about the Unix socket with this inode. 0 or -errno. */
static int diag_ask(struct plugin_ctx *c, uint32_t ino, struct unix_info *info)
{
	struct diag_request req = {
		.r = {.sdiag_family = AF_UNIX,
		      .udiag_states = ~0u,
		      .udiag_ino = ino,
		      .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN |
				    UDIAG_SHOW_ICONS,
		      .udiag_cookie = {~0u, ~0u}},
	};

	*info = (struct unix_info){.c = c};
	return sockdiag_ask(&req.h, sizeof(req), false, diag_parse, info);
}

/* What has been sent, and not read, before it is accepted: only the sender can be asked. */
static bool has_sent(const struct plugin_file *f)
{
	int n = 0;

	return sys_ioctl(f->fd, TIOCOUTQ, &n) == 0 && n > 0;
}

static void pending_save(struct plugin_ctx *c, const struct plugin_file *f,
			 const struct unix_info *info)
{
	const struct unix_part part = {.kind = UNIX_PART_PENDING};
	uint32_t *ids = info->pending;
	struct plugin_file *client;
	uint32_t i, n = 0;

	if (!info->npending)
		return;
	for (i = 0; i < info->npending; i++) {
		if (!ids[i])
			plugin_refuse_for_now(
				c, f,
				"a connection that is not yet accepted is closed already, and "
				"may have bytes waiting; try again");
		client = ids[i] ? plugin_file_by_inode(c, f->dev, ids[i]) : NULL;
		if (client)
			ids[n++] = client->id;
	}
	plugin_put(c, f, &part, sizeof(part), ids, n * sizeof(*ids));
}

static void options_save(int fd, struct unix_state *st)
{
	struct timeval tv;
	int i;

	for (i = 0; i < NINTS; i++)
		st->ints[i] = sock_get_int(fd, int_options[i]);
	for (i = 0; i < NTIMES; i++) {
		tv = (struct timeval){0, 0};
		sock_get(fd, time_options[i], &tv, sizeof(tv));
		st->times_us[i] = tv.tv_sec * 1000000ll + tv.tv_usec;
	}
}

/* Bytes of a name: what getsockname(2) or getpeername(2) gives. */
static uint32_t name_get(int fd, long call, struct sockaddr_un *addr)
{
	uint32_t n = sizeof(*addr);
	long err = sys_call3(call, fd, addr, &n);

	if (err || n > sizeof(*addr) || n <= sizeof(addr->sun_family))
		return 0;
	return n - sizeof(addr->sun_family);
}

static bool has_error(const struct plugin_file *f)
{
	struct pollfd p = {.fd = f->fd};

	return sys_call3(__NR_poll, &p, 1, 0) > 0 && p.revents & POLLERR;
}

static enum unix_kind kind_of_datagram(const struct unix_info *info, const struct unix_state *st)
{
	if (!info->has_peer)
		return UNIX_SINGLE;
	if (st->peer_name_len)
		return UNIX_SENDING;
	return st->peer ? UNIX_PAIR : info->peer_ino ? UNIX_OUTSIDE : UNIX_HALF;
}

static enum unix_kind kind_of(const struct unix_info *info, const struct unix_state *st)
{
	if (!is_stream(st->type))
		return kind_of_datagram(info, st);
	if (info->state == LISTENING)
		return UNIX_LISTENING;
	if (!info->has_peer)
		return UNIX_SINGLE;
	if (info->peer_ino)
		return st->peer ? UNIX_PAIR : UNIX_OUTSIDE;
	return info->shutdown == 3 ? UNIX_HALF : UNIX_PENDING;
}

static void state_put(struct plugin_ctx *c, const struct plugin_file *f,
		      const struct unix_state *st, const char *name, const char *peer_name,
		      const char *dir)
{
	char *names = plugin_alloc(c, st->name_len + st->peer_name_len + st->dir_len + 1);

	if (!names)
		return;
	__builtin_memcpy(names, name, st->name_len);
	__builtin_memcpy(names + st->name_len, peer_name, st->peer_name_len);
	__builtin_memcpy(names + st->name_len + st->peer_name_len, dir, st->dir_len);
	plugin_put(c, f, st, sizeof(*st), names, st->name_len + st->peer_name_len + st->dir_len);
}

static void state_save(struct plugin_ctx *c, struct plugin_file *f, const struct unix_info *info)
{
	struct unix_state st = {.type = sock_get_int(f->fd, SO_TYPE)};
	struct plugin_file *peer = NULL;
	struct sockaddr_un name, peer_name;
	char dir[UNIX_PATH_MAX];

	st.name_len = name_get(f->fd, __NR_getsockname, &name);
	st.peer_name_len = name_get(f->fd, __NR_getpeername, &peer_name);
	if (info->peer_ino)
		peer = plugin_file_by_inode(c, f->dev, info->peer_ino);
	st.peer = peer ? peer->id : 0;
	st.kind = kind_of(info, &st);
	if (st.kind == UNIX_OUTSIDE && plugin_std_numbers(c, f)) {
		plugin_outside(c, f, "its peer is outside the job");
		return;
	}
	if (st.kind == UNIX_OUTSIDE)
		plugin_warn(c, f, "its peer is outside the job: it comes back as reset");
	if (st.kind == UNIX_PENDING && has_sent(f))
		plugin_refuse_for_now(
			c, f, "a connection that is not yet accepted has bytes waiting; try again");
	st.shutdown = info->shutdown;
	st.backlog = info->backlog;
	st.reset = st.kind == UNIX_HALF && is_stream(st.type) && has_error(f);
	sock_get(f->fd, SO_PEERCRED, &st.peercred, sizeof(st.peercred));
	options_save(f->fd, &st);
	unix_name_find(name.sun_path, &info->file, &st, dir);
	state_put(c, f, &st, name.sun_path, peer_name.sun_path, dir);
	pending_save(c, f, info);
}

static void unix_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct unix_info info;
	int err = diag_ask(c, f->ino, &info);

	if (err) {
		plugin_refuse(c, f, "the kernel does not tell its peer (unix_diag): %s",
			      errno_name(err));
		return;
	}
	state_save(c, f, &info);
	if (f->plugin == &plugin_unix)
		unix_queue_save(c, f);
}

/* ---- Restart ----------------------------------------------------------------------------- */

/* The path that a name is leads elsewhere now (ckpt_restart --map-path). */
static bool name_move(struct plugin_ctx *c, const char **name, uint32_t *len)
{
	char path[UNIX_NAME_MAX + 1] = "";
	const char *now;
	size_t n;

	if (!unix_has_path(*name, *len))
		return true;
	__builtin_memcpy(path, *name, *len);
	now = plugin_moved_path(c, path);
	if (now == path)
		return true;
	n = str_len(now) + !(*name)[*len - 1];
	*name = now;
	*len = n;
	return n <= UNIX_NAME_MAX;
}

static bool names_move(struct plugin_ctx *c, struct unix_socket *s)
{
	const char *dir = s->st.dir_len ? plugin_moved_path(c, s->dir) : s->dir;

	if (dir != s->dir)
		s->st.dir_len = str_len(dir) + 1;
	s->dir = dir;
	return s->st.dir_len <= UNIX_PATH_MAX && name_move(c, &s->name, &s->st.name_len) &&
	       name_move(c, &s->peer_name, &s->st.peer_name_len);
}

static struct unix_socket *state_get(struct plugin_ctx *c, struct plugin_file *f)
{
	struct unix_socket *s = plugin_alloc(c, sizeof(*s));
	const char *names;
	size_t n;

	names = s ? plugin_get(c, f, 0, &s->st, sizeof(s->st), &n) : NULL;
	if (!names || s->st.name_len > UNIX_NAME_MAX || s->st.peer_name_len > UNIX_NAME_MAX ||
	    s->st.dir_len > UNIX_PATH_MAX ||
	    s->st.name_len + s->st.peer_name_len + s->st.dir_len != n)
		return NULL;
	s->file = f;
	s->path_fd = s->sender_fd = -1;
	s->name = names;
	s->peer_name = names + s->st.name_len;
	s->dir = names + s->st.name_len + s->st.peer_name_len;
	if (s->st.dir_len && s->dir[s->st.dir_len - 1])
		return NULL;
	return names_move(c, s) ? s : NULL;
}

/* A socket of the type: what is connected with socketpair(2) or accept(2) takes its place later. */
static int unix_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct unix_socket *s = state_get(c, f);
	int fd;

	if (!s)
		return plugin_fail(c, f, 0, "its record is missing or damaged");
	f->data = s;
	fd = sys_call3(__NR_socket, AF_UNIX, s->st.type | SOCK_CLOEXEC, 0);
	return fd < 0 ? plugin_fail(c, f, fd, "socket") : fd;
}

/* Is it the first of all Unix sockets? That does what has to be done for all at once. */
static bool is_first(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct plugin_file *p = plugin_file_next(c, NULL);

	while (p && p->plugin != f->plugin)
		p = plugin_file_next(c, p);
	return p == f;
}

static int queues_fill(struct plugin_ctx *c, bool late)
{
	struct plugin_file *f;
	int err = 0;

	for (f = plugin_file_next(c, NULL); !err && f; f = plugin_file_next(c, f))
		if (f->plugin == &plugin_unix)
			err = unix_queue_fill(c, f->data, late);
	return err;
}

static int unix_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	int err;

	if (!is_first(c, f))
		return 0;
	err = unix_link_all(c);
	if (!err)
		err = queues_fill(c, false);
	return err ? err : unix_link_rest(c);
}

/* The kernel doubles the sizes that it is given. */
static int option_value(int option, int value)
{
	return option == SO_SNDBUF || option == SO_RCVBUF ? value / 2 : value;
}

static void option_restore(struct plugin_ctx *c, const struct plugin_file *f, int option, int want)
{
	int force = option == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
	int value = option_value(option, want);

	if (sock_get_int(f->fd, option) == want)
		return;
	if (value != want && sock_set_int(f->fd, force, value) == 0)
		return;
	sock_set_int(f->fd, option, value);
	if (sock_get_int(f->fd, option) != want)
		plugin_caution(c, f, "socket option %d can't be set to %d", option, want);
}

static void options_restore(struct plugin_ctx *c, const struct plugin_file *f,
			    const struct unix_state *st)
{
	struct timeval tv;
	int i;

	for (i = 0; i < NINTS; i++)
		option_restore(c, f, int_options[i], st->ints[i]);
	for (i = 0; i < NTIMES; i++) {
		tv = (struct timeval){st->times_us[i] / 1000000, st->times_us[i] % 1000000};
		sock_set(f->fd, time_options[i], &tv, sizeof(tv));
	}
}

static void file_restore(struct plugin_ctx *c, struct unix_socket *s)
{
	const char *path = plugin_fd_path(c, s->path_fd);

	if (s->st.file_mode) {
		sys_call3(__NR_chown, path, s->st.file_uid, s->st.file_gid);
		sys_call2(__NR_chmod, path, s->st.file_mode & 07777);
	}
	sys_close(s->path_fd);
	s->path_fd = -1;
}

/* Options and shutdown last: what has been sent before would not get through. */
static int unix_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	struct unix_socket *s = f->data;
	int err = is_first(c, f) ? queues_fill(c, true) : 0;

	if (err)
		return err;
	unix_peer_close(s);
	options_restore(c, f, &s->st);
	if (s->st.shutdown & 3)
		sys_call2(__NR_shutdown, f->fd, (s->st.shutdown & 3) - 1);
	if (s->path_fd >= 0)
		file_restore(c, s);
	return 0;
}

const struct plugin plugin_unix = {
	.name = "unix",
	.match = unix_match,
	.discover = unix_queue_read,
	.save = unix_save,
	.restore = unix_restore,
	.fill = unix_fill,
	.attach = unix_attach,
};
