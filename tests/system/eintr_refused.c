/*
 * test: running
 * test: refusable
 * test: checkpoints 10
 *
 * The same for waits on objects that this version may refuse to checkpoint: a child, sockets with a
 * name, System V semaphores and messages, POSIX messages. Refused or not, none sees EINTR.
 */
#include "harness.h"
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { WAIT_MS = 3000 };

static pid_t child;
static int listener, full_listener, sem = -1, msg = -1;
static mqd_t mq = -1;
static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
static struct sockaddr_un full_name = {.sun_family = AF_UNIX, .sun_path = "full"};

static int do_waitid(void)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)child, &info, WEXITED) ? errno : info.si_status == 5 ? 0 : -1;
}

static int do_accept(void)
{
	return accept(listener, NULL, NULL) < 0 ? errno : 0;
}

static int do_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&full_name, sizeof(full_name)) ? errno : 0;
}

static int do_semtimedop(void)
{
	struct sembuf op = {.sem_op = -1};
	struct timespec t = {WAIT_MS / 1000, 0};

	if (sem < 0)
		return 0;
	return semtimedop(sem, &op, 1, &t) < 0 && errno == EAGAIN ? 0 : errno;
}

static int do_msgrcv(void)
{
	struct {
		long type;
		char text[8];
	} m;

	if (msg < 0)
		return 0;
	return msgrcv(msg, &m, sizeof(m.text), 0, 0) < 0 ? errno : 0;
}

static int do_mq(void)
{
	struct timespec t;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += WAIT_MS / 1000;
	if (mq < 0)
		return 0;
	return mq_timedreceive(mq, text, sizeof(text), NULL, &t) < 0 && errno == ETIMEDOUT ? 0 : errno;
}

static struct call {
	const char *name;
	int (*call)(void);
	bool timed; /* must take WAIT_MS */
	pthread_t thread;
} calls[] = {
	{.name = "waitid", .call = do_waitid},
	{.name = "accept", .call = do_accept},
	{.name = "connect", .call = do_connect},
	{.name = "semtimedop", .call = do_semtimedop, .timed = true},
	{.name = "msgrcv", .call = do_msgrcv},
	{.name = "mq_timedreceive", .call = do_mq, .timed = true},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void *thread(void *arg)
{
	struct call *c = arg;
	int64_t start = now_ns(CLOCK_MONOTONIC), took;
	int err = c->call();

	took = (now_ns(CLOCK_MONOTONIC) - start) / 1000000;
	check(!err, "%s: %s", c->name, err > 0 ? strerror(err) : "another result");
	if (c->timed && (c->call != do_semtimedop || sem >= 0) && (c->call != do_mq || mq >= 0))
		check(took >= WAIT_MS - 2 && took < WAIT_MS + 500, "%s: %d ms took %ld ms", c->name,
		      WAIT_MS, (long)took);
	return NULL;
}

static int listen_at(struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(at->sun_path);
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)) || listen(fd, 0))
		die("%s", at->sun_path);
	return fd;
}

int main(void)
{
	struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 64};
	struct {
		long type;
		char text[8];
	} m = {1, "message"};
	char queue[64];
	int go[2], fd;

	snprintf(queue, sizeof(queue), "/ckpt-test-%d", getpid());
	if (pipe(go))
		die("pipe");
	child = fork();
	if (child == 0) {
		char c;

		close(go[1]);
		fd = (int)read(go[0], &c, 1);
		_exit(5);
	}
	listener = listen_at(&name);
	full_listener = listen_at(&full_name);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&full_name, sizeof(full_name)))
		die("connect");
	sem = semget(IPC_PRIVATE, 1, 0600);
	msg = msgget(IPC_PRIVATE, 0600);
	mq = mq_open(queue, O_RDWR | O_CREAT, 0600, &attr);
	mq_unlink(queue);
	for (int i = 0; i < CALLS; i++)
		pthread_create(&calls[i].thread, NULL, thread, &calls[i]);
	sleep_ms(50);

	ready();

	close(go[1]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	check(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
	check(accept(full_listener, NULL, NULL) >= 0, "accept");
	if (msg >= 0)
		msgsnd(msg, &m, sizeof(m.text), 0);
	for (int i = 0; i < CALLS; i++)
		pthread_join(calls[i].thread, NULL);
	if (sem >= 0)
		semctl(sem, 0, IPC_RMID);
	if (msg >= 0)
		msgctl(msg, IPC_RMID, NULL);
	return verdict();
}
