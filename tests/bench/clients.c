/*
 * Many processes against one coordinator: each catches the reserved signal and plays its part of a
 * checkpoint, without a program behind it. Tells how long the coordinator takes to bring them all past
 * each barrier, and how much memory it has.
 *
 *	clients [NUMBER [ROUNDS]]	10000 and 3, when not given
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "protocol.h"
#include "runtime.h"

enum { LIMIT_MS = 120000 };

/* When each of them came to what; CLOCK_MONOTONIC. */
enum step { SIGNALLED, FROZEN, COLLECTING, DRAINED, COPYING, THAWED, STEPS };

static struct {
	uint64_t at[STEPS];
} *client;

static int own; /* number of this one */
static struct job_config config;
static char dir[] = "/tmp/ckpt-clients-XXXXXX";

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void note(enum step step)
{
	client[own].at[step] = now_ns();
}

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- one of them ---- */

static bool pass_barrier(int fd, enum phase phase, enum step here, enum step behind)
{
	struct msg_barrier b = {.phase = phase};
	union any_msg m;

	MSG_INIT(&b, MSG_BARRIER);
	note(here);
	if (msg_send(fd, &b.m) || msg_recv(fd, &m, LIMIT_MS) != 1 || m.m.type != MSG_RELEASE || !m.release.go)
		return false;
	note(behind);
	return true;
}

static void play(int fd)
{
	struct msg_barrier copied = {.phase = PHASE_SNAPSHOT};
	struct msg_thawed thawed = {.nthreads = 1};
	struct msg_done done = {.nthreads = 1, .raw_bytes = 1, .image_bytes = 1};

	MSG_INIT(&copied, MSG_BARRIER);
	MSG_INIT(&thawed, MSG_THAWED);
	MSG_INIT(&done, MSG_DONE);
	if (!pass_barrier(fd, PHASE_FREEZE, FROZEN, COLLECTING) || !pass_barrier(fd, PHASE_DRAIN, DRAINED, COPYING))
		return;
	note(THAWED);
	thawed.pause_ns = client[own].at[THAWED] - client[own].at[SIGNALLED];
	msg_send(fd, &copied.m);
	msg_send(fd, &thawed.m);
	msg_send(fd, &done.m);
}

static void take_signal(int signo, siginfo_t *si, void *context)
{
	struct msg_leader leader = {.pid = getpid(), .tid = getpid(), .request = si->si_value.sival_int, .config = config};
	union any_msg m;
	int fd;

	(void)signo;
	(void)context;
	note(SIGNALLED);
	fd = msg_connect(getenv(CKPT_ENV_SOCKET));
	if (fd < 0)
		return;
	MSG_INIT(&leader, MSG_LEADER);
	if (!msg_send(fd, &leader.m) && msg_recv(fd, &m, LIMIT_MS) == 1 && m.m.type == MSG_PARAMS && m.params.op)
		play(fd);
	close(fd);
}

static void send_hello(void)
{
	struct msg_hello hello = {.pid = getpid(), .exe_name = "clients", .config = config};
	int fd = msg_connect(getenv(CKPT_ENV_SOCKET));

	MSG_INIT(&hello, MSG_HELLO);
	if (fd < 0 || msg_send(fd, &hello.m))
		fail("cannot say hello");
	close(fd);
}

/* The first of n, and parent of all others, in the environment of a job. Ready when its input is closed. */
static void __attribute__((noreturn)) be_clients(int n)
{
	struct sigaction sa = {.sa_sigaction = take_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	pid_t first = getpid();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	config_default(&config);
	config_set(&config, "CKPT_JOB", getenv("CKPT_JOB"));
	config_set(&config, "CKPT_DIR", getenv("CKPT_DIR"));
	config_set(&config, "CKPT_TIMEOUT", getenv("CKPT_TIMEOUT"));
	sigfillset(&sa.sa_mask);
	sigaction(config.signo, &sa, NULL);
	for (int i = 1; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != first)
			_exit(1);
		own = i;
		break;
	}
	if (own == 0)
		send_hello();
	close(STDIN_FILENO);
	for (;;)
		pause();
}

static pid_t clients_start(const char *argv0, int n, int table)
{
	char number[16], descriptor[16], c;
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) || (pid = fork()) < 0)
		fail("cannot start clients");
	if (pid == 0) {
		snprintf(number, sizeof(number), "%d", getpid());
		setenv("CKPT_JOB", number, 1);
		setenv("CKPT_DIR", dir, 1);
		snprintf(number, sizeof(number), "%d", n);
		snprintf(descriptor, sizeof(descriptor), "%d", table);
		dup2(ready[1], STDIN_FILENO);
		execl("/proc/self/exe", argv0, "-", number, descriptor, (char *)NULL);
		fail("exec");
	}
	close(ready[1]);
	if (read(ready[0], &c, 1))
		fail("clients");
	close(ready[0]);
	return pid;
}

/* ---- figures ---- */

static uint64_t latest(int n, enum step step)
{
	uint64_t t = 0;

	for (int i = 0; i < n; i++)
		if (client[i].at[step] > t)
			t = client[i].at[step];
	return t;
}

static void show_step(const char *what, uint64_t from, uint64_t to)
{
	printf("  %-44s %8.1f ms\n", what, (to - from) / 1e6);
}

static pid_t coordinator(void)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = msg_connect(getenv(CKPT_ENV_SOCKET));

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		fail("no coordinator");
	close(fd);
	return cred.pid;
}

static void show_memory(pid_t pid)
{
	char path[64], status[4096];
	const char *most;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (io_read_file(path, status, sizeof(status)) < 0 || !(most = proc_field(status, "VmHWM:")))
		fail("cannot read the coordinator's memory");
	printf("  %-44s %8.1f MiB\n", "memory of the coordinator, at most", parse_dec(&most) / 1024.0);
}

static int command(const char *args)
{
	char path[CKPT_PATH_MAX], line[2 * CKPT_PATH_MAX];

	runtime_beside("../../bin/ckpt_command", path, sizeof(path));
	snprintf(line, sizeof(line), "%s %s >/dev/null", path, args);
	return system(line);
}

static void measure(int n)
{
	uint64_t start = now_ns();

	if (command("--checkpoint"))
		exit(1);
	show_step("the command until the last one has its signal", start, latest(n, SIGNALLED));
	show_step("the last signal until all are frozen", latest(n, SIGNALLED), latest(n, FROZEN));
	show_step("PHASE_FREEZE: the last one in to the last out", latest(n, FROZEN), latest(n, COLLECTING));
	show_step("PHASE_DRAIN: the last one in to the last out", latest(n, DRAINED), latest(n, COPYING));
	show_step("until the command ends", latest(n, COPYING), now_ns());
}

/* Two descriptors for each, and the coordinator takes all it may have. */
static void raise_descriptor_limit(int n)
{
	struct rlimit r = {2 * n + 256, 2 * n + 256}, old;

	if (getrlimit(RLIMIT_NOFILE, &old) || (old.rlim_max < r.rlim_max && setrlimit(RLIMIT_NOFILE, &r)))
		fail("the limit on descriptors can't be raised");
}

static void tables_make(int n, int *fd)
{
	size_t len = n * sizeof(*client);

	if (*fd < 0 && ((*fd = memfd_create("clients", 0)) < 0 || ftruncate(*fd, len)))
		fail("memory");
	client = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (client == MAP_FAILED)
		fail("memory");
}

int main(int argc, char **argv)
{
	bool is_client = argc == 4 && !strcmp(argv[1], "-");
	int n = is_client ? atoi(argv[2]) : argc > 1 ? atoi(argv[1]) : 10000;
	int rounds = argc > 2 ? atoi(argv[2]) : 3, table = is_client ? atoi(argv[3]) : -1;
	char path[64];
	pid_t first;

	if (n < 1)
		return 2;
	tables_make(n, &table);
	if (is_client)
		be_clients(n);
	raise_descriptor_limit(n);
	if (!mkdtemp(dir))
		fail(dir);
	snprintf(path, sizeof(path), "%s/socket", dir);
	setenv(CKPT_ENV_SOCKET, path, 1);
	setenv("CKPT_TIMEOUT", "60", 1);
	command("--list 2>/dev/null");
	first = clients_start(argv[0], n, table);
	for (int i = 0; i < rounds; i++) {
		printf("%d processes, checkpoint %d\n", n, i + 1);
		measure(n);
	}
	show_memory(coordinator());
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	command("--quit");
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	return system(path) != 0;
}
