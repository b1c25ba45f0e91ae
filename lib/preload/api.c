/*
 * The functions of include/ckpt.h. They run in the program's own time, not frozen: libc may be used.
 *
 * A checkpoint asked for from inside is one that this thread leads at once; the coordinator is told by
 * the leader's connection, over which the result comes back. When there is no coordinator, one is
 * started: by a grandchild, so that no wait of the program's sees it.
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

#define API __attribute__((visibility("default")))

struct ckpt_info {
	size_t size;
	char path[4096];
	uint64_t bytes, pause_ns, total_ns;
	char error[1024];
};

enum { TRIES = 10000 }; /* a millisecond apart */

/* ---- a coordinator when there is none ---- */

static int spawn_coordinator(void *arg)
{
	char *argv[] = {arg, NULL}, *envp[2] = {NULL, NULL};
	char env[sizeof(CKPT_ENV_SOCKET) + sizeof(preload.socket) + 1];
	struct text t = TEXT(env);

	text_put(&t, "%s=%s", CKPT_ENV_SOCKET, preload.socket);
	envp[0] = env;
	if (sys_call5(__NR_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
		sys_call3(__NR_execve, arg, argv, envp);
		sys_exit_group(127);
	}
	return 0;
}

/* ckpt_coordinator beside libckpt.so, as built (../bin) or as installed (../../bin). */
static bool coordinator_path(char *path, size_t n)
{
	static const char *const where[] = {"../bin", "../../bin"};
	Dl_info info;

	if (!dladdr(&preload, &info) || !info.dli_fname)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		const char *slash = strrchr(info.dli_fname, '/');

		if (slash && snprintf(path, n, "%.*s/%s/ckpt_coordinator",
				      (int)(slash - info.dli_fname), info.dli_fname,
				      where[i]) < (int)n && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void coordinator_start(void)
{
	char path[CKPT_PATH_MAX];
	sigset_t all, old;
	int status;
	long pid;

	if (!coordinator_path(path, sizeof(path)))
		return;
	/* A checkpoint meanwhile would use the same stack. */
	sigfillset(&all);
	sys_sigprocmask(SIG_SETMASK, (uint64_t *)&all, (uint64_t *)&old);
	pid = clone_on_stack(CLONE_VM | CLONE_VFORK, preload.snapshot_stack + preload.snapshot_stack_len,
			     spawn_coordinator, path);
	if (pid > 0)
		while (sys_call4(__NR_wait4, pid, &status, __WALL, NULL) == -EINTR)
			;
	sys_sigprocmask(SIG_SETMASK, (uint64_t *)&old, NULL);
}

/* ---- the call ---- */

static void wait_ms(void)
{
	struct timespec t = {.tv_nsec = 1000000};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t);
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
				coordinator_start();
			started = true;
		} else if (call->err != -EAGAIN) {
			break;
		}
		wait_ms();
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

static void await_result(int conn, struct ckpt_info *info, int *err)
{
	static __thread union any_msg m;
	int r;

	*err = -ECANCELED;
	while ((r = msg_recv(conn, &m, -1)) > 0) {
		if (m.m.type == MSG_REFUSE || m.m.type == MSG_LINE)
			str_copy(info->error, m.line.text, sizeof(info->error));
		if (m.m.type != MSG_RESULT)
			continue;
		*err = m.result.err == -EAGAIN ? -EAGAIN : m.result.err ? -ECANCELED : 0;
		str_copy(info->path, m.result.image, sizeof(info->path));
		if (m.result.text[0])
			str_copy(info->error, m.result.text, sizeof(info->error));
		info->bytes = m.result.image_bytes;
		info->pause_ns = m.result.pause_ns;
		info->total_ns = m.result.total_ns;
		return;
	}
	if (!info->error[0])
		str_copy(info->error, "the coordinator has gone", sizeof(info->error));
}

API int ckpt_checkpoint_info(struct ckpt_info *out)
{
	struct ckpt_info info;
	struct api_call call;
	int err;

	if (!preload.active) {
		errno = ENOTCONN;
		return -1;
	}
	if (handler_is_disabled_here()) {
		errno = EBUSY;
		return -1;
	}
	do { /* again when it was another checkpoint's turn */
		memset(&info, 0, sizeof(info));
		err = ask(&call);
		if (err == 0 && !call.restarted)
			await_result(call.conn, &info, &err);
		else if (err < 0)
			snprintf(info.error, sizeof(info.error), "no coordinator: %s", errno_name(err));
		if (call.conn >= 0)
			close(call.conn);
	} while (err == -EAGAIN && call.conn >= 0);
	if (err == 0 && call.restarted) {
		str_copy(info.path, call.path, sizeof(info.path));
		info_put(out, &info);
		return 1;
	}
	info_put(out, &info);
	if (err == 0)
		return 0;
	errno = ECANCELED;
	return -1;
}

API int ckpt_checkpoint(void)
{
	return ckpt_checkpoint_info(NULL);
}

API int ckpt_is_enabled(void)
{
	return preload.active;
}

API void ckpt_disable(void)
{
	handler_disable();
}

API void ckpt_enable(void)
{
	handler_enable();
}
