/*
 * sockdiag.c: what the kernel tells of sockets that the socket's own process can't ask it
 * (sock_diag(7)): peers, states, queues. For the plugins of all families of sockets.
 */
#ifndef PLUGIN_SOCKDIAG_H
#define PLUGIN_SOCKDIAG_H

#include <ckpt/plugin.h>
#include <linux/netlink.h>

/* Called for each message of an answer. */
typedef void sockdiag_fn(const struct nlmsghdr *h, void *arg);

/*
 * Send a request of n bytes, whose header is filled in here: about one socket, or with dump about
 * all that it fits; call fn for what comes back. 0 or -errno, -ENOENT when there is no such socket.
 * Of a dump, sockets that come or go meanwhile may be missing.
 */
int sockdiag_ask(struct nlmsghdr *request, uint32_t n, bool dump, sockdiag_fn *fn, void *arg)
	__attribute__((visibility("hidden")));
/*
 * The value of the attribute of this type behind the fixed part (bytes) of a message; *n is its
 * length. NULL: there is none.
 */
const void *sockdiag_attr(const struct nlmsghdr *h, size_t fixed, int type, size_t *n)
	__attribute__((visibility("hidden")));

/* So often, and at such distances, is a name tried that a job just killed may still have. */
enum { NAME_TRIES = 200, NAME_TRY_US = 10000 };

static inline void sock_nap(long us)
{
	const long t[2] = {us / 1000000, us % 1000000 * 1000};

	sys_call2(__NR_nanosleep, t, 0);
}

/* A socket's own address family (SO_DOMAIN), -errno. */
static inline int socket_domain(const struct plugin_file *f)
{
	int domain = 0;
	uint32_t n = sizeof(domain);
	int err = sys_call5(__NR_getsockopt, f->fd, 1 /* SOL_SOCKET */, 39 /* SO_DOMAIN */, &domain,
			    &n);

	return err ? err : domain;
}

static inline bool is_socket_of(const struct plugin_file *f, int domain)
{
	return S_ISSOCK(f->mode) && !(f->flags & O_PATH) && socket_domain(f) == domain;
}

#endif
