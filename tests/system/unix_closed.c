/*
 * Connections of which one end is closed: with a name, with bytes that the other had not read (then
 * ECONNRESET waits), half shut; and one whose descriptor only is not there any more.
 */
#include "unix.h"

int main(void)
{
	char name[64];
	int l, c1, c2, s1, s2, reset[2], error = 0;
	socklen_t n = sizeof(error);

	own_name(name, sizeof(name), "@unix-closed");
	l = listening(SOCK_STREAM, name, 3);
	c1 = connected(SOCK_STREAM, name);
	s1 = accepted(l);
	c2 = connected(SOCK_STREAM, name);
	s2 = accepted(l);
	put(c1, "farewell");
	close(c1);
	put(s2, "goodbye");
	shutdown(s2, SHUT_WR);
	close(s2);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, reset))
		die("socketpair");
	put(reset[0], "never read");
	close(reset[1]);

	ready();

	check_get(s1, "farewell");
	check_get(s1, "");
	check_name(s1, false, name);
	check(send(s1, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "it is closed, and sends");
	check_get(c2, "goodbye");
	check_get(c2, "");
	check_name(c2, true, name);
	getsockopt(reset[0], SOL_SOCKET, SO_ERROR, &error, &n);
	check(error == ECONNRESET, "its error is %d", error);
	check_get(reset[0], "");
	c1 = connected(SOCK_STREAM, name);
	check_talk(c1, accepted(l));
	return verdict();
}
