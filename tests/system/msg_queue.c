/*
 * SysV message queues: id, key, size, messages with their types, in order; a thread waits for a type.
 *
 * test: leaves
 */
#include "harness.h"
#include <pthread.h>
#include <sys/msg.h>

enum { N = 20 };

struct message {
	long type;
	char text[3000];
};

static int queue;

static void *receiver(void *arg)
{
	struct message m;
	ssize_t n = msgrcv(queue, &m, sizeof(m.text), 99, 0);

	check(n == 5 && !memcmp(m.text, "later", 5), "msgrcv gave %zd: %s", n, strerror(errno));
	return arg;
}

static void fill(struct message *m, int i)
{
	m->type = 1 + i % 3;
	memset(m->text, 'a' + i, sizeof(m->text));
}

static size_t length(int i)
{
	return i == 5 ? 0 : i == 6 ? sizeof(((struct message *)0)->text) : (size_t)i * 31;
}

static void check_message(const struct message *m, ssize_t n, int i)
{
	struct message should;

	fill(&should, i);
	check(n == (ssize_t)length(i), "message %d has %zd bytes, had %zu: %s", i, n, length(i), strerror(errno));
	check(m->type == should.type, "message %d is of type %ld", i, m->type);
	check(n < 0 || !memcmp(m->text, should.text, n), "message %d has other bytes", i);
}

int main(void)
{
	key_t key = 0x45000000 | getpid();
	struct message m;
	struct msqid_ds ds;
	pthread_t t;
	ssize_t n;

	queue = msgget(key, IPC_CREAT | IPC_EXCL | 0620);
	if (queue < 0)
		die("msgget");
	for (int i = 0; i < N; i++) {
		fill(&m, i);
		if (msgsnd(queue, &m, length(i), IPC_NOWAIT) < 0)
			die("msgsnd");
	}
	msgctl(queue, IPC_STAT, &ds);
	ds.msg_qbytes = 9999;
	if (msgctl(queue, IPC_SET, &ds) < 0)
		die("msgctl");
	pthread_create(&t, NULL, receiver, NULL);
	sleep_ms(20);

	ready();

	check(msgget(key, 0) == queue, "the key is not that of the queue");
	check(msgctl(queue, IPC_STAT, &ds) == 0, "queue %d: %s", queue, strerror(errno));
	check(ds.msg_qnum == N && ds.msg_qbytes == 9999, "it has %lu messages, room for %lu bytes",
	      (unsigned long)ds.msg_qnum, (unsigned long)ds.msg_qbytes);
	check((ds.msg_perm.mode & 0777) == 0620, "its mode is %o", ds.msg_perm.mode);
	m.type = 99;
	memcpy(m.text, "later", 5);
	msgsnd(queue, &m, 5, 0);
	pthread_join(t, NULL);
	n = msgrcv(queue, &m, sizeof(m.text), 2, IPC_NOWAIT);
	check_message(&m, n, 1);
	for (int i = 0; i < N; i++) {
		if (i == 1)
			continue;
		n = msgrcv(queue, &m, sizeof(m.text), 0, IPC_NOWAIT);
		check_message(&m, n, i);
	}
	msgctl(queue, IPC_RMID, NULL);
	return verdict();
}
