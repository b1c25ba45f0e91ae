/* Small things about sockets and their names: plugins/inet.h. */
#include "inet.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

int sock_int(int fd, int level, int name, int dflt)
{
	int value = 0;
	uint32_t n = sizeof(value);

	return sock_get(fd, level, name, &value, &n) ? dflt : value;
}

int sock_poll(int fd, int events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return sys_call3(__NR_poll, &p, 1, 0) > 0 ? p.revents : 0;
}

int sock_unread(int fd)
{
	int n = 0;

	return sys_ioctl(fd, FIONREAD, &n) ? 0 : n;
}

int sock_new(int domain, int type, int protocol)
{
	return sys_call3(__NR_socket, domain, type | SOCK_CLOEXEC, protocol);
}

/* ---- Names ------------------------------------------------------------------------------- */

uint32_t inet_name_len(const union inet_name *n)
{
	return n->family == AF_INET6 ? sizeof(n->in6) : sizeof(n->in4);
}

uint16_t inet_port(const union inet_name *n)
{
	return ntohs(n->in4.sin_port); /* in the same place in both */
}

bool inet_name_eq(const union inet_name *a, const union inet_name *b)
{
	if (a->family != b->family || a->in4.sin_port != b->in4.sin_port)
		return false;
	if (a->family == AF_INET)
		return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
	return !__builtin_memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
}

bool inet_is_any(const union inet_name *n)
{
	if (n->family == AF_INET)
		return n->in4.sin_addr.s_addr == 0;
	return IN6_IS_ADDR_UNSPECIFIED(&n->in6.sin6_addr);
}

void inet_loopback(int domain, union inet_name *n)
{
	*n = (union inet_name){.family = domain};
	if (domain == AF_INET)
		n->in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		n->in6.sin6_addr.s6_addr[15] = 1;
}

static char *put_number(char *p, unsigned int v, unsigned int base)
{
	char digits[12];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_in4(char *p, const uint8_t *a)
{
	int i;

	for (i = 0; i < 4; i++) {
		p = put_number(p, a[i], 10);
		*p++ = i < 3 ? '.' : ':';
	}
	return p;
}

static char *put_in6(char *p, const uint8_t *a)
{
	int i;

	*p++ = '[';
	for (i = 0; i < 16; i += 2) {
		p = put_number(p, a[i] << 8 | a[i + 1], 16);
		*p++ = i < 14 ? ':' : ']';
	}
	*p++ = ':';
	return p;
}

const char *inet_name_text(const union inet_name *n, char *buf)
{
	const uint8_t *in6 = n->in6.sin6_addr.s6_addr;
	char *p = buf;

	if (n->family == AF_INET)
		p = put_in4(p, (const uint8_t *)&n->in4.sin_addr);
	else if (IN6_IS_ADDR_V4MAPPED(&n->in6.sin6_addr))
		p = put_in4(p, in6 + 12);
	else
		p = put_in6(p, in6);
	p = put_number(p, inet_port(n), 10);
	*p = 0;
	return buf;
}

void inet_local(int fd, union inet_name *n)
{
	uint32_t len = sizeof(*n);

	__builtin_memset(n, 0, sizeof(*n));
	if (sys_call3(__NR_getsockname, fd, n, &len))
		n->family = 0;
}

void inet_remote(int fd, union inet_name *n)
{
	uint32_t len = sizeof(*n);

	__builtin_memset(n, 0, sizeof(*n));
	if (sys_call3(__NR_getpeername, fd, n, &len))
		n->family = 0;
}

int inet_bind(int fd, const union inet_name *n)
{
	return sys_call3(__NR_bind, fd, n, inet_name_len(n));
}

int inet_connect(int fd, const union inet_name *n)
{
	return sys_call3(__NR_connect, fd, n, inet_name_len(n));
}

/* ---- Records ----------------------------------------------------------------------------- */

const void *inet_part_next(struct plugin_ctx *c, const struct plugin_file *f, uint32_t kind,
			   unsigned int *index, struct inet_part *part, size_t *n)
{
	const void *p;

	do
		p = plugin_get(c, f, (*index)++, part, sizeof(*part), n);
	while (p && part->kind != kind);
	return p;
}
