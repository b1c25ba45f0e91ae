/*
 * Unix sockets between processes: pairs of which each process has an end, one that all have, who
 * listens and who waits to be accepted, datagrams of several processes, a descriptor under way from
 * one to another.
 */
#include "tree.h"
#include "unix.h"
#include <sys/eventfd.h>

static int pair[2], common[2], rights[2], packet[2], listener, server;
static char stream_name[64], dgram_name[64];
static struct signpost up, down;

static pid_t peer_pid(int fd)
{
	struct ucred u = {0};
	socklen_t n = sizeof(u);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n);
	return u.pid;
}

static void fd_put(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {"f", 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	*h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	if (sendmsg(to, &m, 0) != 1)
		die("sendmsg");
}

static int fd_get(int from)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	int fd = -1;

	check(recvmsg(from, &m, MSG_DONTWAIT) == 1 && m.msg_controllen, "no descriptor comes");
	if (m.msg_controllen)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

/* It has the other ends. */
static void child(void *arg)
{
	char name[64];
	int client, waiting, d, e = eventfd(7, 0);
	uint64_t count = 0;

	(void)arg;
	close(pair[0]);
	close(packet[0]);
	close(rights[0]);
	close(listener);
	client = connected(SOCK_STREAM, stream_name);
	signpost_tell(&up);
	signpost_await(&down, 1);
	put(client, "from the client");
	waiting = connected(SOCK_STREAM, stream_name);
	own_name(name, sizeof(name), "@unix-tree-sender");
	d = bound(SOCK_DGRAM, name);
	connect_fd(d, dgram_name);
	put(d, "child");
	put(pair[1], "to the parent");
	put(packet[1], "one");
	put(packet[1], "two");
	put(common[1], "of the child.");
	fd_put(rights[1], e);
	close(e);
	signpost_tell(&up);

	signpost_await(&down, 1);
	check_get(client, "to the client");
	check_get(pair[1], "to the child");
	check_name(client, true, stream_name);
	check(peer_pid(client) == getppid(), "%d listens", peer_pid(client));
	put(client, "client again");
	put(waiting, "accepted");
	put(d, "child again");
	e = fd_get(rights[1]);
	check(read(e, &count, sizeof(count)) == sizeof(count) && count == 9, "the count is %d",
	      (int)count);
	signpost_tell(&up);
	signpost_await(&down, 1);
}

static void second(void *arg)
{
	int d = connected(SOCK_DGRAM, dgram_name);

	(void)arg;
	put(d, "second");
	put(common[1], "of the second.");
	signpost_tell(&up);
	wait_gone();
}

int main(void)
{
	int datagrams, e = eventfd(9, 0), got;
	uint64_t count = 0;
	pid_t pid, other;

	own_name(stream_name, sizeof(stream_name), "/tmp/unix-tree");
	own_name(dgram_name, sizeof(dgram_name), "@unix-tree-dgram");
	up = signpost_make();
	down = signpost_make();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, common) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, rights) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packet))
		die("socketpair");
	listener = listening(SOCK_STREAM, stream_name, 4);
	datagrams = bound(SOCK_DGRAM, dgram_name);
	pid = child_start(child, NULL);
	close(pair[1]);
	close(packet[1]);
	close(rights[1]);
	signpost_await(&up, 1);
	server = accepted(listener);
	put(server, "to the client");
	put(pair[0], "to the child");
	signpost_tell(&down);
	signpost_await(&up, 1);
	other = child_start(second, NULL);
	signpost_await(&up, 1);
	fd_put(rights[0], e);
	close(e);

	ready();

	signpost_tell(&down);
	signpost_await(&up, 1);
	check(peer_pid(server) == pid, "%d has connected", peer_pid(server));
	check_get(server, "from the clientclient again");
	check_get(pair[0], "to the parent");
	check_get(packet[0], "one");
	check_get(packet[0], "two");
	check_get(common[0], "of the child.of the second.");
	check_get(datagrams, "child");
	check_get(datagrams, "second");
	check_get(datagrams, "child again");
	check_get(accepted(listener), "accepted");
	got = fd_get(rights[0]);
	check(read(got, &count, sizeof(count)) == sizeof(count) && count == 7, "the count is %d",
	      (int)count);
	signpost_tell(&down);
	child_end(pid, 0);
	child_end(other, 0);
	unlink(stream_name);
	return verdict();
}
