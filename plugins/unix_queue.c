/*
 * What waits in a Unix socket: bytes, messages with the names of their senders, credentials, and
 * descriptors under way.
 *
 * It is read without being taken: MSG_PEEK, with SO_PEEK_OFF to move on. The kernel then installs
 * duplicates of descriptors under way; they become files of the job, which are known before the
 * queue is saved, and at the restart they are sent again.
 *
 * Of a stream the kernel gives bytes of several senders at once, but ends where credentials change,
 * where the urgent byte stands, and behind the piece that has descriptors; where that piece begins
 * has to be found out.
 *
 * Several processes may have a socket, and all of them look into it, one after the other: the peek
 * position is the socket's. A fcntl(2) lock on it keeps them apart.
 */
#include "unix.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

enum { CHUNK_BYTES = 1 << 18 };

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

/* What adds to messages, or changes what of them is seen; and what it is while we read. */
static const struct {
	int option, value;
} reading_options[] = {
	{SO_PASSCRED, 1},     {SO_PASSSEC, 0},	 {SO_PASSPIDFD, 0},
	{84 /* SO_INQ */, 0}, {SO_OOBINLINE, 0}, {SO_PEEK_OFF, 0},
};
enum {
	NOPTIONS = sizeof(reading_options) / sizeof(reading_options[0]),
	FIRST_MOVING = 4, /* reading sets the options from here on to other values, too */
};

struct chunk {
	struct chunk *next;
	struct unix_part part;
	uint8_t *bytes; /* room for the ids of files, sender's name, then n bytes of data */
	size_t n;
	int *fds;
	struct plugin_file **files;
};

/* plugin_file.data of a socket during a save: what waits in it. */
struct queue {
	struct chunk *first, **last;
	bool has_files;
	int err;
};

/* A queue being read. */
struct reader {
	struct plugin_ctx *c;
	const struct plugin_file *f;
	struct queue *q;
	int type;
	int urgent; /* the urgent byte, -1: there is none (any more) */
	uint8_t *buf;
	size_t size; /* of buf */
};

/* What one recvmsg(2) gave. */
struct peeked {
	ssize_t n;
	int flags;
	bool is_message;
	struct unix_cred cred;
	struct sockaddr_un name;
	uint32_t name_len;
	int fds[UNIX_FDS_MAX];
	uint32_t nfds;
};

/* ---- Save: one look ---------------------------------------------------------------------- */

static void control_parse(struct peeked *p, struct msghdr *m)
{
	struct cmsghdr *h;

	for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = h->cmsg_len - CMSG_LEN(0);

		if (h->cmsg_level != SOL_SOCKET)
			continue;
		p->is_message = true;
		if (h->cmsg_type == SCM_CREDENTIALS && n >= sizeof(p->cred))
			__builtin_memcpy(&p->cred, CMSG_DATA(h), sizeof(p->cred));
		if (h->cmsg_type == SCM_RIGHTS && n <= sizeof(p->fds)) {
			__builtin_memcpy(p->fds, CMSG_DATA(h), n);
			p->nfds = n / sizeof(int);
		}
	}
}

/* Look at up to n bytes; descriptors come only if there is room. False: p->n is what came instead.
 */
static bool peek(struct reader *r, struct peeked *p, size_t n, bool with_fds)
{
	union unix_control control;
	struct iovec iov = {r->buf, n};
	struct msghdr m = {.msg_name = &p->name,
			   .msg_namelen = sizeof(p->name),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = with_fds ? sizeof(control)
						      : CMSG_SPACE(sizeof(struct unix_cred))};

	p->is_message = false;
	p->nfds = p->name_len = 0;
	p->cred = (struct unix_cred){0};
	p->n = sys_call3(__NR_recvmsg, r->f->fd, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (p->n < 0)
		return false;
	p->flags = m.msg_flags;
	control_parse(p, &m);
	if (m.msg_namelen > sizeof(p->name.sun_family) && m.msg_namelen <= sizeof(p->name))
		p->name_len = m.msg_namelen - sizeof(p->name.sun_family);
	return p->is_message || p->n > 0;
}

static bool peek_at(struct reader *r, struct peeked *p, uint32_t offset, size_t n, bool with_fds)
{
	sock_set_int(r->f->fd, SO_PEEK_OFF, offset);
	return peek(r, p, n, with_fds);
}

static void fds_close(const struct peeked *p)
{
	uint32_t i;

	for (i = 0; i < p->nfds; i++)
		sys_close(p->fds[i]);
}

static void fds_keep(struct reader *r, struct chunk *k, const struct peeked *p)
{
	k->part.nfiles = p->nfds;
	k->fds = plugin_alloc(r->c, p->nfds * sizeof(*k->fds));
	k->files = plugin_alloc(r->c, p->nfds * sizeof(*k->files));
	if (!k->fds || !k->files) {
		k->part.nfiles = 0;
		fds_close(p);
		return;
	}
	__builtin_memcpy(k->fds, p->fds, p->nfds * sizeof(*k->fds));
	r->q->has_files = true;
}

/* Append the first n bytes of what was seen, and all that belongs to them. */
static void chunk_add(struct reader *r, const struct peeked *p, size_t n, uint32_t flags)
{
	struct chunk *k = plugin_alloc(r->c, sizeof(*k));
	size_t room = p->nfds * sizeof(uint32_t) + p->name_len;
	uint8_t *bytes = plugin_alloc(r->c, room + n + 1);

	if (!k || !bytes) {
		r->q->err = -ENOMEM;
		fds_close(p);
		return;
	}
	k->part = (struct unix_part){UNIX_PART_DATA, flags, p->cred, 0, p->name_len, 0};
	if (!p->cred.pid)
		k->part.cred = (struct unix_cred){0};
	if (p->nfds)
		fds_keep(r, k, p);
	__builtin_memcpy(bytes + p->nfds * sizeof(uint32_t), p->name.sun_path, p->name_len);
	__builtin_memcpy(bytes + room, r->buf, n);
	k->bytes = bytes;
	k->n = room + n;
	*r->q->last = k;
	r->q->last = &k->next;
}

/* ---- Save: all that waits ---------------------------------------------------------------- */

/*
 * In n bytes at offset that end with descriptors: how many stand before those that have them. The
 * kernel gives whole pieces; that the last byte of the last one can't be written keeps it from
 * giving that.
 */
static ssize_t fds_begin(struct reader *r, uint32_t offset, size_t n)
{
	static const char read_only = 0;
	struct iovec iov[] = {{r->buf, n - 1}, {(void *)&read_only, 1}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t before;

	sock_set_int(r->f->fd, SO_PEEK_OFF, offset);
	before = sys_call3(__NR_recvmsg, r->f->fd, &m, MSG_PEEK | MSG_DONTWAIT);
	return before == -EFAULT ? 0 : before;
}

/* The urgent byte stands first in what the kernel gives, unless it waits at once. */
static bool is_urgent(struct reader *r, uint32_t offset)
{
	int at_mark = 0;

	if (r->urgent < 0 || r->buf[0] != r->urgent)
		return false;
	return offset || (sys_ioctl(r->f->fd, SIOCATMARK, &at_mark) == 0 && at_mark);
}

/* The piece of a stream at offset; its length, 0 at the end, or -errno. */
static ssize_t stream_read(struct reader *r, uint32_t offset)
{
	struct peeked p;
	ssize_t begin;

	if (!peek_at(r, &p, offset, r->size, false))
		return p.n;
	if (is_urgent(r, offset)) {
		r->urgent = -1;
		chunk_add(r, &p, 1, UNIX_PART_OOB);
		return 1;
	}
	if (!(p.flags & MSG_CTRUNC)) {
		chunk_add(r, &p, p.n, 0);
		return p.n;
	}
	begin = fds_begin(r, offset, p.n);
	if (begin > 0) { /* they come with what is next */
		chunk_add(r, &p, begin, 0);
		return begin;
	}
	if (begin < 0 || !peek_at(r, &p, offset, r->size, true))
		return begin < 0 ? begin : p.n;
	if (p.flags & MSG_CTRUNC) {
		fds_close(&p);
		return -EMFILE;
	}
	chunk_add(r, &p, p.n, 0);
	return p.n;
}

/* Not beyond the end: an error that waits there (ECONNRESET) would be taken. */
static int stream_read_all(struct reader *r)
{
	uint32_t offset = 0;
	int total = 0;
	uint8_t byte;
	ssize_t n;

	if (sys_call6(__NR_recvfrom, r->f->fd, (long)&byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT, 0,
		      0) == 1)
		r->urgent = byte;
	sock_set_int(r->f->fd, SO_OOBINLINE, 1);
	n = sys_ioctl(r->f->fd, FIONREAD, &total);
	for (; n >= 0 && offset < (uint32_t)total && !r->q->err; offset += n) {
		n = stream_read(r, offset);
		if (n <= 0)
			return n;
	}
	return n < 0 ? n : 0;
}

/* An error that waits comes before messages, and is taken by that. */
static bool peek_message(struct reader *r, struct peeked *p)
{
	return peek(r, p, r->size, true) || (p->n == -ECONNRESET && peek(r, p, r->size, true));
}

/* The peek position moves on by itself: it passes messages of no bytes only so. */
static int messages_read_all(struct reader *r)
{
	struct peeked p = {.n = 0};
	bool more = false;

	while (!r->q->err && peek_message(r, &p)) {
		if (p.flags & MSG_CTRUNC) {
			fds_close(&p);
			return -EMFILE;
		}
		if (more) { /* all but bytes came with the first part */
			fds_close(&p);
			p.nfds = p.name_len = 0;
		}
		more = p.flags & MSG_TRUNC;
		chunk_add(r, &p, p.n, more ? UNIX_PART_MORE : 0);
	}
	return p.n < 0 ? p.n : 0;
}

/* Set the options to what reading needs; old[]: what they were. */
static void options_swap(int fd, int old[NOPTIONS])
{
	int i;

	for (i = 0; i < NOPTIONS; i++) {
		old[i] = sock_get_int(fd, reading_options[i].option);
		if (old[i] != reading_options[i].value)
			sock_set_int(fd, reading_options[i].option, reading_options[i].value);
	}
}

/* Those that reading itself sets again are never what they were. */
static void options_put_back(int fd, const int old[NOPTIONS])
{
	int i;

	for (i = 0; i < NOPTIONS; i++)
		if (old[i] != reading_options[i].value || i >= FIRST_MOVING)
			sock_set_int(fd, reading_options[i].option, old[i]);
}

static void lock_set(int fd, int type)
{
	struct flock lock = {.l_type = type};

	sys_fcntl(fd, F_SETLKW, (long)&lock);
}

static int queue_read(struct reader *r)
{
	int old[NOPTIONS], err;

	lock_set(r->f->fd, F_WRLCK);
	options_swap(r->f->fd, old);
	err = r->type == SOCK_STREAM ? stream_read_all(r) : messages_read_all(r);
	options_put_back(r->f->fd, old);
	lock_set(r->f->fd, F_UNLCK);
	return err == -EAGAIN ? r->q->err : err;
}

static void files_add(struct plugin_ctx *c, struct queue *q)
{
	struct chunk *k;
	uint32_t i;

	for (k = q->first; k; k = k->next)
		for (i = 0; i < k->part.nfiles; i++)
			k->files[i] = plugin_add_file(c, k->fds[i]);
}

/* What is read of a stream at once; it ends elsewhere anyway. */
static size_t stream_size(int fd)
{
	int n = 0;

	sys_ioctl(fd, FIONREAD, &n);
	return n < 1 ? 1 : n < CHUNK_BYTES ? n : CHUNK_BYTES;
}

/* Connected, or of datagrams: a listening socket has no queue of ours. */
static bool may_have_queue(const struct plugin_file *f, int type)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	struct sockaddr_un name;
	uint32_t n = sizeof(name);

	if (type != SOCK_DGRAM && sys_call3(__NR_getpeername, f->fd, &name, &n))
		return false;
	return sys_call3(__NR_poll, &p, 1, 0) != 0;
}

void unix_queue_read(struct plugin_ctx *c, struct plugin_file *f)
{
	struct reader r = {.c = c, .f = f, .type = sock_get_int(f->fd, SO_TYPE), .urgent = -1};

	r.q = f->data = plugin_alloc(c, sizeof(*r.q));
	if (!r.q)
		return;
	r.q->last = &r.q->first;
	if (!may_have_queue(f, r.type))
		return;
	r.size = r.type == SOCK_STREAM ? stream_size(f->fd) : CHUNK_BYTES;
	r.buf = plugin_alloc(c, r.size);
	if (!r.buf)
		return;
	r.q->err = queue_read(&r);
	if (r.q->has_files)
		files_add(c, r.q);
}

static void chunk_save(struct plugin_ctx *c, const struct plugin_file *f, struct chunk *k)
{
	uint32_t i, id;

	for (i = 0; i < k->part.nfiles; i++) {
		if (!k->files[i])
			return; /* refused */
		id = k->files[i]->id;
		__builtin_memcpy(k->bytes + i * sizeof(id), &id, sizeof(id));
	}
	plugin_put(c, f, &k->part, sizeof(k->part), k->bytes, k->n);
}

void unix_queue_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct queue *q = f->data;
	struct chunk *k;

	if (!q)
		return;
	for (k = q->first; k; k = k->next)
		chunk_save(c, f, k);
	if (q->err == -EMFILE)
		plugin_refuse(c, f,
			      "the process can't open the descriptors that are under way in it");
	else if (q->err)
		plugin_refuse(c, f, "its queue can't be read: %s", errno_name(q->err));
}
