/*
 * POSIX message queues: name, attributes, messages with priorities, in order; one full, one unlinked, one
 * opened twice, a thread waits for a message.
 *
 * test: leaves
 */
#include "harness.h"
#include <mqueue.h>
#include <pthread.h>
#include <sys/stat.h>

enum { SIZE = 200, N = 10 };

static mqd_t waited;

static void *receiver(void *arg)
{
	char text[SIZE];
	unsigned int priority;
	ssize_t n = mq_receive(waited, text, SIZE, &priority);

	check(n == 5 && !memcmp(text, "later", 5) && priority == 3, "mq_receive gave %zd: %s", n, strerror(errno));
	return arg;
}

static mqd_t make(const char *name, const char *part, long maxmsg, int mode)
{
	struct mq_attr a = {.mq_maxmsg = maxmsg, .mq_msgsize = SIZE};
	char full[64];
	mqd_t q;

	snprintf(full, sizeof(full), "%s%s", name, part);
	q = mq_open(full, O_RDWR | O_CREAT | O_EXCL, mode, &a);
	if (q < 0)
		die("mq_open");
	return q;
}

static void fill(mqd_t q, int n)
{
	char text[SIZE];

	for (int i = 0; i < n; i++) {
		memset(text, 'a' + i, sizeof(text));
		if (mq_send(q, text, i == 4 ? 0 : 20 * (i % N) + 7, i % 3 * 1000) < 0)
			die("mq_send");
	}
}

static void check_fill(mqd_t q, int n, const char *what)
{
	struct mq_attr a = {0};
	char text[SIZE];

	check(mq_getattr(q, &a) == 0 && a.mq_curmsgs == n, "%s: %ld messages", what, a.mq_curmsgs);
	for (int priority = 2; priority >= 0; priority--) {
		for (int i = priority; i < n; i += 3) {
			unsigned int got;
			ssize_t len = mq_receive(q, text, SIZE, &got);

			check(len == (i == 4 ? 0 : 20 * (i % N) + 7), "%s: message %d has %zd bytes", what, i, len);
			check(got == (unsigned int)priority * 1000, "%s: message %d has priority %u", what, i, got);
			check(len <= 0 || (text[0] == 'a' + i && text[len - 1] == 'a' + i), "%s: message %d: %c",
			      what, i, text[0]);
		}
	}
}

int main(void)
{
	mqd_t full, gone, other, writer;
	char name[32], path[64];
	struct mq_attr a = {.mq_flags = O_NONBLOCK};
	pthread_t t;

	snprintf(name, sizeof(name), "/ckpt-test-%d", getpid());
	full = make(name, "", N, 0640);
	gone = make(name, ".gone", 4, 0600);
	waited = make(name, ".waited", 4, 0600);
	writer = mq_open(name, O_WRONLY);
	snprintf(path, sizeof(path), "%s.gone", name);
	mq_unlink(path);
	other = make(name, ".gone", 7, 0600); /* has that name now */
	if (writer < 0)
		die("mq_open");
	fill(full, N);
	fill(gone, 3);
	fill(other, 2);
	mq_setattr(other, &a, NULL);
	pthread_create(&t, NULL, receiver, NULL);
	sleep_ms(20);

	ready();

	check(mq_getattr(full, &a) == 0 && a.mq_maxmsg == N && a.mq_msgsize == SIZE && a.mq_flags == 0,
	      "the full queue: %s", strerror(errno));
	check(mq_send(waited, "later", 5, 3) == 0, "mq_send: %s", strerror(errno));
	pthread_join(t, NULL);
	check_fill(full, N, "the full queue");
	check_fill(gone, 3, "the unlinked queue");
	check_fill(other, 2, "the other queue");
	check(mq_receive(other, path, SIZE, NULL) < 0 && errno == EAGAIN, "the other queue blocks");
	check(mq_send(writer, "x", 1, 0) == 0, "the writer: %s", strerror(errno));
	check(mq_getattr(full, &a) == 0 && a.mq_curmsgs == 1, "both are not one queue");
	check(mq_receive(writer, path, SIZE, NULL) < 0 && errno == EBADF, "the writer can read");
	check(mq_open(name, O_RDONLY) >= 0, "no queue of that name: %s", strerror(errno));
	mq_unlink(name);
	snprintf(path, sizeof(path), "%s.gone", name);
	check(mq_unlink(path) == 0, "unlinking the other: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s.waited", name);
	check(mq_unlink(path) == 0, "unlinking the waited: %s", strerror(errno));
	return verdict();
}
