/*
 * test: checkpoints 10
 *
 * Calls that wait without a limit, each in a thread of its own: none returns before main lets it, and
 * none with EINTR but those two that only a handler ends.
 */
#include "harness.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/futex.h>

static volatile bool released;
static volatile int handled;

/* What threads wait on; main makes them ready. */
static int pipe_read[2], pipe_readv[2], pipe_poll[2], pipe_full[2], pair[2], event;
static int flock_held, flock_wanted, ofd_held, ofd_wanted;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool cond_set;
static uint32_t word;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
}

/* Each returns 0, its errno, or -1 for a result that is wrong. */

static int only(long ret, long wanted)
{
	return ret == wanted ? 0 : ret < 0 ? errno : -1;
}

static int do_read(void)
{
	char c;

	return only(read(pipe_read[0], &c, 1), 1);
}

static int do_readv(void)
{
	char c;
	struct iovec v = {&c, 1};

	return only(readv(pipe_readv[0], &v, 1), 1);
}

static int do_write(void)
{
	return only(write(pipe_full[1], "x", 1), 1);
}

static int read_eventfd(void)
{
	uint64_t n;

	return only(read(event, &n, 8), 8);
}

static int do_recv(void)
{
	char c;

	return only(recv(pair[0], &c, 1, MSG_PEEK), 1);
}

static int do_recvmsg(void)
{
	char c;
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	return only(recvmsg(pair[0], &m, MSG_PEEK), 1);
}

static int do_poll(void)
{
	struct pollfd p = {.fd = pipe_poll[0], .events = POLLIN};

	return only(poll(&p, 1, -1), 1);
}

static int do_ppoll(void)
{
	struct pollfd p = {.fd = pipe_poll[0], .events = POLLIN};

	return only(ppoll(&p, 1, NULL, NULL), 1);
}

static int do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_poll[0], &set);
	return only(select(pipe_poll[0] + 1, &set, NULL, NULL, NULL), 1);
}

static int do_pselect(void)
{
	fd_set set;
	sigset_t mask;

	sigemptyset(&mask);
	FD_ZERO(&set);
	FD_SET(pipe_poll[0], &set);
	return only(pselect(pipe_poll[0] + 1, &set, NULL, NULL, NULL, &mask), 1);
}

static int do_epoll(const sigset_t *mask)
{
	int epfd = epoll_create1(0), ret;
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1234567890};

	epoll_ctl(epfd, EPOLL_CTL_ADD, pipe_poll[0], &e);
	ret = mask ? epoll_pwait(epfd, &e, 1, -1, mask) : epoll_wait(epfd, &e, 1, -1);
	return ret == 1 && e.data.u64 != 0x1234567890 ? -1 : only(ret, 1);
}

static int do_epoll_wait(void)
{
	return do_epoll(NULL);
}

static int do_epoll_pwait(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	return do_epoll(&mask);
}

static int do_sem_wait(void)
{
	return only(sem_wait(&sem), 0);
}

static int do_mutex(void)
{
	int err = pthread_mutex_lock(&mutex);

	pthread_mutex_unlock(&mutex);
	return err;
}

static int do_cond(void)
{
	int err = 0;

	pthread_mutex_lock(&cond_mutex);
	while (!cond_set && !err)
		err = pthread_cond_wait(&cond, &cond_mutex);
	pthread_mutex_unlock(&cond_mutex);
	return err;
}

static int raw_futex(void)
{
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0)
		if (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL) < 0)
			return errno == EAGAIN ? 0 : errno;
	return 0;
}

static int do_flock(void)
{
	return only(flock(flock_wanted, LOCK_EX), 0);
}

static int do_setlkw(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};

	return only(fcntl(ofd_wanted, F_OFD_SETLKW, &l), 0);
}

static int open_fifo(void)
{
	int fd = open("fifo", O_RDONLY);

	return fd < 0 ? errno : 0;
}

static int do_sigwait(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return sigwait(&set, &sig);
}

static int do_sigwaitinfo(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return only(sigwaitinfo(&set, NULL), SIGUSR2);
}

/* These two end with EINTR, when the program's own handler has run. */

static int do_pause(void)
{
	return pause() == -1 && errno == EINTR && handled ? 0 : -1;
}

static int do_sigsuspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGUSR1);
	return sigsuspend(&set) == -1 && errno == EINTR && handled ? 0 : -1;
}

static struct call {
	const char *name;
	int (*call)(void);
	int wake; /* signal that ends it */
	pthread_t thread;
	volatile bool returned;
} calls[] = {
	{.name = "read of a pipe", .call = do_read},
	{.name = "readv of a pipe", .call = do_readv},
	{.name = "write to a full pipe", .call = do_write},
	{.name = "read of an eventfd", .call = read_eventfd},
	{.name = "recv", .call = do_recv},
	{.name = "recvmsg", .call = do_recvmsg},
	{.name = "poll", .call = do_poll},
	{.name = "ppoll", .call = do_ppoll},
	{.name = "select", .call = do_select},
	{.name = "pselect", .call = do_pselect},
	{.name = "epoll_wait", .call = do_epoll_wait},
	{.name = "epoll_pwait", .call = do_epoll_pwait},
	{.name = "sem_wait", .call = do_sem_wait},
	{.name = "pthread_mutex_lock", .call = do_mutex},
	{.name = "pthread_cond_wait", .call = do_cond},
	{.name = "futex by syscall()", .call = raw_futex},
	{.name = "flock", .call = do_flock},
	{.name = "F_OFD_SETLKW", .call = do_setlkw},
	{.name = "open of a FIFO", .call = open_fifo},
	{.name = "sigwait", .call = do_sigwait, .wake = SIGUSR2},
	{.name = "sigwaitinfo", .call = do_sigwaitinfo, .wake = SIGUSR2},
	{.name = "pause", .call = do_pause, .wake = SIGUSR1},
	{.name = "sigsuspend", .call = do_sigsuspend, .wake = SIGUSR1},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void *thread(void *arg)
{
	struct call *c = arg;
	int err = c->call();

	check(!err, "%s: %s", c->name, err > 0 ? strerror(err) : "another result");
	check(released, "%s: returned too early", c->name);
	c->returned = true;
	return NULL;
}

static void set_up(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 20};
	static char block[4096];

	sigaction(SIGUSR1, &sa, NULL);
	if (pipe(pipe_read) || pipe(pipe_readv) || pipe(pipe_poll) || pipe(pipe_full) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("pipe");
	fcntl(pipe_full[1], F_SETFL, O_NONBLOCK);
	while (write(pipe_full[1], block, sizeof(block)) > 0)
		;
	fcntl(pipe_full[1], F_SETFL, 0);
	event = eventfd(0, 0);
	flock_held = open("flock", O_RDWR | O_CREAT, 0600);
	flock_wanted = open("flock", O_RDWR);
	ofd_held = open("ofd", O_RDWR | O_CREAT, 0600);
	ofd_wanted = open("ofd", O_RDWR);
	if (flock(flock_held, LOCK_EX) || fcntl(ofd_held, F_OFD_SETLK, &l))
		die("lock");
	mkfifo("fifo", 0600);
	sem_init(&sem, 0, 0);
	pthread_mutex_lock(&mutex);
}

static void release(void)
{
	static char block[4096];
	uint64_t one = 1;

	released = true;
	check(write(pipe_read[1], "x", 1) == 1 && write(pipe_readv[1], "x", 1) == 1 &&
		      write(pipe_poll[1], "x", 1) == 1 && send(pair[1], "x", 1, 0) == 1 &&
		      write(event, &one, 8) == 8,
	      "write: %s", strerror(errno));
	check(read(pipe_full[0], block, sizeof(block)) == sizeof(block), "the full pipe");
	close(flock_held);
	close(ofd_held);
	open("fifo", O_WRONLY);
	sem_post(&sem);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_lock(&cond_mutex);
	cond_set = true;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&cond_mutex);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100);
	for (int i = 0; i < CALLS; i++)
		if (calls[i].wake)
			pthread_kill(calls[i].thread, calls[i].wake);
}

int main(void)
{
	set_up();
	for (int i = 0; i < CALLS; i++)
		if (pthread_create(&calls[i].thread, NULL, thread, &calls[i]))
			die("pthread_create");
	sleep_ms(100);
	ready();
	for (int i = 0; i < CALLS; i++)
		check(!calls[i].returned, "%s has returned", calls[i].name);
	release();
	for (int i = 0; i < CALLS; i++) {
		struct timespec limit;

		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec += 5;
		check(pthread_timedjoin_np(calls[i].thread, NULL, &limit) == 0, "%s does not return",
		      calls[i].name);
	}
	return verdict();
}
