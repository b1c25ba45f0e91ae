/* A pipe between parent and child: bytes that wait in it come once, in order, and its ends stay what they are. */
#include "tree.h"

static int down[2], up[2];

static void child(void *arg)
{
	char buf[4096];
	ssize_t n, all = 0;

	(void)arg;
	close(down[1]);
	close(up[0]);
	wait_gone();
	while ((n = read(down[0], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			check(buf[i] == (char)((all + i) % 251), "byte %zd is %d", all + i, buf[i]);
		all += n;
		if (write(up[1], buf, n) != n)
			die("write");
	}
	check(n == 0 && all == 30000, "%zd bytes", all);
}

static void fill(int from, int to)
{
	for (int i = from; i < to; i++) {
		char c = i % 251;

		if (write(down[1], &c, 1) != 1)
			die("write");
	}
}

int main(void)
{
	char buf[4096];
	ssize_t n, all = 0;
	pid_t pid;

	if (pipe(down) || pipe(up))
		die("pipe");
	pid = child_start(child, NULL);
	close(down[0]);
	close(up[1]);
	fill(0, 20000);
	ready();
	fill(20000, 30000);
	close(down[1]);
	while ((n = read(up[0], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			check(buf[i] == (char)((all + i) % 251), "byte %zd is %d", all + i, buf[i]);
		all += n;
	}
	check(n == 0 && all == 30000, "%zd bytes came back", all);
	child_end(pid, 0);
	return verdict();
}
