/* Huge pages that a child has by fork, some written since: each process has its own again. */
#include "harness.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { HUGE = 2 << 20, N = 2 };

int main(void)
{
	char *m = mmap(NULL, N * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	int go[2], done[2], status;
	pid_t pid;
	char c = 0;

	if (m == MAP_FAILED)
		skip("no huge pages (vm.nr_hugepages): %s", strerror(errno));
	memset(m, 1, N * HUGE);
	if (pipe(go) < 0 || pipe(done) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		m[HUGE + 5] = 2;
		write(done[1], &c, 1);
		read(go[0], &c, 1);
		_exit(m[5] == 1 && m[HUGE + 5] == 2 && m[HUGE + 4] == 1 ? 0 : 1);
	}
	read(done[0], &c, 1);

	ready();

	check(m[5] == 1 && m[HUGE + 5] == 1, "the parent has %d and %d", m[5], m[HUGE + 5]);
	memset(m, 3, N * HUGE);
	write(go[1], &c, 1);
	check(waitpid(pid, &status, 0) == pid && status == 0, "the child: %x", status);
	return verdict();
}
