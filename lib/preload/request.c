/*
 * The handler of signals that ask for a checkpoint (CKPT_ON_SIGNAL): it tells the coordinator, and the program goes on
 * as if nothing had been. What comes of it comes as any checkpoint does, by the reserved signal.
 *
 * The program's own action for such a signal is remembered, and reported to it, but never taken.
 *
 * Rules as in handler.c. In a vfork child, whose memory is its parent's, the signal is put off: it is blocked and
 * pending then, and the program that the child becomes takes it when it has its handlers.
 */
#define _GNU_SOURCE
#include <time.h>
#include "preload.h"
#include "handler.h"
#include "helper.h"
#include "request.h"
#include "frozen.h"

enum {
	TRIES = 5,
	TRY_AGAIN_MS = 10,
	OUTSIDE_LOOKS = 50, /* so often it is looked whether ckpt_restart, which has the signal too, starts a coordinator */
	TAKEN_WAIT_MS = 3000,
};

static struct request_action actions[ON_SIGNAL_MAX];

static void pause_ms(int ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	sys_call2(__NR_nanosleep, &t, NULL);
}

/* 0 when the coordinator has seen to it; -EPIPE when it has ended meanwhile. */
static int tell(int conn, int signo)
{
	struct msg_request r;
	const struct iovec pieces[] = {
		{&r, offsetof(struct msg_request, config)},
		{&preload.config, sizeof(preload.config)},
	};
	int err;

	_Static_assert(offsetof(struct msg_request, config) + sizeof(r.config) == sizeof(r), "no padding");
	MSG_INIT(&r, MSG_REQUEST);
	r.signo = signo;
	r.reserved = 0;
	err = msg_send_pieces(conn, pieces, ARRAY_SIZE(pieces));
	if (!err)
		err = msg_recv_head(conn, &r.m, TAKEN_WAIT_MS);
	return err == 0 ? -EPIPE : err < 0 ? err : 0;
}

static bool is_absent(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED;
}

static int connect_or_start(void)
{
	int conn = msg_connect(preload.socket);

	for (int i = 0; preload.outside_pid && is_absent(conn) && i < OUTSIDE_LOOKS; i++) {
		pause_ms(TRY_AGAIN_MS);
		conn = msg_connect(preload.socket);
	}
	if (!is_absent(conn))
		return conn;
	coordinator_start();
	return msg_connect(preload.socket);
}

/* A coordinator that is about to end may be there and not answer. */
static int ask(void *arg)
{
	int signo = *(int *)arg, err = 0;

	for (int i = 0; i < TRIES; i++) {
		int conn = connect_or_start();

		err = conn < 0 ? conn : tell(conn, signo);
		if (conn >= 0)
			sys_close(conn);
		if (err != -EPIPE && !is_absent(err))
			break;
		pause_ms(TRY_AGAIN_MS);
	}
	return err;
}

static void put_off(int sig, ucontext_t *uc)
{
	uint64_t mask;

	__builtin_memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask |= 1ull << (sig - 1);
	__builtin_memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
	sys_tgkill(sys_getpid(), sys_gettid(), sig);
}

static void handle(int sig, siginfo_t *info, void *ctx)
{
	(void)info;
	if (helper_run(ask, &sig) == -EBUSY)
		put_off(sig, ctx);
	eintr_restart_alone(ctx);
}

int request_install(void)
{
	struct sigaction sa = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK}, old;
	extern int real_sigaction(int, const struct sigaction *, struct sigaction *) HIDDEN;

	__builtin_memset(&sa.sa_mask, 0xff, sizeof(sa.sa_mask));
	for (int sig = 1; sig <= ON_SIGNAL_MAX; sig++) {
		if (!preload.config.on_signal[sig - 1])
			continue;
		if (real_sigaction(sig, &sa, &old) < 0)
			return -EINVAL;
		actions[sig - 1].handler = (uint64_t)old.sa_handler;
	}
	return 0;
}

bool request_is_owned(int sig)
{
	return preload.active && sig > 0 && sig <= ON_SIGNAL_MAX && preload.config.on_signal[sig - 1];
}

bool request_is_any(void)
{
	return preload.owned & ~(1ull << (preload.config.signo - 1));
}

struct request_action request_action(int sig)
{
	return actions[sig - 1];
}

void request_set_action(int sig, struct request_action a)
{
	if (process_is_own())
		actions[sig - 1] = a;
}
