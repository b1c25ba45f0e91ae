#include "peer.h"
#include "linger.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { ACCEPT_PAUSE_MS = 100, OWN_DESCRIPTORS = 64 };
#define NS_PER_S 1000000000ull

struct queued {
	struct queued *next;
	int pass; /* descriptor of our own to go with it, -1: none */
	struct msg m; /* and the rest of the message */
};

static struct peer *first_peer;
static unsigned npeers;
static struct watch listener = {.fd = -1};
static struct timer sweep, accept_again;

struct peer *peers(void)
{
	return first_peer;
}

/* ---- ends ---- */

static void queued_free(struct queued *q)
{
	if (q->pass >= 0)
		close(q->pass);
	free(q);
}

static void queue_drop(struct peer *p)
{
	while (p->queue) {
		struct queued *q = p->queue;

		p->queue = q->next;
		queued_free(q);
	}
	p->queue_end = &p->queue;
	p->queued = 0;
}

static void peer_free(struct peer *p)
{
	serve_closed(p);
	*(p->prev ? &p->prev->next : &first_peer) = p->next;
	if (p->next)
		p->next->prev = p->prev;
	npeers--;
	queue_drop(p);
	loop_remove(&p->watch);
	close(p->watch.fd);
	free(p);
	linger_update();
}

/* Only the loop frees a peer: EPOLLOUT brings it there at once. */
void peer_finish(struct peer *p)
{
	p->closing = true;
	loop_change(&p->watch, EPOLLOUT);
}

static void peer_drop(struct peer *p)
{
	queue_drop(p);
	peer_finish(p);
}

/* ---- sending ---- */

static void queue_put(struct peer *p, const struct msg *m, int pass)
{
	struct queued *q;

	if (p->queued + m->size > PEER_QUEUE_MAX) {
		log_line("pid %d does not read: dropped", p->pid);
		peer_drop(p);
		return;
	}
	q = malloc(offsetof(struct queued, m) + m->size);
	if (!q) {
		peer_drop(p);
		return;
	}
	q->next = NULL;
	q->pass = pass < 0 ? -1 : fcntl(pass, F_DUPFD_CLOEXEC, 0);
	memcpy(&q->m, m, m->size);
	*p->queue_end = q;
	p->queue_end = &q->next;
	p->queued += m->size;
	loop_change(&p->watch, EPOLLIN | EPOLLOUT);
}

void peer_send(struct peer *p, const struct msg *m, int pass)
{
	int err;

	if (p->closing)
		return;
	err = p->queue ? -EAGAIN : msg_send_fd(p->watch.fd, m, pass);
	if (err == -EAGAIN)
		queue_put(p, m, pass);
	/* Any other error shows as the end of the connection, when the loop comes to it. */
}

void peer_send_spare(struct peer *p, const struct msg *m)
{
	if (!p->queue && !p->closing)
		msg_send(p->watch.fd, m);
}

/* Send what is queued as far as it goes. -errno when the peer is lost. */
static int queue_send(struct peer *p)
{
	while (p->queue) {
		struct queued *q = p->queue;
		int err = msg_send_fd(p->watch.fd, &q->m, q->pass);

		if (err)
			return err == -EAGAIN ? 0 : err;
		p->queue = q->next;
		if (!p->queue)
			p->queue_end = &p->queue;
		p->queued -= q->m.size;
		queued_free(q);
	}
	if (!p->closing)
		loop_change(&p->watch, EPOLLIN);
	return 0;
}

/* ---- receiving ---- */

/* One message: 1, 0 when there is none; -errno, or -EPIPE at the end, when the peer is lost. */
static int receive(struct peer *p)
{
	union any_msg m;
	int err = msg_recv(p->watch.fd, &m, 0);

	if (err == -ETIMEDOUT)
		return 0;
	if (err <= 0)
		return err ? err : -EPIPE;
	err = serve_message(p, &m);
	if (err)
		log_line("pid %d: message %d is out of place: dropped", p->pid, m.m.type);
	return err ? err : 1;
}

void peer_catch_up(struct peer *p)
{
	int r = 1;

	while (r > 0 && !p->closing)
		r = receive(p);
	if (r < 0)
		peer_drop(p);
}

static void peer_ready(struct watch *w, uint32_t events)
{
	struct peer *p = CONTAINER_OF(w, struct peer, watch);
	int err = 0;

	if (events & EPOLLOUT)
		err = queue_send(p);
	if (!err && p->closing && !p->queue)
		err = -EPIPE;
	if (!err && !p->closing && (events & EPOLLIN))
		err = receive(p);
	else if (!err && (events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
		err = -EPIPE;
	if (err < 0)
		peer_free(p);
}

/* ---- accepting ---- */

unsigned peers_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur <= OWN_DESCRIPTORS)
		return 0;
	return r.rlim_cur - OWN_DESCRIPTORS < UINT_MAX ? r.rlim_cur - OWN_DESCRIPTORS : UINT_MAX;
}

static bool peer_is_allowed(int fd, struct ucred *cred)
{
	socklen_t len = sizeof(*cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len))
		return false;
	return cred->uid == geteuid() || cred->uid == 0;
}

static void peer_new(int fd)
{
	struct peer *p;
	struct ucred cred;

	if (!peer_is_allowed(fd, &cred) || npeers >= peers_limit() || !(p = calloc(1, sizeof(*p)))) {
		log_line("a connection is turned away");
		close(fd);
		return;
	}
	p->pid = cred.pid;
	p->since_ns = loop_now();
	p->queue_end = &p->queue;
	p->watch = (struct watch){.fd = fd, .ready = peer_ready};
	if (loop_add(&p->watch, EPOLLIN)) {
		close(fd);
		free(p);
		return;
	}
	p->next = first_peer;
	if (p->next)
		p->next->prev = p;
	first_peer = p;
	npeers++;
	if (!sweep.due_ns)
		timer_set(&sweep, loop_now() + NS_PER_S);
	linger_update();
}

/* Out of descriptors: wait for some to be closed, rather than be told so again at once. */
static void accept_pause(void)
{
	loop_change(&listener, 0);
	timer_set(&accept_again, loop_now() + ACCEPT_PAUSE_MS * 1000000ull);
}

static void accept_resume(struct timer *t)
{
	(void)t;
	loop_change(&listener, EPOLLIN);
}

static void accept_ready(struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		peer_new(fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		accept_pause();
}

/* Drop those that have not said in time what they want. */
static void sweep_run(struct timer *t)
{
	uint64_t oldest = loop_now() - PEER_FIRST_MESSAGE_S * NS_PER_S;
	bool more = false;

	for (struct peer *p = first_peer; p; p = p->next) {
		if (p->role != PEER_NEW)
			continue;
		more = true;
		if (p->since_ns < oldest)
			peer_drop(p);
	}
	if (more)
		timer_set(t, loop_now() + NS_PER_S);
}

int peers_listen(int fd)
{
	listener = (struct watch){.fd = fd, .ready = accept_ready};
	accept_again.fire = accept_resume;
	sweep.fire = sweep_run;
	return loop_add(&listener, EPOLLIN);
}

bool peers_wait(void)
{
	struct pollfd p = {.fd = listener.fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

int peer_pidfd(const struct peer *p)
{
	int fd = -1;
	socklen_t len = sizeof(fd);

	return getsockopt(p->watch.fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) ? -1 : fd;
}
