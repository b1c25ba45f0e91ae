/*
 * Connections that nobody has accepted yet: they come in the order they were made, one is half
 * shut, and as many as the backlog holds go in.
 */
#include "unix.h"

static int try_connect(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int err = connect_fd(fd, name) ? errno : 0;

	close(fd);
	return err;
}

int main(void)
{
	char name[64], path[64];
	int l, p, client[3], packet[2], i, s;

	own_name(name, sizeof(name), "@unix-backlog");
	own_name(path, sizeof(path), "/tmp/unix-backlog");
	l = listening(SOCK_STREAM, name, 2);
	p = listening(SOCK_SEQPACKET, path, 5);
	client[0] = connected(SOCK_STREAM, name);
	client[1] = connected(SOCK_STREAM, name);
	client[2] = connected(SOCK_STREAM, name);
	packet[0] = connected(SOCK_SEQPACKET, path);
	packet[1] = connected(SOCK_SEQPACKET, path);
	shutdown(client[2], SHUT_WR);

	ready();

	check(try_connect(name) == EAGAIN, "the backlog is not full");
	for (i = 0; i < 2; i++) {
		s = accepted(l);
		check_talk(client[i], s);
	}
	s = accepted(l);
	check_get(s, "");
	put(s, "one way");
	check_get(client[2], "one way");
	check(try_connect(name) == 0, "no more can connect");
	check_talk(packet[0], accepted(p));
	check_talk(packet[1], accepted(p));
	check_name(packet[0], true, path);
	unlink(path);
	return verdict();
}
