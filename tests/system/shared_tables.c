/*
 * test: refused shares its descriptor table (CLONE_FILES) with process
 *
 * Processes that share a descriptor table, or root, directory and umask, without being threads
 * (clone(2) with CLONE_FILES, CLONE_FS): what one opens or changes the other has. Whatever libckpt opens in
 * the one table is no descriptor of the program's.
 */
#include "harness.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile int *word; /* shared: 1 tells the child to open and to change */

static void await(int value)
{
	while (*word != value)
		sleep_ms(2);
}

int main(void)
{
	int before = open("/dev/null", O_RDONLY);
	char cwd[4096];
	pid_t p;

	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	p = syscall(SYS_clone, SIGCHLD | CLONE_FILES | CLONE_FS, NULL, NULL, NULL, NULL);
	if (p < 0)
		die("clone");
	if (p == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*word = 1;
		await(2);
		dup2(before, 100);
		if (chdir("/usr"))
			_exit(1);
		umask(031);
		*word = 3;
		_exit(0);
	}
	await(1);
	ready();
	*word = 2;
	await(3);
	check(fcntl(100, F_GETFD) >= 0, "the descriptor table is no longer shared");
	check(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/usr"), "the directory is no longer shared: %s", cwd);
	check(umask(0) == 031, "the umask is no longer shared");
	waitpid(p, NULL, 0);
	return verdict();
}
