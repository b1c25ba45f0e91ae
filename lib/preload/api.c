/*
 * The functions of include/ckpt.h. They run in the program's own time, not frozen: libc may be used.
 *
 * A checkpoint asked for from inside is one that this thread leads at once; the coordinator is told by
 * the leader's connection, over which the result comes back. When there is no coordinator, one is
 * started (coordinator.c).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "handler.h"
#include "helper.h"

#define API __attribute__((visibility("default")))

struct ckpt_info {
	size_t size;
	char path[4096];
	uint64_t bytes, pause_ns, total_ns;
	char error[1024];
};

struct ckpt_options {
	size_t size;
	const char *path;
	uint32_t keep, flags;
};
enum { CKPT_KEEP = 1, CKPT_NO_WAIT = 2 };

enum { TRIES = 10000 }; /* a millisecond apart */

/* ---- a coordinator when there is none ---- */

/* Programs lie beside libckpt.so, as built (../bin) or as installed (../../bin). */
bool program_path(const char *name, char *path, size_t n)
{
	static const char *const where[] = {"../bin", "../../bin"};
	Dl_info info;

	if (!dladdr(&preload, &info) || !info.dli_fname)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		const char *slash = strrchr(info.dli_fname, '/');

		if (slash && snprintf(path, n, "%.*s/%s/%s", (int)(slash - info.dli_fname),
				      info.dli_fname, where[i], name) < (int)n && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static int start(void *arg)
{
	(void)arg;
	coordinator_start();
	return 0;
}

static void start_coordinator(void)
{
	const uint64_t all = ~0ull;
	uint64_t old;

	coordinator_find();
	sys_sigprocmask(SIG_SETMASK, &all, &old);
	helper_run(start, NULL);
	sys_sigprocmask(SIG_SETMASK, &old, NULL);
}

/* ---- the call ---- */

static void wait_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t);
}

/* Something is in the way that will pass: wait, longer each time. False: it has not passed. */
static bool wait_longer(int *ntries)
{
	enum { TRIES_MAX = 10 };

	if (*ntries == TRIES_MAX)
		return false;
	wait_ms(2 << (*ntries)++);
	return true;
}

/* Ask until it is under way: another checkpoint may be, or no coordinator yet. */
static int ask(struct api_call *call)
{
	bool started = false;

	for (int i = 0; i < TRIES; i++) {
		handler_checkpoint(call);
		if (call->err == 0)
			return 0;
		if (call->err == -ENOENT || call->err == -ECONNREFUSED) {
			if (!started)
				start_coordinator();
			started = true;
		} else if (call->err != -EAGAIN) {
			break;
		}
		wait_ms(1);
	}
	return call->err;
}

static void info_put(struct ckpt_info *to, const struct ckpt_info *from)
{
	size_t size = to ? to->size : 0;

	if (size > sizeof(*from))
		size = sizeof(*from);
	if (size <= sizeof(size))
		return;
	memcpy((char *)to + sizeof(size), (const char *)from + sizeof(size), size - sizeof(size));
}

static void take_result(const struct msg_result *r, struct ckpt_info *info, int *err)
{
	*err = r->err == -EAGAIN || r->err == RESULT_FOR_NOW ? r->err : r->err ? -ECANCELED : 0;
	str_copy(info->path, r->image, sizeof(info->path));
	if (r->text[0])
		str_copy(info->error, r->text, sizeof(info->error));
	info->bytes = r->image_bytes;
	info->pause_ns = r->pause_ns;
	info->total_ns = r->total_ns;
}

/* Messages are too large for a small stack, and for memory that each thread would have of its own. */
static void await_result(int conn, struct ckpt_info *info, int *err)
{
	struct arena a = {0};
	union any_msg *m = arena_alloc(&a, sizeof(*m));

	*err = -ECANCELED;
	while (m && msg_recv(conn, m, -1) > 0) {
		if (m->m.type == MSG_REFUSE || m->m.type == MSG_LINE)
			str_copy(info->error, m->line.text, sizeof(info->error));
		if (m->m.type == MSG_RESULT) {
			take_result(&m->result, info, err);
			arena_free(&a);
			return;
		}
	}
	arena_free(&a);
	if (!info->error[0])
		str_copy(info->error, "the coordinator has gone", sizeof(info->error));
}

/* May this thread ask now? Else errno is set. */
static bool may_ask(void)
{
	errno = !preload.active ? ENOTCONN : EBUSY;
	return preload.active && !handler_is_disabled_here();
}

/* What is asked for beside the usual; false: it can't be. target is NULL when that is nothing. */
static bool options_take(const struct ckpt_options *opt, struct msg_target *t, struct api_call *call, bool *wait)
{
	struct ckpt_options o = {0};

	if (opt)
		memcpy(&o, opt, opt->size < sizeof(o) ? opt->size : sizeof(o));
	*call = (struct api_call){0};
	*wait = !(o.flags & CKPT_NO_WAIT);
	if (!o.path && !(o.flags & CKPT_KEEP))
		return true;
	memset(t, 0, sizeof(*t));
	MSG_INIT(t, MSG_TARGET);
	t->flags = o.flags & CKPT_KEEP ? TARGET_KEEP : 0;
	t->keep = o.keep;
	call->target = t;
	errno = o.path && o.path[0] != '/' ? EINVAL : ENAMETOOLONG;
	return !o.path || (o.path[0] == '/' && str_copy(t->path, o.path, sizeof(t->path)));
}

/* One attempt; -EAGAIN: it was another checkpoint's turn; RESULT_FOR_NOW: it may be possible soon. */
static int attempt(struct api_call *call, bool wait, struct ckpt_info *info)
{
	int err = ask(call);

	memset(info, 0, sizeof(*info));
	if (err < 0)
		snprintf(info->error, sizeof(info->error), "no coordinator: %s", errno_name(err));
	else if (!call->restarted && (wait || !call->copied))
		await_result(call->conn, info, &err);
	else
		str_copy(info->path, call->path, sizeof(info->path));
	if (!wait)
		info->pause_ns = call->pause_ns;
	if (call->conn >= 0)
		close(call->conn);
	return err == -EAGAIN && call->conn < 0 ? -ECANCELED : err;
}

API int ckpt_checkpoint_with(const struct ckpt_options *opt, struct ckpt_info *out)
{
	struct msg_target target;
	struct ckpt_info info;
	struct api_call call;
	bool wait;
	int err, ntries = 0;

	if (!may_ask() || !options_take(opt, &target, &call, &wait))
		return -1;
	do
		err = attempt(&call, wait, &info);
	while (err == -EAGAIN || (err == RESULT_FOR_NOW && wait_longer(&ntries)));
	info_put(out, &info);
	if (err == 0)
		return call.restarted;
	errno = ECANCELED;
	return -1;
}

API int ckpt_checkpoint_info(struct ckpt_info *out)
{
	return ckpt_checkpoint_with(NULL, out);
}

API int ckpt_checkpoint(void)
{
	return ckpt_checkpoint_info(NULL);
}

API int ckpt_is_enabled(void)
{
	return preload.active;
}

API unsigned long ckpt_generation(void)
{
	return preload.generation;
}

API unsigned int ckpt_restarts(void)
{
	return preload.restarts;
}

/* ---- those that others ask for ---- */

API int ckpt_announce(int signo)
{
	if (!preload.active) {
		errno = ENOTCONN;
		return -1;
	}
	announce_set(signo);
	return announce_limit_ms();
}

API int ckpt_announced(void)
{
	return preload.active ? announce_take() : 0;
}

/* A coordinator that has gone meanwhile is not started anew: its request is void. */
API int ckpt_proceed(void)
{
	struct api_call call = {.request = announce_request()};

	if (!may_ask())
		return -1;
	if (!call.request)
		return 0;
	for (int i = 0; i < TRIES; i++) {
		handler_checkpoint(&call);
		if (call.err != -EAGAIN)
			break;
		wait_ms(1);
	}
	if (call.conn >= 0)
		close(call.conn);
	return call.err == 0 && call.restarted;
}

/* ---- the interval ---- */

static int command_interval(int conn, uint32_t seconds)
{
	struct arena a = {0};
	union any_msg *m = arena_alloc(&a, sizeof(*m));
	int err = -ECANCELED;

	if (!m)
		return -ENOMEM;
	MSG_INIT(&m->command, MSG_COMMAND);
	m->command.command = CMD_INTERVAL;
	m->command.interval_s = seconds;
	str_copy(m->command.job, preload.config.job, sizeof(m->command.job));
	if (msg_send(conn, &m->m) == 0)
		while (msg_recv(conn, m, -1) > 0 && m->m.type != MSG_END)
			;
	if (m->m.type == MSG_END && !m->end.status)
		err = 0;
	arena_free(&a);
	return err;
}

API int ckpt_interval(unsigned int seconds)
{
	int err = -ENOTCONN, conn = -1;

	if (preload.active)
		conn = err = msg_connect(preload.socket);
	for (int i = 0; i < TRIES && (err == -ENOENT || err == -ECONNREFUSED); i++) {
		if (i == 0)
			start_coordinator();
		wait_ms(1);
		conn = err = msg_connect(preload.socket);
	}
	if (conn >= 0) {
		err = command_interval(conn, seconds);
		close(conn);
	}
	if (err < 0) {
		errno = -err;
		return -1;
	}
	preload.config.interval_s = seconds; /* for coordinators to come */
	return 0;
}

API void ckpt_disable(void)
{
	handler_disable();
}

API void ckpt_enable(void)
{
	handler_enable();
}
