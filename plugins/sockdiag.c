/*
 * sock_diag(7): a netlink socket to the kernel's socket monitoring, for one question at a time.
 *
 * An answer comes as messages, several to a datagram; that of a dump ends with NLMSG_DONE, and the
 * kernel makes its datagrams as large as the buffer that it has been shown.
 */
#include "sockdiag.h"
#include <linux/sock_diag.h>
#include <sys/socket.h>

enum { ANSWER_BYTES = 32768 };

struct answer {
	sockdiag_fn *fn;
	void *arg;
	bool done;
};

/* 0 or the error that the kernel says. */
static int message_take(struct answer *a, const struct nlmsghdr *h)
{
	if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return *(const int *)NLMSG_DATA(h);
	if (h->nlmsg_type == NLMSG_DONE)
		a->done = true;
	else
		a->fn(h, a->arg);
	return 0;
}

static int datagram_take(struct answer *a, const uint8_t *p, size_t n)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)p;
	int err = 0;

	for (; !err && NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
		err = message_take(a, h);
	return err;
}

static int answer_take(struct answer *a, int fd)
{
	uint64_t buf[ANSWER_BYTES / sizeof(uint64_t)];
	long n;
	int err;

	do {
		n = sys_call6(__NR_recvfrom, fd, (long)buf, sizeof(buf), MSG_TRUNC, 0, 0);
		if (n > (long)sizeof(buf))
			return -EMSGSIZE;
		err = n < 0 ? n : datagram_take(a, (uint8_t *)buf, n);
	} while (!err && !a->done);
	return err;
}

int sockdiag_ask(struct nlmsghdr *request, uint32_t n, bool dump, sockdiag_fn *fn, void *arg)
{
	struct answer a = {.fn = fn, .arg = arg, .done = !dump};
	int fd = sys_call3(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	long done;
	int err;

	if (fd < 0)
		return fd;
	request->nlmsg_len = n;
	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | (dump ? NLM_F_DUMP : 0);
	done = sys_write(fd, request, n);
	err = done < 0 ? done : answer_take(&a, fd);
	sys_close(fd);
	return err;
}

const void *sockdiag_attr(const struct nlmsghdr *h, size_t fixed, int type, size_t *n)
{
	const uint8_t *p = (const uint8_t *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed);
	const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;
	const struct nlattr *a;

	for (; p + sizeof(*a) <= end; p += NLA_ALIGN(a->nla_len)) {
		a = (const struct nlattr *)p;
		if (a->nla_len < sizeof(*a) || a->nla_len > end - p)
			return NULL;
		*n = a->nla_len - sizeof(*a);
		if (a->nla_type == type)
			return a + 1;
	}
	return NULL;
}
