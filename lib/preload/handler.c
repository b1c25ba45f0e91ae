/*
 * The handler of the reserved signal.
 *
 *   SI_QUEUE  a request for a checkpoint (sival_int): this thread leads, or, when another one does
 *             already, returns at once
 *   SI_TKILL  the leader wants this thread parked
 *
 * Rules: every other signal is blocked; at most 1 KiB of the program's stack beside the frame is
 * used, for threads may have small ones, so the leader moves to a stack of ours; in a vfork child,
 * whose memory is its parent's, nothing is done but to see to it that the call it was in goes on.
 */
#define _GNU_SOURCE
#include "preload.h"
#include "handler.h"
#include "helper.h"
#include "frozen.h"

static uint32_t disabled;	   /* depth of critical sections; relaxed: each change is a full step */
static __thread uint32_t own_depth __attribute__((tls_model("initial-exec"))); /* this thread's */
static int32_t deferred = -1;	   /* request that came while disabled, -1: none */
/* Set by a thread that calls the API, taken when the signal makes it lead: hence volatile. */
static __thread struct api_call *volatile api_call __attribute__((tls_model("initial-exec")));

struct leader_args {
	int request;
	ucontext_t *uc;
	struct api_call *api;
};

static void leader_main(void *arg)
{
	struct leader_args *a = arg;

	leader_run(a->request, a->uc, a->api);
}

bool process_is_own(void)
{
	int32_t pid = sys_getpid();
	int32_t known = __atomic_load_n(&preload.fork_page->pid, __ATOMIC_ACQUIRE);

	if (known == pid)
		return true;
	if (known != 0)
		return false;
	freeze_reset();
	helper_reset();
	__atomic_store_n(&preload.fork_page->pid, pid, __ATOMIC_RELEASE);
	return true;
}

static void lead(int request, ucontext_t *uc)
{
	struct leader_args a = {.request = request, .uc = uc};

	if (!freeze_lead()) {
		eintr_restart_alone(uc);
		return;
	}
	a.api = api_call;
	api_call = NULL;
	if (a.api)
		a.request = a.api->request;
	call_on_stack(leader_main, &a, preload.leader_stack + preload.leader_stack_len);
	freeze_resign();
}

static void handle(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	if (!process_is_own()) {
		eintr_restart_alone(ctx);
		return;
	}
	if (vdso_let_out(info, ctx))
		return;
	if (info->si_code == SI_TKILL) {
		freeze_park(ctx);
		return;
	}
	if (info->si_code != SI_QUEUE)
		return;
	if (handler_is_disabled()) {
		if (!api_call) /* the API asks again by itself */
			__atomic_store_n(&deferred, info->si_value.sival_int, __ATOMIC_SEQ_CST);
		eintr_restart_alone(ctx);
		return;
	}
	if (!api_call && announce_hold(info->si_value.sival_int)) {
		eintr_restart_alone(ctx);
		return;
	}
	lead(info->si_value.sival_int, ctx);
}

int handler_install(void)
{
	struct sigaction sa = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	extern int real_sigaction(int, const struct sigaction *, struct sigaction *) HIDDEN;

	/* sigfillset(3) leaves out signals that libc uses: a timer's would kill a restored thread. */
	__builtin_memset(&sa.sa_mask, 0xff, sizeof(sa.sa_mask));
	return real_sigaction(preload.config.signo, &sa, NULL) < 0 ? -EINVAL : 0;
}

/* Send ourselves a request, in the form in which the coordinator sends it. */
static void request_self(int request)
{
	siginfo_t si = {.si_signo = preload.config.signo, .si_code = SI_QUEUE};

	si.si_pid = sys_getpid();
	si.si_value.sival_int = request;
	sys_call4(__NR_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), preload.config.signo, &si);
}

void handler_disable(void)
{
	own_depth++;
	__atomic_add_fetch(&disabled, 1, __ATOMIC_SEQ_CST);
}

bool handler_is_disabled(void)
{
	return __atomic_load_n(&disabled, __ATOMIC_SEQ_CST) != 0;
}

bool handler_is_disabled_here(void)
{
	return own_depth != 0;
}

void handler_enable(void)
{
	int request;

	if (own_depth)
		own_depth--;
	if (__atomic_load_n(&disabled, __ATOMIC_SEQ_CST) == 0)
		return;
	if (__atomic_sub_fetch(&disabled, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	request = __atomic_exchange_n(&deferred, -1, __ATOMIC_SEQ_CST);
	if (request >= 0)
		request_self(request);
}

void handler_checkpoint(struct api_call *call)
{
	call->conn = -1;
	call->err = -EAGAIN;
	api_call = call;
	request_self(call->request);
	api_call = NULL;
}
