/* Children and grandchildren keep pid, parent, group and session, and their parents can wait for them. */
#include "tree.h"

enum { WIDTH = 3, DEPTH = 3 };

static struct signpost set_up;

static void grow(void *arg)
{
	int depth = *(int *)arg - 1;
	struct who me = who_am_i();
	pid_t child[WIDTH];

	for (int i = 0; depth && i < WIDTH; i++)
		child[i] = child_start(grow, &depth);
	signpost_tell(&set_up);
	wait_gone();
	check_who(&me, "child");
	for (int i = 0; depth && i < WIDTH; i++)
		child_end(child[i], 0);
	check(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "more children than there were");
}

int main(void)
{
	struct who me = who_am_i();
	int depth = DEPTH, n = WIDTH + WIDTH * WIDTH + WIDTH * WIDTH * WIDTH;
	pid_t child[WIDTH];

	set_up = signpost_make();
	for (int i = 0; i < WIDTH; i++)
		child[i] = child_start(grow, &depth);
	signpost_await(&set_up, n);
	ready();
	check_who(&me, "root");
	for (int i = 0; i < WIDTH; i++)
		child_end(child[i], 0);
	check(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "more children than there were");
	return verdict();
}
