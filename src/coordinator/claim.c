/*
 * A socket's name outlives who listened on it, and two may start at once; so a lock on a file
 * beside it decides. Who holds it owns the name. Who does not waits until the owner answers, or
 * until the owner, who may be about to end, has let go.
 */
#include "claim.h"
#include "die.h"
#include "protocol.h"
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 1000, TRY_MS = 5 };

static int open_lock(const char *path)
{
	char lock[SOCKET_PATH_MAX + 8];
	int fd;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		die("cannot open %s:", lock);
	return fd;
}

/* Its owner removes the file when it ends: a lock on one that has no name any more is worth nothing. */
static bool is_named(int lock, const char *path)
{
	char name[SOCKET_PATH_MAX + 8];
	struct stat ours, named;

	snprintf(name, sizeof(name), "%s.lock", path);
	return fstat(lock, &ours) == 0 && lstat(name, &named) == 0 && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("cannot make a socket:");
	str_copy(addr.sun_path, path, sizeof(addr.sun_path));
	umask(077);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("cannot make socket %s:", path);
	if (listen(fd, SOMAXCONN))
		die("cannot listen on %s:", path);
	return fd;
}

static bool is_answered(const char *path)
{
	int fd = msg_connect(path);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int claim_socket(const char *path)
{
	const struct timespec wait = {.tv_nsec = TRY_MS * 1000000};
	int lock = open_lock(path);

	for (int i = 0; i < TRIES; i++) {
		if (!flock(lock, LOCK_EX | LOCK_NB)) {
			if (is_named(lock, path))
				return listen_at(path);
			close(lock);
			lock = open_lock(path);
			continue;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			die("cannot lock %s.lock:", path);
		if (is_answered(path))
			return -1;
		nanosleep(&wait, NULL);
	}
	die("another coordinator holds %s.lock, but does not answer", path);
}

void claim_release(const char *path)
{
	char lock[SOCKET_PATH_MAX + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(path);
	unlink(lock);
}
