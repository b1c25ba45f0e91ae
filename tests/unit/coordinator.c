/*
 * ckpt_coordinator and ckpt_command as they are built, with processes that only play their part.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fake_process.h"
#include "proc.h"
#include "protocol.h"
#include "runtime.h"
#include "unit.h"

static char top[UNIT_DIR_MAX];
static char out[16384]; /* of the last command, both streams */

/* A directory and a socket of this test's own. */
static void set_up(void)
{
	char path[64];

	unit_dir(top);
	snprintf(path, sizeof(path), "%s/sock", top);
	setenv("CKPT_SOCKET", path, 1);
	setenv("CKPT_LINGER", "1", 1);
	unsetenv("CKPT_LOG");
}

/* Run a shell command, "%s" for arguments; returns its exit status. */
static int run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	FILE *f;
	int status;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int command(const char *args)
{
	char path[CKPT_PATH_MAX];

	runtime_beside("../bin/ckpt_command", path, sizeof(path));
	return run("%s %s 2>&1", path, args);
}

static void expect_status(const char *args, int status)
{
	int got = command(args);

	ck_assert_msg(got == status, "status %d of %s: %s", got, args, out);
}

static void tear_down(void)
{
	command("--quit");
	run("rm -rf %s", top);
}

static void expect(const char *part)
{
	ck_assert_msg(strstr(out, part), "no \"%s\" in: %s", part, out);
}

static bool exists(const char *name)
{
	char path[CKPT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return !access(path, F_OK);
}

static pid_t start(const char *job, const char *behaviour)
{
	pid_t pid = fake_start(job, top, behaviour);

	ck_assert_int_gt(pid, 0);
	return pid;
}

static int coordinator_pid(void)
{
	int fd = msg_connect(getenv("CKPT_SOCKET"));
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (fd < 0)
		return 0;
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	close(fd);
	return cred.pid;
}

UNIT_TEST(coordinator_without_a_job)
{
	set_up();
	expect_status("--quit", 3);
	expect("no coordinator");
	expect_status("--checkpoint", 3);
	expect("no job");
	expect_status("--list --json", 3);
	expect("{\"jobs\":[],\"errors\":[\"no job");
	expect_status("--quit", 0);
	tear_down();
}

/* It ends when no checkpoint runs; but not away from a job that has begun since. */
UNIT_TEST(coordinator_told_to_quit_stays_for_a_new_job)
{
	int pid;

	set_up();
	command("--list");
	pid = coordinator_pid();
	start("j1", "hello slow-write");
	expect_status("--checkpoint --no-wait", 0);
	expect_status("--quit", 0);
	start("j2", "hello");
	for (int i = 0; i < 2000 && !exists("fake-j1.00001.ckpt"); i++)
		usleep(10000);
	usleep(300000);
	ck_assert_int_eq(coordinator_pid(), pid);
	command("--kill");
	tear_down();
}

UNIT_TEST(command_usage)
{
	set_up();
	expect_status("", 2);
	expect_status("--nonsense", 2);
	expect_status("--checkpoint --list", 2);
	expect_status("--interval x", 2);
	expect_status("--list extra", 2);
	expect_status("--help", 0);
	ck_assert_int_eq(coordinator_pid(), 0); /* none of them starts one */
	tear_down();
}

UNIT_TEST(coordinator_checkpoints_a_job)
{
	char json[256];
	pid_t pid;

	set_up();
	command("--list");
	pid = start("j1", "hello");
	expect_status("--checkpoint", 0);
	expect("fake-j1.00001.ckpt  5 B  pause 1.8 ms  total ");
	ck_assert(exists("fake-j1.00001.ckpt"));
	expect_status("--checkpoint --json", 0);
	snprintf(json, sizeof(json),
		 "{\"jobs\":[{\"job\":\"j1\",\"image\":\"%s/fake-j1.00002.ckpt\",\"processes\":1,"
		 "\"bytes\":5,\"pause_ms\":1.832,\"total_ms\":",
		 top);
	expect(json);
	expect_status("--status", 0);
	expect("fake-j1.00002.ckpt");
	fake_stop(pid);
	expect_status("--status", 3);
	tear_down();
}

UNIT_TEST(coordinator_check_writes_nothing)
{
	pid_t pid;

	set_up();
	pid = start("j1", "");
	expect_status("--check", 0);
	expect("can be checkpointed");
	ck_assert(!exists("fake-j1.00001.ckpt"));
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_is_killed_and_the_next_finds_the_job)
{
	pid_t pid;

	set_up();
	pid = start("j1", "hello");
	expect_status("--checkpoint", 0);
	ck_assert_int_eq(kill(coordinator_pid(), SIGKILL), 0);
	expect_status("--checkpoint", 0);
	expect("fake-j1.00002.ckpt");
	fake_stop(pid);
	tear_down();
}

/* What a process does wrong, and what is said of it. */
static void expect_failure(const char *behaviour, const char *text)
{
	pid_t pid;

	set_up();
	pid = start("j1", behaviour);
	expect_status("--checkpoint", 4);
	expect(text);
	ck_assert_ptr_eq(strchr(out, '\n'), strrchr(out, '\n')); /* one line */
	ck_assert(!exists("fake-j1.00001.ckpt"));
	ck_assert(!exists("fake-j1.00001.ckpt.part"));
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_tells_a_refusal)
{
	expect_failure("refuse", "): fd 7 (anon_inode:[io_uring]): io_uring can't be restored");
}

UNIT_TEST(coordinator_tells_what_does_not_pass)
{
	expect_failure("busy ", "): fd 8 (socket:[1]): not now; try again");
}

UNIT_TEST(coordinator_tries_again_what_passes)
{
	pid_t pid;

	set_up();
	pid = start("j1", "busy-twice");
	expect_status("--checkpoint", 0);
	expect("fake-j1.00001.ckpt");
	ck_assert_msg(!strstr(out, "not now"), "the attempts are told: %s", out);
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_lets_the_program_itself_try_again)
{
	set_up();
	command("--list");
	start("j1", "hello ask busy-twice");
	expect_status("--checkpoint", 0); /* a client that comes meanwhile has it, too, or the next */
	ck_assert_msg(!strstr(out, "not now"), "the attempts are told: %s", out);
	for (int i = 0; i < 500 && !exists("asked"); i++)
		usleep(10000);
	run("cat %s/asked", top);
	expect("0 /");
	command("--kill");
	tear_down();
}

UNIT_TEST(coordinator_tells_all_that_is_refused_when_it_does_not_pass)
{
	pid_t pid;

	set_up();
	pid = start("j1", "busy refuse");
	expect_status("--checkpoint", 4);
	expect("not now");
	expect("io_uring can't be restored");
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_names_a_process_that_does_not_answer)
{
	expect_failure("silent", " did not answer the signal within 3 s: thread ");
}

UNIT_TEST(coordinator_names_a_process_that_does_not_freeze)
{
	expect_failure("hang-freeze", " did not freeze within 3 s: thread ");
}

UNIT_TEST(coordinator_sees_a_process_killed_in_the_freeze)
{
	expect_failure("die-frozen", " while telling what it is");
}

UNIT_TEST(coordinator_sees_a_process_killed_that_collects)
{
	expect_failure("die-collecting", " while telling what it is");
}

UNIT_TEST(coordinator_sees_a_writer_killed)
{
	expect_failure("die-writer", "the connection ended while its image was being written");
}

UNIT_TEST(coordinator_tells_a_full_disk)
{
	expect_failure("fail-write", "No space left on device");
}

UNIT_TEST(coordinator_names_a_process_without_libckpt)
{
	expect_failure("bare-child", "): ");
}

UNIT_TEST(coordinator_checkpoints_children_that_say_nothing)
{
	pid_t pid;

	set_up();
	command("--list");
	pid = start("j1", "hello child");
	expect_status("--checkpoint --json", 0);
	expect("\"processes\":2,");
	fake_stop(pid);
	tear_down();
}

static pid_t orphan_pid(void)
{
	run("cat %s/orphan", top);
	ck_assert_int_gt(atoi(out), 0);
	return atoi(out);
}

UNIT_TEST(coordinator_checkpoints_orphans)
{
	pid_t pid, orphan;

	set_up();
	command("--list");
	pid = start("j1", "hello orphan");
	orphan = orphan_pid();
	expect_status("--checkpoint --json", 0);
	expect("\"processes\":2,");
	/* The job has not ended as long as there is one. */
	fake_stop(pid);
	expect_status("--checkpoint --json", 0);
	expect("\"processes\":1,");
	kill(orphan, SIGKILL);
	usleep(100000);
	expect_status("--list", 3);
	tear_down();
}

UNIT_TEST(coordinator_checkpoints_a_process_that_forks_all_the_time)
{
	pid_t pid;

	set_up();
	command("--list");
	pid = start("j1", "hello forks");
	for (int i = 0; i < 10; i++)
		expect_status("--checkpoint", 0);
	fake_stop(pid);
	tear_down();
}

static char state_of(pid_t pid)
{
	struct proc_stat s;

	ck_assert_int_eq(proc_stat(pid, &s), 0);
	return s.state;
}

UNIT_TEST(coordinator_checkpoints_a_stopped_process)
{
	siginfo_t si = {0};
	pid_t pid;

	set_up();
	pid = start("j1", "");
	kill(pid, SIGSTOP);
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	expect_status("--checkpoint", 0);
	/* It has not moved, for all its parent can tell; without a tracer it stops when it has a CPU for that. */
	for (int i = 0; i < 1000 && state_of(pid) != 'T'; i++)
		usleep(1000);
	ck_assert_int_eq(state_of(pid), 'T');
	ck_assert_int_eq(waitid(P_PID, pid, &si, WSTOPPED | WCONTINUED | WEXITED | WNOHANG), 0);
	ck_assert_int_eq(si.si_pid, 0);
	kill(pid, SIGCONT);
	usleep(20000);
	ck_assert_int_eq(state_of(pid), 'S');
	expect_status("--checkpoint", 0);
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_names_a_directory_that_is_missing)
{
	pid_t pid;

	set_up();
	pid = fake_start("j1", "/nonexistent", "");
	expect_status("--checkpoint", 4);
	expect("directory for images /nonexistent: No such file or directory");
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_kills_when_the_image_is_there)
{
	pid_t pid;

	set_up();
	pid = start("j1", "slow-write");
	expect_status("--kill", 0);
	ck_assert(exists("fake-j1.00001.ckpt"));
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), pid);
	tear_down();
}

UNIT_TEST(coordinator_serves_the_program_itself)
{
	set_up();
	command("--list");
	start("j1", "hello ask slow-write");
	/* A client that comes meanwhile shares it, or has the next. */
	expect_status("--checkpoint", 0);
	ck_assert(exists("fake-j1.00001.ckpt"));
	for (int i = 0; i < 500 && !exists("asked"); i++)
		usleep(10000);
	run("cat %s/asked", top);
	expect("0 /");
	expect("/fake-j1.0000"); /* the client's, when that was the first, came before it */
	command("--kill");
	tear_down();
}

UNIT_TEST(coordinator_commands_at_once_share_a_checkpoint)
{
	pid_t pid;

	set_up();
	pid = start("j1", "hello slow-write");
	command("--list");
	command("--checkpoint --no-wait");
	expect_status("--checkpoint", 0);
	ck_assert(exists("fake-j1.00001.ckpt"));
	ck_assert(!exists("fake-j1.00002.ckpt"));
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_takes_no_writer_for_a_part_of_the_job)
{
	pid_t pid;

	set_up();
	pid = start("j1", "slow-write");
	expect_status("--checkpoint --no-wait", 0);
	usleep(200000);
	expect_status("--list --json", 0);
	expect("\"state\":\"writing\"");
	expect("\"processes\":1,");
	/* Nor does a coordinator that knows nothing yet. */
	ck_assert_int_eq(kill(coordinator_pid(), SIGKILL), 0);
	expect_status("--list --json", 0);
	expect("\"processes\":1,");
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_wants_one_of_several_jobs_chosen)
{
	char args[64];
	pid_t a, b;

	set_up();
	a = start("j1", "");
	b = start("j2", "");
	expect_status("--checkpoint", 4);
	expect("choose one with --job: j1 (fake, pid ");
	expect("j2 (fake, pid ");
	expect_status("--checkpoint --job j2", 0);
	snprintf(args, sizeof(args), "--checkpoint --job %d", a);
	expect_status(args, 0);
	ck_assert(exists("fake-j1.00001.ckpt"));
	expect_status("--checkpoint --job fake", 4);
	expect_status("--checkpoint --job none", 3);
	expect_status("--list", 0);
	fake_stop(a);
	fake_stop(b);
	tear_down();
}

UNIT_TEST(coordinator_tells_restarts_of_one_image_apart)
{
	pid_t a, b;

	set_up();
	a = start("j1", "capsule hello");
	b = start("j1", "capsule hello");
	expect_status("--checkpoint --job j1.2", 0);
	expect("/fake-j1.2.00001.ckpt");
	expect_status("--checkpoint --job j1", 0);
	expect("/fake-j1.00001.ckpt");
	/* Also one that has to find them again. */
	ck_assert_int_eq(kill(coordinator_pid(), SIGKILL), 0);
	expect_status("--checkpoint --job j1.2", 0);
	expect("/fake-j1.2.00002.ckpt");
	expect_status("--list", 0);
	expect("(pid 2 for itself)");
	fake_stop(a);
	fake_stop(b);
	tear_down();
}

UNIT_TEST(coordinator_keeps_an_interval)
{
	pid_t pid;

	set_up();
	pid = start("j1", "");
	expect_status("--interval 1s", 0);
	sleep(3);
	expect_status("--interval 0", 0);
	ck_assert(exists("fake-j1.00002.ckpt"));
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_keeps_the_interval_of_a_job_that_it_finds)
{
	pid_t pid;

	set_up();
	setenv("CKPT_INTERVAL", "1", 1);
	command("--list");
	pid = start("j1", "hello");
	ck_assert_int_eq(kill(coordinator_pid(), SIGKILL), 0);
	expect_status("--list", 0);
	for (int i = 0; i < 60 && !exists("fake-j1.00002.ckpt"); i++)
		usleep(100000);
	ck_assert(exists("fake-j1.00002.ckpt"));
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_lists_processes_as_a_tree)
{
	pid_t pid;
	char line[64];

	set_up();
	pid = start("j1", "bare-child");
	expect_status("--list", 0);
	snprintf(line, sizeof(line), "\n  pid %d  exe\n    pid ", pid);
	expect(line);
	expect_status("--status --json", 0);
	snprintf(line, sizeof(line), "\"ppid\":%d,\"name\":\"exe\"}", pid);
	expect(line);
	expect("\"processes\":2,\"members\":[{\"pid\":");
	fake_stop(pid);
	tear_down();
}

UNIT_TEST(coordinator_started_by_many_at_once_is_one)
{
	set_up();
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(command("--list"));
	for (int i = 0, status; i < 8; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(WEXITSTATUS(status), 3);
	}
	ck_assert_int_gt(coordinator_pid(), 0);
	tear_down();
}

UNIT_TEST(coordinator_ends_when_nothing_is_left)
{
	set_up();
	command("--list");
	ck_assert_int_gt(coordinator_pid(), 0);
	sleep(3);
	ck_assert_int_eq(coordinator_pid(), 0);
	ck_assert(!exists("sock"));
	tear_down();
}

/* ---- peers that mean no good ---- */

static int peer(void)
{
	int fd = msg_connect(getenv("CKPT_SOCKET"));

	ck_assert_int_ge(fd, 0);
	return fd;
}

UNIT_TEST(coordinator_drops_who_sends_nonsense)
{
	struct msg_barrier b = {.phase = PHASE_FREEZE};
	union any_msg m;
	int fd;

	set_up();
	command("--list");
	fd = peer();
	ck_assert_int_eq(send(fd, "nonsense", 8, 0), 8);
	ck_assert_int_eq(msg_recv(fd, &m, 5000), 0);
	close(fd);
	fd = peer();
	MSG_INIT(&b, MSG_BARRIER); /* of no checkpoint */
	msg_send(fd, &b.m);
	ck_assert_int_eq(msg_recv(fd, &m, 5000), 0);
	close(fd);
	expect_status("--list", 3);
	tear_down();
}

UNIT_TEST(coordinator_drops_who_says_nothing)
{
	union any_msg m;
	int fd;

	set_up();
	command("--list");
	fd = peer();
	ck_assert_int_eq(msg_recv(fd, &m, 20000), 0);
	close(fd);
	tear_down();
}

UNIT_TEST(coordinator_sends_a_late_leader_back)
{
	struct msg_leader l = {.request = 12345};
	union any_msg m;
	int fd;

	set_up();
	command("--list");
	config_default(&l.config);
	config_set(&l.config, "CKPT_JOB", "j1");
	MSG_INIT(&l, MSG_LEADER);
	fd = peer();
	msg_send(fd, &l.m);
	ck_assert_int_eq(msg_recv(fd, &m, 5000), 1);
	ck_assert_int_eq(m.m.type, MSG_PARAMS);
	ck_assert_uint_eq(m.params.op, OP_NONE);
	close(fd);
	tear_down();
}

UNIT_TEST(coordinator_is_not_held_up_by_many_connections)
{
	enum { MANY = 1000 };
	int fd[MANY];

	set_up();
	command("--list");
	for (int i = 0; i < MANY; i++)
		fd[i] = peer();
	expect_status("--list", 3);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	tear_down();
}
