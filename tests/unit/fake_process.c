#include "fake_process.h"
#include "protocol.h"
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct job_config config;

/* Words of CKPT_FAKE:
 *	hello		says hello at its start
 *	child		has a child process, which does the same
 *	bare-child	has one without libckpt's handler
 *	stopped-child	has one that is stopped
 *	orphan		has a grandchild whose parent has ended, which does the same
 *	forks		makes children without end, of which each ends soon
 *	capsule		lives in a pid namespace of its own, as a restarted program does
 *	silent		does not come when it is signalled
 *	refuse		has something that can't be checkpointed
 *	busy		has something that can't be checkpointed at this moment,
 *	busy-twice	the first two times that it is asked
 *	hang-freeze	never reaches PHASE_FREEZE
 *	die-frozen	is killed at PHASE_FREEZE
 *	die-collecting	is killed between that and PHASE_DRAIN
 *	die-writer	its writer is killed with half an image
 *	fail-write	its writer runs out of space
 *	slow-write	takes half a second to write
 *	ask		asks for a checkpoint itself, once, and notes the answer in its directory
 */
static bool does(const char *word)
{
	return strstr(getenv("CKPT_FAKE"), word);
}

static void send_hello(void)
{
	struct msg_hello hello = {.pid = getpid(), .exe_name = "fake", .config = config};
	int fd = msg_connect(getenv(CKPT_ENV_SOCKET));

	MSG_INIT(&hello, MSG_HELLO);
	if (fd < 0)
		return;
	msg_send(fd, &hello.m);
	close(fd);
}

static void send_barrier(int fd, enum phase phase, int err)
{
	struct msg_barrier b = {.phase = phase, .err = err};

	MSG_INIT(&b, MSG_BARRIER);
	msg_send(fd, &b.m);
}

static bool stays; /* the job is to end with the checkpoint */

/* True when the coordinator lets us go on. */
static bool await_release(int fd, enum phase phase)
{
	union any_msg m;

	if (msg_recv(fd, &m, 20000) != 1 || m.m.type != MSG_RELEASE || m.release.phase != phase)
		return false;
	stays = m.release.flags & RELEASE_STAY;
	if (m.release.exit_status)
		_exit(m.release.exit_status);
	return m.release.go;
}

static void send_refusal(int fd, const char *text, uint32_t flags)
{
	struct msg_line line = {0};

	MSG_INIT(&line, MSG_REFUSE);
	line.m.flags = flags;
	snprintf(line.text, sizeof(line.text), "%s", text);
	msg_send(fd, &line.m);
}

/* Something is refused: 0 or -EOPNOTSUPP. */
static int refuse(int fd)
{
	static int nbusy;
	bool busy = does("busy-twice") ? nbusy++ < 2 : does("busy") != 0;

	if (busy)
		send_refusal(fd, "fd 8 (socket:[1]): not now; try again", REFUSE_FOR_NOW);
	if (does("refuse"))
		send_refusal(fd, "fd 7 (anon_inode:[io_uring]): io_uring can't be restored", 0);
	return busy || does("refuse") ? -EOPNOTSUPP : 0;
}

static void send_thawed(int fd)
{
	struct msg_thawed t = {.pause_ns = 1832000, .nthreads = 1};

	MSG_INIT(&t, MSG_THAWED);
	msg_send(fd, &t.m);
}

static void send_done(int fd, int err, const char *text)
{
	struct msg_done d = {.err = err, .nthreads = 1, .raw_bytes = 10, .image_bytes = 5};

	MSG_INIT(&d, MSG_DONE);
	snprintf(d.text, sizeof(d.text), "%s", text);
	msg_send(fd, &d.m);
}

static void send_progress(int fd)
{
	struct msg_progress p = {.done = 5, .total = 10};

	MSG_INIT(&p, MSG_PROGRESS);
	msg_send(fd, &p.m);
}

static void write_image(int fd, const struct msg_params *p)
{
	char part[CKPT_PATH_MAX + 8];
	int out;

	snprintf(part, sizeof(part), "%s.part", p->path);
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (out < 0 || write(out, "image", 5) != 5)
		_exit(1);
	if (does("die-writer"))
		raise(SIGKILL);
	send_progress(fd);
	if (does("slow-write"))
		poll(NULL, 0, 500);
	if (does("fail-write")) {
		send_done(fd, -ENOSPC, "/fake: No space left on device");
		_exit(0);
	}
	rename(part, p->path);
	send_done(fd, 0, "");
	_exit(0);
}

/* Nobody but the first process of a job has a part in making the file. */
static void write_nothing(int fd)
{
	send_done(fd, 0, "");
	_exit(0);
}

/* From PHASE_SNAPSHOT on the writer has the connection too. */
static void snapshot(int fd, const struct msg_params *p, uint32_t index)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork())
			_exit(0);
		prctl(PR_SET_NAME, "ckpt_writer");
		if (index == 0)
			write_image(fd, p);
		write_nothing(fd);
	}
	waitpid(pid, NULL, 0);
	send_barrier(fd, PHASE_SNAPSHOT, 0);
	if (stays) {
		await_release(fd, PHASE_SNAPSHOT); /* or one that ends it */
		await_release(fd, PHASE_THAW);
	}
}

/* All stand still: look at the memory that came with that. -1, or our index in it. */
static int await_frozen(int fd)
{
	struct shared_head head;
	union any_msg m;
	int shared = -1, index = -1;

	if (msg_recv_fd(fd, &m, 20000, &shared) == 1 && m.m.type == MSG_RELEASE && m.release.go &&
	    pread(shared, &head, sizeof(head), 0) == sizeof(head) && head.magic == SHARED_MAGIC &&
	    m.release.process_index < head.nprocesses && head.nprocesses == m.release.nprocesses)
		index = m.release.process_index;
	if (shared >= 0)
		close(shared);
	return index;
}

static void freeze(int fd, const struct msg_params *p)
{
	int index;

	if (does("hang-freeze"))
		poll(NULL, 0, -1);
	send_barrier(fd, PHASE_FREEZE, 0);
	if (does("die-frozen"))
		raise(SIGKILL);
	index = await_frozen(fd);
	if (index >= 0) {
		if (does("die-collecting"))
			raise(SIGKILL);
		send_barrier(fd, PHASE_DRAIN, refuse(fd));
		if (await_release(fd, PHASE_DRAIN))
			snapshot(fd, p, index);
	}
	send_thawed(fd);
	if (p->flags & PARAMS_STOPPED)
		await_release(fd, PHASE_THAW);
}

/* Lead a request; the connection after it, or -1. */
static int lead(int request)
{
	struct msg_leader leader = {
		.pid = getpid(), .tid = gettid(), .request = request, .config = config};
	int fd = msg_connect(getenv(CKPT_ENV_SOCKET));
	union any_msg m;

	MSG_INIT(&leader, MSG_LEADER);
	if (fd < 0)
		return -1;
	if (!msg_send(fd, &leader.m) && msg_recv(fd, &m, 20000) == 1 && m.m.type == MSG_PARAMS &&
	    m.params.op != OP_NONE)
		freeze(fd, &m.params);
	return fd;
}

static void take_signal(int signo, siginfo_t *si, void *context)
{
	(void)signo;
	(void)context;
	if (!does("silent"))
		close(lead(si->si_value.sival_int));
}

/* As the API does, again when the checkpoint of somebody else was under way. */
static void ask(void)
{
	char path[CKPT_PATH_MAX + 8];
	union any_msg m;
	FILE *f;

	do {
		int fd = lead(0);

		if (fd < 0 || msg_recv(fd, &m, 20000) != 1 || m.m.type != MSG_RESULT)
			return;
	} while (m.result.err == -EAGAIN || (m.result.err == RESULT_FOR_NOW && does("busy-twice")));
	snprintf(path, sizeof(path), "%s/asked", config.dir);
	f = fopen(path, "w");
	if (!f)
		return;
	fprintf(f, "%d %s\n", m.result.err, m.result.err ? m.result.text : m.result.image);
	fclose(f);
}

static void prepare(void)
{
	struct sigaction sa = {.sa_sigaction = take_signal, .sa_flags = SA_SIGINFO};
	const char *env = environ[0];
	size_t n = 0;

	for (char **e = environ; *e; e++)
		n = *e + strlen(*e) + 1 - env;
	if (config_from_env(&config, env, n))
		_exit(1);
	sigfillset(&sa.sa_mask);
	sigaction(config.signo, &sa, NULL);
}

static void __attribute__((noreturn)) stay(void)
{
	close(STDIN_FILENO); /* ready */
	for (;;)
		pause();
}

/* Gone with its parent, as all children here. */
static void be_child(bool bare)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bare)
		signal(config.signo, SIG_IGN);
	stay();
}

/* The parent of this one ends at once; the test kills it by its id, which it notes. */
static void be_orphan(void)
{
	char path[CKPT_PATH_MAX + 8];
	FILE *f;

	if (fork())
		_exit(0);
	snprintf(path, sizeof(path), "%s/orphan", config.dir);
	f = fopen(path, "w");
	if (f && fprintf(f, "%d\n", getpid()) > 0)
		fclose(f);
	stay();
}

static void fork_for_ever(void)
{
	close(STDIN_FILENO);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

static void make_children(void)
{
	bool bare = does("bare-child"), stopped = does("stopped-child");
	pid_t pid;

	if (bare || stopped || does("child")) {
		pid = fork();
		if (pid == 0)
			be_child(bare);
		if (stopped) {
			kill(pid, SIGSTOP);
			waitpid(pid, NULL, WUNTRACED);
		}
	}
	if (does("orphan")) {
		pid = fork();
		if (pid == 0)
			be_orphan();
		waitpid(pid, NULL, 0);
	}
}

__attribute__((constructor)) static void be_fake(void)
{
	if (!getenv("CKPT_FAKE"))
		return;
	prepare();
	make_children();
	if (does("hello"))
		send_hello();
	if (does("forks"))
		fork_for_ever();
	if (does("ask")) {
		close(STDIN_FILENO);
		ask();
	}
	stay();
}

/* Go on in a child; we wait for all there are, and it dies with us. */
static void go_on_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	close(STDIN_FILENO);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

/* Go on in a new pid namespace, under an init of its own. */
static void enter_capsule(void)
{
	if (unshare(CLONE_NEWPID) && unshare(CLONE_NEWUSER | CLONE_NEWPID))
		_exit(1);
	go_on_in_child();
	go_on_in_child();
}

pid_t fake_start(const char *job, const char *dir, const char *behaviour)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		setenv("CKPT_JOB", job, 1);
		setenv("CKPT_NAME", "fake", 1);
		setenv("CKPT_DIR", dir, 1);
		setenv("CKPT_TIMEOUT", "1", 1);
		setenv("CKPT_FAKE", behaviour, 1);
		dup2(ready[1], STDIN_FILENO);
		if (does("capsule")) {
			close(ready[1]);
			enter_capsule();
		}
		execl("/proc/self/exe", "fake", (char *)NULL);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1)) /* its end: closed */
		pid = -1;
	close(ready[0]);
	return pid;
}

void fake_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
