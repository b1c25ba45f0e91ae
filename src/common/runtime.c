/*
 * The directory of the socket is the lock on the door: only its owner can reach what is in it. So
 * it is held to be ours, private and no link before anything in it is trusted.
 */
#include "runtime.h"
#include "die.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put_path(char *path, size_t n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put_path(char *path, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(path, n, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= n)
		die("%.200s…: path is too long (at most %zu bytes)", path, n - 1);
}

static const char *env_path(const char *name)
{
	const char *s = getenv(name);

	return s && *s == '/' ? s : NULL;
}

/* The directory that a login session or the administrator keeps for us, or NULL. */
static const char *session_dir(void)
{
	const char *dir = env_path("XDG_RUNTIME_DIR");
	struct stat st;

	if (!dir || stat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	return dir;
}

static void make_private_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) && errno != EEXIST)
		die("cannot make directory %s:", dir);
	if (lstat(dir, &st))
		die("cannot look at %s:", dir);
	if (!S_ISDIR(st.st_mode))
		die("%s is not a directory: not used for the coordinator's socket", dir);
	if (st.st_uid != geteuid())
		die("%s belongs to user %u, not to us: not used for the coordinator's socket", dir,
		    st.st_uid);
	if (st.st_mode & 077)
		die("%s is open to others (mode %03o, should be 700): not used for the "
		    "coordinator's socket",
		    dir, st.st_mode & 0777);
}

void runtime_socket_path(char path[SOCKET_PATH_MAX])
{
	const char *env = getenv("CKPT_SOCKET"), *dir;
	char own[PATH_MAX];

	if (env && *env) {
		if (*env != '/')
			die("CKPT_SOCKET=%s: must be an absolute path", env);
		put_path(path, SOCKET_PATH_MAX, "%s", env);
		return;
	}
	dir = session_dir();
	if (dir) {
		put_path(own, sizeof(own), "%s/ckpt", dir);
	} else {
		dir = env_path("TMPDIR");
		put_path(own, sizeof(own), "%s/ckpt-%u", dir ? dir : "/tmp", geteuid());
	}
	put_path(path, SOCKET_PATH_MAX, "%s/coordinator.sock", own);
	make_private_dir(own);
}

void runtime_beside(const char *name, char *path, size_t n)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		die("cannot read /proc/self/exe:");
	exe[len] = 0;
	*strrchr(exe, '/') = 0;
	put_path(path, n, "%s/%s", exe, name);
}

void runtime_library(char *path, size_t n)
{
	static const char *const places[] = {"../lib/libckpt.so", "../lib/ckpt/libckpt.so"};
	char place[PATH_MAX], *real;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		runtime_beside(places[i], place, sizeof(place));
		real = realpath(place, NULL);
		if (!real)
			continue;
		put_path(path, n, "%s", real);
		free(real);
		return;
	}
	runtime_beside(places[0], place, sizeof(place));
	die("libckpt.so is not where it should be: %s", place);
}

void runtime_fault(struct fault *f)
{
	const char *value = getenv("CKPT_FAULT");

	if (fault_parse(value, f) < 0)
		die("CKPT_FAULT=%s: there is no such point or action", value);
}
