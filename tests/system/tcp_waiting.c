/*
 * TCP sockets before there is a connection: connections that wait to be accepted, in order and shut down; a
 * non-blocking connect that is not answered, one that was refused; sockets that listen on one port
 * together, that are bound only, that are nothing yet; backlogs.
 */
#include "tcp.h"

enum { CLIENTS = 5 };

static int nonblocking(struct name n)
{
	int fd = socket(n.a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&n.a, n.len) == 0 || errno != EINPROGRESS)
		die("connect");
	return fd;
}

static int sharing(struct name n)
{
	int fd = socket(n.a.ss_family, SOCK_STREAM, 0);

	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (bind(fd, (struct sockaddr *)&n.a, n.len) || listen(fd, 5))
		die("listen");
	return fd;
}

static int backlog(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n);
	return info.tcpi_sacked;
}

int main(void)
{
	struct name any6 = {.len = sizeof(struct sockaddr_in6)}, nowhere, names[CLIENTS], say_names[CLIENTS], from, dual_name;
	int l = listening(loopback(AF_INET), CLIENTS + 3), full = listening(loopback(AF_INET6), 0);
	char text[32];
	int said, saying[CLIENTS], clients[CLIENTS], waiting[2], refused, bound, fresh, dual, shared[2], i, fd, err;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = connect_to(local_name(l));
		names[i] = local_name(clients[i]);
	}
	shutdown(clients[CLIENTS - 1], SHUT_WR);
	/* Those who have sent already, one of them the end of its stream as well. */
	said = listening(loopback(AF_INET), CLIENTS);
	for (i = 0; i < CLIENTS; i++) {
		saying[i] = connect_to(local_name(said));
		say_names[i] = local_name(saying[i]);
		snprintf(text, sizeof(text), "request %d", i);
		put(saying[i], text, 0);
	}
	shutdown(saying[2], SHUT_WR);
	/* A queue for one connection: the second is not answered. */
	for (i = 0; i < 2; i++)
		waiting[i] = nonblocking(local_name(full));
	bound = socket(AF_INET, SOCK_STREAM, 0);
	nowhere = loopback(AF_INET);
	bind(bound, (struct sockaddr *)&nowhere.a, nowhere.len);
	nowhere = local_name(bound);
	refused = nonblocking(nowhere);
	fresh = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	any6.a.ss_family = AF_INET6;
	dual = listening(any6, 7);
	dual_name = local_name(dual);
	shared[0] = sharing(loopback(AF_INET));
	shared[1] = sharing(local_name(shared[0]));
	sleep_ms(50);

	ready();

	check(backlog(l) == CLIENTS + 3 && backlog(dual) == 7, "backlogs %d, %d", backlog(l), backlog(dual));
	for (i = 0; i < CLIENTS; i++) {
		check(same_name(local_name(clients[i]), names[i]), "name of client %d", i);
		fd = accept(l, NULL, NULL);
		from = remote_name(fd);
		check(fd >= 0 && same_name(from, names[i]), "another client than %d", i);
		if (i == CLIENTS - 1)
			check_get(fd, "");
		else
			check_talks(clients[i], fd);
		put(fd, "hello", 0);
		check(readable(clients[i], 2000), "no hello for %d", i);
		check_get(clients[i], "hello");
		close(fd);
	}
	for (i = 0; i < CLIENTS; i++) {
		fd = accept(said, NULL, NULL);
		from = remote_name(fd);
		check(same_name(from, say_names[i]), "another requester than %d", i);
		snprintf(text, sizeof(text), "request %d", i);
		check(readable(fd, 2000), "no request %d", i);
		check_get(fd, text);
		if (i == 2)
			check_get(fd, "");
		else
			check_talks(saying[i], fd);
		put(fd, "answer", 0);
		check(readable(saying[i], 2000), "no answer to %d", i);
		check_get(saying[i], "answer");
	}
	for (i = 0; i < 2; i++) {
		check(readable(full, 10000), "connection %d to the full queue", i);
		fd = accept(full, NULL, NULL);
		check(fd >= 0, "accept: %s", strerror(errno));
		put(fd, "at last", 0);
		close(fd);
	}
	for (i = 0; i < 2; i++) {
		check(readable(waiting[i], 5000), "nothing comes to connection %d", i);
		check_get(waiting[i], "at last");
	}
	err = get_int(refused, SOL_SOCKET, SO_ERROR);
	check(err == ECONNREFUSED, "the refused connection: %s", strerror(err));
	check(same_name(local_name(bound), nowhere), "name of a socket that is bound");
	check(listen(bound, 1) == 0, "listen: %s", strerror(errno));
	close(connect_to(nowhere));
	check(connect(fresh, (struct sockaddr *)&dual_name.a, dual_name.len) < 0 && errno == EINPROGRESS,
	      "connect: %s", strerror(errno));
	check(readable(dual, 2000), "nothing comes to the wildcard");
	check(same_name(local_name(shared[0]), local_name(shared[1])), "a shared port");
	return verdict();
}
