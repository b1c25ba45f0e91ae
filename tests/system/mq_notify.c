/*
 * mq_notify(3): a process that is to be told of the next message is told of that, not of the checkpoint; a
 * queue that had messages is not told to be new.
 *
 * test: leaves
 */
#include "harness.h"
#include <mqueue.h>
#include <signal.h>

static volatile sig_atomic_t told[2];
static volatile sig_atomic_t other;

static void on_message(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	if (si->si_code == SI_MESGQ && si->si_value.sival_int >= 41 && si->si_value.sival_int <= 42)
		told[si->si_value.sival_int - 41]++;
	else
		other++;
}

static mqd_t make(const char *part)
{
	struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 16};
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/ckpt-test-%d%s", getpid(), part);
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	if (q < 0)
		die("mq_open");
	mq_unlink(name);
	return q;
}

static void ask(mqd_t q, int value)
{
	struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};

	how.sigev_value.sival_int = value;
	if (mq_notify(q, &how) < 0)
		die("mq_notify");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO | SA_RESTART};
	mqd_t empty, used;
	char text[16];

	sigaction(SIGRTMIN + 3, &sa, NULL);
	empty = make(".empty");
	used = make(".used");
	ask(empty, 41);
	mq_send(used, "one", 3, 0);
	mq_send(used, "two", 3, 0);
	ask(used, 42);

	ready();

	check(told[0] == 0 && told[1] == 0 && other == 0, "told without a message: %d %d %d", told[0], told[1],
	      other);
	check(mq_notify(used, &(struct sigevent){.sigev_notify = SIGEV_NONE}) < 0 && errno == EBUSY,
	      "the used queue is to tell nobody");
	mq_send(empty, "first", 5, 0);
	sleep_ms(5);
	check(told[0] == 1, "not told of the first message");
	mq_send(empty, "next", 4, 0);
	check(mq_receive(used, text, 16, NULL) == 3 && !memcmp(text, "one", 3), "the used queue has lost one");
	check(mq_receive(used, text, 16, NULL) == 3 && !memcmp(text, "two", 3), "the used queue has lost two");
	mq_send(used, "three", 5, 0);
	sleep_ms(5);
	check(told[0] == 1 && told[1] == 1 && other == 0, "told at last: %d %d %d", told[0], told[1], other);
	return verdict();
}
