/*
 * Processes that share a descriptor table, or root, directory and umask, without being threads
 * (clone(2) with CLONE_FILES, CLONE_FS): what one opens or changes the other has. Whatever libckpt opens in
 * the one table is no descriptor of the program's. A table of three generations, one with descriptors that
 * are made late (pidfds), and a child that has a copy.
 */
#include "harness.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { OPENED = 100, COPY = 101, DEEP = 102, BOTH = CLONE_FILES | CLONE_FS };

static volatile int *words; /* shared; each child waits for one of its own */

static void await(int word, int value)
{
	while (words[word] != value)
		sleep_ms(2);
}

/* A child that is there when this returns. It does `act` when told to by stage 2 of its word, and says 3. */
static pid_t child(int word, int flags, void (*act)(int word))
{
	pid_t p = syscall(SYS_clone, SIGCHLD | flags, NULL, NULL, NULL, NULL);

	if (p < 0)
		die("clone");
	if (p == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		words[word] = 1;
		await(word, 2);
		act(word);
		words[word] = 3;
		await(word, 4);
		_exit(0);
	}
	await(word, 1);
	return p;
}

static void let_act(int word)
{
	words[word] = 2;
	await(word, 3);
}

static void let_end(int word, pid_t p)
{
	int status;

	words[word] = 4;
	check(waitpid(p, &status, 0) == p && status == 0, "child %d: status %x", word, status);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void open_and_move(int word)
{
	(void)word;
	dup2(0, OPENED);
	if (chdir("/usr"))
		_exit(1);
	umask(031);
}

static void move(int word)
{
	(void)word;
	if (chdir("/etc"))
		_exit(1);
}

static void open_deep(int word)
{
	(void)word;
	dup2(0, DEEP);
}

static void open_copy(int word)
{
	(void)word;
	dup2(0, COPY);
}

/* Another table, which this process shares with its children, with their pidfds in it. */
static void family(int word)
{
	pid_t sharing = child(4, CLONE_FILES, open_deep), apart = child(5, 0, open_copy);
	int pidfd[2] = {syscall(SYS_pidfd_open, sharing, 0), syscall(SYS_pidfd_open, apart, 0)};
	siginfo_t si;

	words[word] = 11; /* and when told, after the restart: */
	await(word, 12);
	let_act(4);
	check(is_open(DEEP), "the family's table is no longer shared");
	let_act(5);
	check(!is_open(COPY), "a copy of the family's table is shared");
	for (int i = 0; i < 2; i++) {
		words[4 + i] = 4;
		check(waitid(P_PIDFD, pidfd[i], &si, WEXITED) == 0 && si.si_pid == (i ? apart : sharing),
		      "pidfd %d: %s", i, strerror(errno));
	}
	if (test_failures)
		_exit(1);
}

static pid_t grandchild;

static void parent_of_sharing(int word)
{
	grandchild = child(7, BOTH, open_deep);
	words[word] = 11;
	await(word, 12);
	let_act(7);
	let_end(7, grandchild);
}

int main(void)
{
	char cwd[4096];
	pid_t both, fs, apart, fam, line;

	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	both = child(0, BOTH, open_and_move);
	fs = child(1, CLONE_FS, move);
	apart = child(2, 0, open_copy);
	fam = child(3, 0, family);
	line = child(6, BOTH, parent_of_sharing);
	words[3] = words[6] = 2;
	await(3, 11);
	await(6, 11);
	ready();

	let_act(0);
	check(is_open(OPENED), "the descriptor table is no longer shared");
	check(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/usr"), "the directory is no longer shared: %s", cwd);
	check(umask(0) == 031, "the umask is no longer shared");
	let_act(1);
	check(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/etc"), "the directory alone is no longer shared: %s", cwd);
	let_act(2);
	check(!is_open(COPY), "a table that was a copy is shared");
	check(!is_open(DEEP), "the table of a family of its own is shared");
	words[6] = 12;
	await(6, 3);
	check(is_open(DEEP), "the table is not shared with a grandchild");
	words[3] = 12;
	await(3, 3);
	let_end(0, both);
	let_end(1, fs);
	let_end(2, apart);
	let_end(3, fam);
	let_end(6, line);
	return verdict();
}
