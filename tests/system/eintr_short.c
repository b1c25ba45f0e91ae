/*
 * Blocking calls that take as many bytes as they are given, when no signal of the program's own comes:
 * write on a pipe and send on a stream socket of more than fits, recv with MSG_WAITALL. A freeze meets
 * them half done. Afterwards a signal, or the end of its thread, still gets at such a call.
 * test: checkpoints 20
 */
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { SIZE = 1 << 20, STEP = 20000 };

static volatile bool stop;

/* One way to move SIZE bytes from fds[1] to fds[0] in a single call on one side. */
struct way {
	const char *name;
	bool socket;
	ssize_t (*put)(int fd, const char *p, size_t n);
	ssize_t (*get)(int fd, char *p, size_t n);
	int fds[2];
	char *out, *in;
	volatile long rounds;
	pthread_t putter, getter;
};

static ssize_t put_by_write(int fd, const char *p, size_t n)
{
	return write(fd, p, n);
}

static ssize_t put_by_send(int fd, const char *p, size_t n)
{
	return send(fd, p, n, 0);
}

static ssize_t get_by_recv(int fd, char *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL);
}

/* A little at a time, so that the other side is hardly ever not waiting. */
static ssize_t put_slowly(int fd, const char *p, size_t n)
{
	ssize_t done = 0, r;

	for (; done < (ssize_t)n; done += r) {
		sleep_ms(1);
		r = write(fd, p + done, n - done < STEP ? n - done : STEP);
		if (r <= 0)
			return r;
	}
	return done;
}

static ssize_t get_slowly(int fd, char *p, size_t n)
{
	ssize_t done = 0, r;

	for (; done < (ssize_t)n; done += r) {
		sleep_ms(1);
		r = read(fd, p + done, n - done < STEP ? n - done : STEP);
		if (r <= 0)
			return r;
	}
	return done;
}

static struct way ways[] = {
	{.name = "write on a pipe", .put = put_by_write, .get = get_slowly},
	{.name = "write on a socket", .socket = true, .put = put_by_write, .get = get_slowly},
	{.name = "send", .socket = true, .put = put_by_send, .get = get_slowly},
	{.name = "recv", .socket = true, .put = put_slowly, .get = get_by_recv},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static char byte_at(long round, long i)
{
	return (char)(i * 7 + (i >> 12) + round);
}

static void *putter(void *arg)
{
	struct way *w = arg;
	long round = 0;
	ssize_t n;

	do {
		for (long i = 0; i < SIZE; i++)
			w->out[i] = byte_at(round, i);
		n = w->put(w->fds[1], w->out, SIZE);
		check(n == SIZE, "%s: put %zd of %d: %s", w->name, n, SIZE, strerror(errno));
		round++;
	} while (!stop && !test_failures);
	close(w->fds[1]);
	return NULL;
}

static void *getter(void *arg)
{
	struct way *w = arg;
	ssize_t n;

	while ((n = w->get(w->fds[0], w->in, SIZE)) > 0) {
		check(n == SIZE, "%s: got %zd of %d", w->name, n, SIZE);
		for (long i = 0; i < n; i++) {
			if (w->in[i] == byte_at(w->rounds, i))
				continue;
			check(false, "%s: byte %ld of round %ld", w->name, i, w->rounds);
			break;
		}
		w->rounds++;
	}
	close(w->fds[0]);
	return NULL;
}

/* ---- a pipe that nobody reads: the call never comes to its end ---- */

static char much[SIZE];
static int stuck[2][2];
static ssize_t interrupted_gave;
static volatile bool cleaned_up;

static void on_usr1(int sig)
{
	(void)sig;
}

static void *to_be_interrupted(void *arg)
{
	interrupted_gave = write(stuck[0][1], much, SIZE);
	return arg;
}

static void clean_up(void *arg)
{
	cleaned_up = arg;
}

static void *to_be_cancelled(void *arg)
{
	pthread_cleanup_push(clean_up, much);
	check(write(stuck[1][1], much, SIZE) < 0, "the write of the cancelled thread came back");
	pthread_cleanup_pop(0);
	return arg;
}

static void start_stuck(pthread_t *t)
{
	struct sigaction sa = {.sa_handler = on_usr1};

	sigaction(SIGUSR1, &sa, NULL);
	if (pipe(stuck[0]) || pipe(stuck[1]))
		die("pipe");
	pthread_create(&t[0], NULL, to_be_interrupted, NULL);
	pthread_create(&t[1], NULL, to_be_cancelled, NULL);
}

static void check_stuck(pthread_t *t)
{
	int capacity = fcntl(stuck[0][1], F_GETPIPE_SZ);
	void *result;

	pthread_kill(t[0], SIGUSR1);
	pthread_join(t[0], NULL);
	check(interrupted_gave == capacity, "the interrupted write gives %zd, not %d", interrupted_gave,
	      capacity);
	pthread_cancel(t[1]);
	pthread_join(t[1], &result);
	check(result == PTHREAD_CANCELED && cleaned_up, "the cancelled thread has not cleaned up");
}

int main(void)
{
	pthread_t t[2];

	start_stuck(t);
	for (struct way *w = ways; w < ways + WAYS; w++) {
		w->out = malloc(SIZE);
		w->in = malloc(SIZE);
		if (w->socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, w->fds) : pipe(w->fds))
			die("%s", w->name);
		pthread_create(&w->putter, NULL, putter, w);
		pthread_create(&w->getter, NULL, getter, w);
	}
	ready();
	check_stuck(t);
	stop = true;
	for (struct way *w = ways; w < ways + WAYS; w++) {
		pthread_join(w->putter, NULL);
		pthread_join(w->getter, NULL);
		check(w->rounds > 0, "%s: nothing came", w->name);
	}
	return verdict();
}
