/*
 * TCP between processes: a server forks a handler for each client, clients are processes of their own;
 * each pair asks and answers at full speed, and one pair only streams, in both directions. No byte is lost or
 * doubled; a client that has not been accepted is, afterwards.
 *
 * test: checkpoints 3
 * test: time 60
 */
#include "tcp.h"
#include <sys/wait.h>

enum { CLIENTS = 6, BLOCK = 50000 };

static void all(int fd, void *p, size_t n, bool out)
{
	char *at = p;
	ssize_t r;

	for (; n; n -= r, at += r) {
		r = out ? send(fd, at, n, MSG_NOSIGNAL) : recv(fd, at, n, 0);
		if (r <= 0)
			_exit(10);
	}
}

/* Answers each question, a number, with the next; the end is 0. */
static void answer(int fd)
{
	uint64_t n, expected = 1;

	for (;;) {
		all(fd, &n, sizeof(n), false);
		if (!n)
			_exit(0);
		if (n != expected)
			_exit(11);
		expected = n + 2;
		n++;
		all(fd, &n, sizeof(n), true);
	}
}

static void ask(int fd)
{
	uint64_t n = 1, got;

	for (; !gone(); n = got + 1) {
		all(fd, &n, sizeof(n), true);
		all(fd, &got, sizeof(got), false);
		if (got != n + 1)
			_exit(12);
	}
	n = 0;
	all(fd, &n, sizeof(n), true);
	_exit(0);
}

/* A process that writes and one that reads, at either end. */
static void stream(int fd)
{
	static uint8_t buf[BLOCK];
	uint64_t at = 0;
	ssize_t n;
	int i, status = 0, pid = fork();

	if (!pid) {
		while (!gone()) {
			for (i = 0; i < BLOCK; i++)
				buf[i] = (at + i) % 251;
			all(fd, buf, 1 + at % BLOCK, true);
			at += 1 + at % BLOCK;
		}
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (i = 0; i < n; i++)
			if (buf[i] != (at + i) % 251)
				_exit(13);
		at += n;
	}
	waitpid(pid, &status, 0);
	_exit(n < 0 ? 14 : status ? 15 : 0);
}

static void client(struct name server, int number)
{
	int fd = connect_to(server);

	if (number == 0)
		stream(fd);
	ask(fd);
}

static void handler(int fd, int number)
{
	if (number == 0)
		stream(fd);
	answer(fd);
}

int main(void)
{
	int l = listening(loopback(AF_INET), 20), number, fd, status, late, pid;
	struct name server = local_name(l);
	char hello[5];

	for (number = 0; number < CLIENTS; number++) {
		if (!fork()) {
			close(l);
			client(server, number);
		}
		fd = accept(l, NULL, NULL);
		if (!fork()) {
			close(l);
			handler(fd, number);
		}
		close(fd);
	}
	late = fork();
	if (!late) {
		close(l);
		fd = connect_to(server);
		put(fd, "it's me", 0);
		_exit(readable(fd, 30000) && recv(fd, hello, 5, 0) == 5 && !memcmp(hello, "hello", 5) ? 0 : 16);
	}
	sleep_ms(200);

	ready();

	fd = accept(l, NULL, NULL);
	check(readable(fd, 5000), "the late one says nothing");
	check_get(fd, "it's me");
	put(fd, "hello", 0);
	for (number = 0; number < 2 * CLIENTS + 1; number++) {
		pid = wait(&status);
		check(pid > 0 && status == 0, "%s ends with 0x%x", pid == late ? "the late one" : "a process",
		      status);
	}
	return verdict();
}
