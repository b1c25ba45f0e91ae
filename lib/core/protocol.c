/*
 * Messages: one table says of every type how long it is and which of its fields are text;
 * everything that is received is held against it before anybody looks at a field. Sending and
 * receiving are raw system calls, because a frozen process does both.
 */
#include "protocol.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <errno.h>
#include <poll.h>

enum { CONNECT_TIMEOUT_S = 5 };

/* Where a terminated string lies in a message. */
struct field {
	uint16_t off, len;
};

struct layout {
	uint16_t size;
	struct field text[7]; /* a len of 0 ends them */
};

#define FIELD(t, f)                                                                                \
	{                                                                                          \
		offsetof(struct t, f), sizeof(((struct t *)0)->f)                                  \
	}
#define CONFIG(t)                                                                                  \
	FIELD(t, config.job), FIELD(t, config.name), FIELD(t, config.dir), FIELD(t, config.ignore), \
		FIELD(t, config.keyfile), FIELD(t, config.files)

static const struct layout layouts[] = {
	[MSG_HELLO] = {sizeof(struct msg_hello), {FIELD(msg_hello, exe_name), CONFIG(msg_hello)}},
	[MSG_LEADER] = {sizeof(struct msg_leader), {CONFIG(msg_leader)}},
	[MSG_TARGET] = {sizeof(struct msg_target), {FIELD(msg_target, path)}},
	[MSG_REQUEST] = {sizeof(struct msg_request), {CONFIG(msg_request)}},
	[MSG_TAKEN] = {sizeof(struct msg), {{0, 0}}},
	[MSG_PARAMS] = {sizeof(struct msg_params),
			{FIELD(msg_params, job), FIELD(msg_params, path), FIELD(msg_params, link),
			 FIELD(msg_params, keyfile)}},
	[MSG_REFUSE] = {sizeof(struct msg_line), {FIELD(msg_line, text)}},
	[MSG_BARRIER] = {sizeof(struct msg_barrier), {{0, 0}}},
	[MSG_RELEASE] = {sizeof(struct msg_release), {{0, 0}}},
	[MSG_THAWED] = {sizeof(struct msg_thawed), {{0, 0}}},
	[MSG_PROGRESS] = {sizeof(struct msg_progress), {{0, 0}}},
	[MSG_DONE] = {sizeof(struct msg_done), {FIELD(msg_done, text)}},
	[MSG_COMMAND] = {sizeof(struct msg_command), {FIELD(msg_command, job)}},
	[MSG_JOB] = {sizeof(struct msg_job),
		     {FIELD(msg_job, job), FIELD(msg_job, name), FIELD(msg_job, dir),
		      FIELD(msg_job, last_error)}},
	[MSG_PROCESS] = {sizeof(struct msg_process), {FIELD(msg_process, name)}},
	[MSG_RESULT] = {sizeof(struct msg_result),
			{FIELD(msg_result, job), FIELD(msg_result, image),
			 FIELD(msg_result, text)}},
	[MSG_LINE] = {sizeof(struct msg_line), {FIELD(msg_line, text)}},
	[MSG_END] = {sizeof(struct msg_end), {FIELD(msg_end, text)}},
};

void msg_init(struct msg *m, enum msg_type type, size_t size)
{
	m->magic = PROTOCOL_MAGIC;
	m->version = PROTOCOL_VERSION;
	m->type = type;
	m->size = size;
	m->flags = 0;
}

static bool is_terminated(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!s[i])
			return true;
	return false;
}

int msg_check(const union any_msg *m, size_t n)
{
	const struct layout *l;

	if (n < sizeof(m->m) || m->m.magic != PROTOCOL_MAGIC)
		return -EPROTO;
	if (m->m.version != PROTOCOL_VERSION)
		return -EPROTONOSUPPORT;
	if (m->m.type >= ARRAY_SIZE(layouts) || m->m.size != n)
		return -EPROTO;
	l = &layouts[m->m.type];
	if (!l->size || l->size != n)
		return -EPROTO;
	for (size_t i = 0; i < ARRAY_SIZE(l->text) && l->text[i].len; i++)
		if (!is_terminated((const char *)m + l->text[i].off, l->text[i].len))
			return -EPROTO;
	return 0;
}

/* Only our own user or root may be at the other end: the path may lie where others can write. */
static int check_peer(int fd)
{
	struct ucred cred;
	uint32_t len = sizeof(cred);
	int err = sys_call5(__NR_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);

	if (err < 0)
		return err;
	return cred.uid == 0 || cred.uid == (uid_t)sys_call0(__NR_geteuid) ? 0 : -EPERM;
}

static int connect_to(int fd, const struct sockaddr_un *addr)
{
	int64_t limit[2] = {CONNECT_TIMEOUT_S, 0};
	int err;

	/* A coordinator that does not accept must not hold us: connect and send give up with
	 * EAGAIN. */
	err = sys_call5(__NR_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, limit, sizeof(limit));
	if (err < 0)
		return err;
	do
		err = sys_call3(__NR_connect, fd, addr, sizeof(*addr));
	while (err == -EINTR);
	return err < 0 ? err : check_peer(fd);
}

int msg_connect(const char *socket_path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (!str_copy(addr.sun_path, socket_path, sizeof(addr.sun_path)))
		return -ENAMETOOLONG;
	fd = sys_call3(__NR_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = connect_to(fd, &addr);
	if (err < 0) {
		sys_close(fd);
		return err;
	}
	return fd;
}

int msg_send(int fd, const struct msg *m)
{
	return msg_send_fd(fd, m, -1);
}

/* Room for one descriptor beside a message. */
union fd_control {
	struct cmsghdr h;
	char space[CMSG_SPACE(sizeof(int))];
};

static int packet_send(int fd, const struct iovec *piece, int n, int pass)
{
	union fd_control c = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				    .cmsg_type = SCM_RIGHTS}};
	struct msghdr h = {.msg_iov = (struct iovec *)piece, .msg_iovlen = n};
	long sent;

	if (pass >= 0) {
		__builtin_memcpy(CMSG_DATA(&c.h), &pass, sizeof(pass));
		h.msg_control = &c;
		h.msg_controllen = sizeof(c);
	}
	do
		sent = sys_call3(__NR_sendmsg, fd, &h, MSG_NOSIGNAL);
	while (sent == -EINTR);
	return sent < 0 ? sent : 0;
}

int msg_send_fd(int fd, const struct msg *m, int pass)
{
	const struct iovec whole = {(void *)m, m->size};

	return packet_send(fd, &whole, 1, pass);
}

int msg_send_pieces(int fd, const struct iovec *piece, int n)
{
	return packet_send(fd, piece, n, -1);
}

/* Wait until fd can be read or the time (CLOCK_MONOTONIC, 0: never) has come; 1, 0 or -errno. */
static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = deadline_ns ? sys_clock_ns(1 /* CLOCK_MONOTONIC */) : 0;
	uint64_t left = now < deadline_ns ? deadline_ns - now : 0;
	int64_t ts[2] = {left / 1000000000, left % 1000000000};

	return sys_call5(__NR_ppoll, &p, 1, deadline_ns ? ts : NULL, NULL, 8);
}

/*
 * A peer that closed with something of ours unread shows as ECONNRESET once, before what it sent
 * last; its messages and then end-of-file follow.
 */
static bool is_passing(long err)
{
	return err == -EINTR || err == -EAGAIN || err == -ECONNRESET;
}

/* One packet: its length or -errno; more than fits shows as more than there is room for. */
static long packet_recv(int fd, struct iovec iov, int *passed)
{
	union fd_control c;
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
	long n = sys_call3(__NR_recvmsg, fd, &h, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);

	if (n >= 0 && h.msg_controllen >= sizeof(c.h) && c.h.cmsg_level == SOL_SOCKET &&
	    c.h.cmsg_type == SCM_RIGHTS)
		__builtin_memcpy(passed, CMSG_DATA(&c.h), sizeof(*passed));
	return n;
}

/* The same, waiting at most timeout_ms. */
static long packet_await(int fd, struct iovec iov, int timeout_ms, int *passed)
{
	uint64_t deadline = 0;
	long n;
	int err;

	*passed = -1;
	if (timeout_ms >= 0)
		deadline = sys_clock_ns(1) + (uint64_t)timeout_ms * 1000000 + 1;
	for (;;) {
		n = packet_recv(fd, iov, passed);
		if (n >= 0 || !is_passing(n))
			return n;
		if (n != -EAGAIN)
			continue;
		err = wait_readable(fd, deadline);
		if (err == 0)
			return -ETIMEDOUT;
		if (err < 0 && err != -EINTR)
			return err;
	}
}

int msg_recv_fd(int fd, union any_msg *m, int timeout_ms, int *passed)
{
	long n = packet_await(fd, (struct iovec){m, sizeof(*m)}, timeout_ms, passed);
	int err;

	if (n <= 0)
		return n;
	err = (size_t)n > sizeof(*m) ? -EPROTO : msg_check(m, n);
	return err ? err : 1;
}

int msg_recv_head(int fd, struct msg *m, int timeout_ms)
{
	int passed, err;
	long n = packet_await(fd, (struct iovec){m, sizeof(*m)}, timeout_ms, &passed);

	if (passed >= 0)
		sys_close(passed);
	if (n <= 0)
		return n;
	err = (size_t)n > sizeof(*m) ? -EPROTO : msg_check((const union any_msg *)m, n);
	return err ? err : 1;
}

int msg_recv(int fd, union any_msg *m, int timeout_ms)
{
	int passed;
	int r = msg_recv_fd(fd, m, timeout_ms, &passed);

	if (passed >= 0)
		sys_close(passed);
	return r;
}
