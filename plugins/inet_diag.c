/*
 * What the kernel tells of TCP and UDP sockets of whatever process: sock_diag(7). Any user may ask.
 */
#include "inet.h"
#include "sockdiag.h"
#include <linux/inet_diag.h>
#include <linux/tcp.h>

enum { LISTENING = 10 /* TCP_LISTEN; its numbers have other meanings */ };
enum { EXT_INFO = 1 << (INET_DIAG_INFO - 1), EXT_SHUTDOWN = 1 << (INET_DIAG_SHUTDOWN - 1) };

struct request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

static void request_init(struct request *q, int family, int protocol)
{
	*q = (struct request){
		.r = {.sdiag_family = family,
		      .sdiag_protocol = protocol,
		      .idiag_ext = EXT_INFO | EXT_SHUTDOWN,
		      .idiag_states = ~0u,
		      .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
}

/* An IPv4 address for a socket of either family: the kernel finds both by it. */
static void address_of(const union inet_name *n, uint32_t to[4], int *family)
{
	if (n->family == AF_INET) {
		to[0] = n->in4.sin_addr.s_addr;
	} else if (IN6_IS_ADDR_V4MAPPED(&n->in6.sin6_addr)) {
		__builtin_memcpy(to, n->in6.sin6_addr.s6_addr + 12, 4);
	} else {
		__builtin_memcpy(to, &n->in6.sin6_addr, 16);
		*family = AF_INET6;
	}
}

static void name_from(int family, const uint32_t a[4], uint16_t port, union inet_name *n)
{
	*n = (union inet_name){.family = family};
	n->in4.sin_port = port;
	if (family == AF_INET)
		n->in4.sin_addr.s_addr = a[0];
	else
		__builtin_memcpy(&n->in6.sin6_addr, a, 16);
}

static void tcp_info_parse(const void *p, size_t n, struct inet_diag *d)
{
	struct tcp_info info = {0};

	__builtin_memcpy(&info, p, n < sizeof(info) ? n : sizeof(info));
	d->acked = info.tcpi_bytes_acked;
	d->received = info.tcpi_bytes_received;
	d->unsent = info.tcpi_notsent_bytes;
}

/* As idiag_timer has it: retransmission (net/ipv4/inet_diag.c). */
enum { TIMER_AGAIN = 1 };

static void answer_parse(const struct nlmsghdr *h, void *arg)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct inet_diag *d = arg;
	const void *attr;
	size_t n;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	*d = (struct inet_diag){
		.family = m->idiag_family,
		.state = m->idiag_state,
		.ino = m->idiag_inode,
		.unread = m->idiag_rqueue,
		.unacked = m->idiag_wqueue,
	};
	name_from(m->idiag_family, m->id.idiag_src, m->id.idiag_sport, &d->local);
	name_from(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport, &d->remote);
	if (m->idiag_timer == TIMER_AGAIN && m->idiag_retrans > 1)
		d->retry_ms = m->idiag_expires + 1;
	attr = sockdiag_attr(h, sizeof(*m), INET_DIAG_INFO, &n);
	if (attr && d->state != LISTENING)
		tcp_info_parse(attr, n, d);
	attr = sockdiag_attr(h, sizeof(*m), INET_DIAG_SHUTDOWN, &n);
	if (attr && n)
		d->shutdown = *(const uint8_t *)attr;
}

int inet_diag_find(int protocol, const union inet_name *local, const union inet_name *remote,
		   struct inet_diag *d)
{
	struct request q;
	int family = AF_INET;

	request_init(&q, AF_INET, protocol);
	q.r.id.idiag_sport = local->in4.sin_port;
	q.r.id.idiag_dport = remote->in4.sin_port;
	address_of(local, q.r.id.idiag_src, &family);
	address_of(remote, q.r.id.idiag_dst, &family);
	q.r.sdiag_family = family;
	if (family == AF_INET6)
		q.r.id.idiag_if = local->in6.sin6_scope_id;
	d->family = 0;
	return sockdiag_ask(&q.h, sizeof(q), false, answer_parse, d);
}

struct walk {
	void (*fn)(void *arg, const struct inet_diag *d);
	void *arg;
};

static void answer_walk(const struct nlmsghdr *h, void *arg)
{
	struct walk *w = arg;
	struct inet_diag d = {0};

	answer_parse(h, &d);
	if (d.family)
		w->fn(w->arg, &d);
}

static int family_walk(int family, uint16_t port, struct walk *w)
{
	struct request q;

	request_init(&q, family, IPPROTO_TCP);
	q.r.id.idiag_sport = htons(port);
	return sockdiag_ask(&q.h, sizeof(q), true, answer_walk, w);
}

int inet_diag_port(uint16_t port, void (*fn)(void *arg, const struct inet_diag *d), void *arg)
{
	struct walk w = {fn, arg};
	int err = family_walk(AF_INET, port, &w);

	return err ? err : family_walk(AF_INET6, port, &w);
}
