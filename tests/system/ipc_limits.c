/*
 * Message queues larger than the kernel's defaults allow: the limits of the namespace come back with them.
 * test_ipc.py runs it where they are raised.
 *
 * test: leaves
 */
#include "harness.h"
#include <mqueue.h>
#include <sys/msg.h>

enum { LARGE = 20000, MANY = 20, SIZE = 9000 };

struct message {
	long type;
	char text[LARGE];
};

int main(void)
{
	static struct message m = {.type = 5};
	struct mq_attr a = {.mq_maxmsg = MANY, .mq_msgsize = SIZE};
	int queue = msgget(IPC_PRIVATE, 0600);
	char name[32];
	mqd_t q;

	if (queue < 0)
		die("msgget");
	snprintf(name, sizeof(name), "/ckpt-test-%d", getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	memset(m.text, 'x', LARGE);
	if (q < 0 || msgsnd(queue, &m, LARGE, IPC_NOWAIT) < 0) {
		msgctl(queue, IPC_RMID, NULL);
		mq_unlink(name);
		skip("limits of message queues are not raised: %s", strerror(errno));
	}
	for (int i = 0; i < MANY; i++)
		if (mq_send(q, m.text, i, 0) < 0)
			die("mq_send");

	ready();

	check(msgrcv(queue, &m, LARGE, 0, IPC_NOWAIT) == LARGE, "msgrcv: %s", strerror(errno));
	check(msgsnd(queue, &m, LARGE, IPC_NOWAIT) == 0, "msgsnd: %s", strerror(errno));
	check(mq_getattr(q, &a) == 0 && a.mq_maxmsg == MANY && a.mq_curmsgs == MANY, "%ld messages of %ld",
	      a.mq_curmsgs, a.mq_maxmsg);
	for (int i = 0; i < MANY; i++)
		check(mq_receive(q, m.text, SIZE, NULL) == i, "message %d", i);
	mq_unlink(name);
	msgctl(queue, IPC_RMID, NULL);
	return verdict();
}
