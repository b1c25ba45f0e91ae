/*
 * TCP under full load in both directions: threads write as fast as they can at both ends and read at
 * both, while checkpoints are made. Every byte comes once, in order. One connection's readers are slow, so
 * that its queues are always full; one's buffers are small and chosen by the program.
 *
 * test: checkpoints 3
 * test: time 60
 */
#include "tcp.h"
#include <pthread.h>

enum { CONNECTIONS = 3, SLOW = 1, SMALL = 2, BLOCK = 100000 };

static int s[CONNECTIONS][2];
static uint64_t sent[CONNECTIONS][2], got[CONNECTIONS][2];
static volatile bool stop;

struct task {
	int connection, end;
};

/* Byte number n of the stream from this end. */
static uint8_t content(uint64_t n, int end)
{
	return (n * 0x9e3779b97f4a7c15ull >> 56) + end;
}

static void *writer(void *arg)
{
	const struct task *t = arg;
	uint8_t *buf = malloc(BLOCK);
	uint64_t at = 0;
	ssize_t n;
	int i;

	while (!stop) {
		for (i = 0; i < BLOCK; i++)
			buf[i] = content(at + i, t->end);
		n = send(s[t->connection][t->end], buf, 1 + at % BLOCK, MSG_NOSIGNAL);
		if (n < 0) {
			check(false, "send: %s", strerror(errno));
			break;
		}
		at += n;
	}
	sent[t->connection][t->end] = at;
	shutdown(s[t->connection][t->end], SHUT_WR);
	return NULL;
}

static void *reader(void *arg)
{
	const struct task *t = arg;
	uint8_t *buf = malloc(BLOCK);
	uint64_t at = 0;
	ssize_t n;
	int i;

	while ((n = recv(s[t->connection][t->end], buf, BLOCK, 0)) > 0) {
		for (i = 0; i < n && buf[i] == content(at + i, !t->end); i++)
			;
		check(i == n, "connection %d, end %d: byte %llu differs", t->connection, t->end,
		      (unsigned long long)at + i);
		if (i < n)
			break;
		at += n;
		if (t->connection == SLOW && !stop)
			sleep_ms(300);
	}
	check(n == 0, "recv: %zd %s", n, n < 0 ? strerror(errno) : "");
	got[t->connection][t->end] = at;
	return NULL;
}

static void buffers_choose(int fd)
{
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 20000);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 20000);
}

int main(void)
{
	static struct task tasks[CONNECTIONS][2];
	pthread_t threads[CONNECTIONS][2][2];
	int i, e, before[2];

	for (i = 0; i < CONNECTIONS; i++) {
		pair(i == SLOW ? AF_INET6 : AF_INET, s[i]);
		for (e = 0; e < 2; e++) {
			if (i == SMALL)
				buffers_choose(s[i][e]);
			tasks[i][e] = (struct task){i, e};
			if (pthread_create(&threads[i][e][0], NULL, writer, &tasks[i][e]) ||
			    pthread_create(&threads[i][e][1], NULL, reader, &tasks[i][e]))
				die("pthread_create");
		}
	}
	before[0] = get_int(s[SMALL][0], SOL_SOCKET, SO_RCVBUF);
	before[1] = get_int(s[SMALL][0], SOL_SOCKET, SO_SNDBUF);
	sleep_ms(300);

	ready();

	sleep_ms(300);
	check(get_int(s[SMALL][0], SOL_SOCKET, SO_RCVBUF) == before[0], "SO_RCVBUF is %d, was %d",
	      get_int(s[SMALL][0], SOL_SOCKET, SO_RCVBUF), before[0]);
	check(get_int(s[SMALL][0], SOL_SOCKET, SO_SNDBUF) == before[1], "SO_SNDBUF is %d, was %d",
	      get_int(s[SMALL][0], SOL_SOCKET, SO_SNDBUF), before[1]);
	stop = true;
	for (i = 0; i < CONNECTIONS; i++)
		for (e = 0; e < 2; e++) {
			pthread_join(threads[i][e][0], NULL);
			pthread_join(threads[i][e][1], NULL);
		}
	for (i = 0; i < CONNECTIONS; i++)
		for (e = 0; e < 2; e++)
			check(sent[i][e] == got[i][!e] && sent[i][e] > 0,
			      "connection %d: %llu bytes sent, %llu received", i,
			      (unsigned long long)sent[i][e], (unsigned long long)got[i][!e]);
	return verdict();
}
