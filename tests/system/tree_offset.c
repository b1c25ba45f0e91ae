/* A file open in parent and child by fork has one offset and one set of flags; opened twice it has two. */
#include "tree.h"

static int both, childs;
static char path[64];

static void child(void *arg)
{
	struct signpost *turn = arg;
	char c;

	childs = open(path, O_RDONLY);
	if (childs < 0 || lseek(childs, 3, SEEK_SET) != 3)
		die("open");
	signpost_tell(&turn[0]);
	signpost_await(&turn[1], 1);
	wait_gone();
	check(read(both, &c, 1) == 1 && c == '5', "the child reads %c", c);
	check(fcntl(both, F_GETFL) & O_APPEND, "flags are shared");
	signpost_tell(&turn[0]);
	signpost_await(&turn[1], 1);
	check(read(both, &c, 1) == 1 && c == '8', "then %c", c);
	check(read(childs, &c, 1) == 1 && c == '3', "its own: %c", c);
}

int main(void)
{
	struct signpost turn[2] = {signpost_make(), signpost_make()};
	pid_t pid;
	char c;

	snprintf(path, sizeof(path), "offset-%d", getpid());
	both = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (both < 0 || write(both, "0123456789", 10) != 10 || lseek(both, 5, SEEK_SET) != 5)
		die("%s", path);
	pid = child_start(child, turn);
	signpost_await(&turn[0], 1);
	fcntl(both, F_SETFL, fcntl(both, F_GETFL) | O_APPEND);
	signpost_tell(&turn[1]);
	ready();
	signpost_await(&turn[0], 1);
	check(read(both, &c, 1) == 1 && c == '6', "the parent reads %c", c);
	check(read(both, &c, 1) == 1 && c == '7', "and %c", c);
	signpost_tell(&turn[1]);
	child_end(pid, 0);
	unlink(path);
	return verdict();
}
