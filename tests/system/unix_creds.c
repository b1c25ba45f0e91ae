/*
 * Credentials: SO_PEERCRED of pairs and connections, those that wait with messages, SO_PASSCRED
 * itself. A part was made by a process that has ended since.
 */
#include "unix.h"
#include <sys/wait.h>

static pid_t peer_pid(int fd)
{
	struct ucred u = {0};
	socklen_t n = sizeof(u);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n);
	check(u.uid == getuid() && u.gid == getgid(), "fd %d: uid %d, gid %d", fd, (int)u.uid,
	      (int)u.gid);
	return u.pid;
}

static void check_cred(int fd, const char *want, pid_t pid)
{
	char buf[64] = "", control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = {buf, sizeof(buf) - 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *h;
	struct ucred u = {-1, -1, -1};

	recvmsg(fd, &m, MSG_DONTWAIT);
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_type == SCM_CREDENTIALS)
		memcpy(&u, CMSG_DATA(h), sizeof(u));
	check(!strcmp(buf, want), "\"%s\", not \"%s\"", buf, want);
	check(u.pid == pid && u.uid == getuid(), "\"%s\" comes from %d, uid %d, not from %d", want,
	      (int)u.pid, (int)u.uid, (int)pid);
}

int main(void)
{
	int pair[2], stream[2], dgram[2], l, client, server, one = 1;
	char name[64];
	pid_t child;

	own_name(name, sizeof(name), "@unix-creds");
	l = listening(SOCK_STREAM, name, 1);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, stream) ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram))
		die("socketpair");
	setsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	setsockopt(dgram[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	put(stream[0], "of the parent");
	put(dgram[0], "mine");
	child = fork();
	if (child == 0) {
		put(stream[0], "of the child");
		put(dgram[0], "its");
		_exit(connect_fd(client, name));
	}
	waitpid(child, NULL, 0);
	put(stream[0], "of the parent again");
	server = accepted(l);

	ready();

	check(peer_pid(pair[0]) == getpid(), "the pair is of %d", peer_pid(pair[0]));
	check(peer_pid(server) == child, "%d has connected, not %d", peer_pid(server), child);
	check(peer_pid(client) == getpid(), "%d listens", peer_pid(client));
	check_cred(stream[1], "of the parent", getpid());
	check_cred(stream[1], "of the child", child);
	check_cred(stream[1], "of the parent again", getpid());
	check_cred(dgram[1], "mine", getpid());
	check_cred(dgram[1], "its", child);
	put(stream[0], "new");
	check_cred(stream[1], "new", getpid());
	check_talk(client, server);
	return verdict();
}
