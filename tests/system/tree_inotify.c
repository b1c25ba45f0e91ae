/* An inotify instance that processes share by fork, and its watches. */
#include "tree.h"
#include <sys/inotify.h>
#include <sys/stat.h>

static int in, wd;
static struct signpost up, down;

static void check_event(const char *name)
{
	char buf[4096];
	const struct inotify_event *ev = (const struct inotify_event *)buf;
	ssize_t n = read(in, buf, sizeof(buf));

	check(n > 0 && ev->wd == wd && !strcmp(ev->name, name), "an event of %d, \"%s\"", ev->wd,
	      n > 0 && ev->len ? ev->name : "");
}

static void child(void *arg)
{
	(void)arg;
	signpost_await(&down, 1);
	close(open("watched/one", O_CREAT | O_WRONLY, 0600));
	check_event("one");
	signpost_tell(&up);
}

int main(void)
{
	pid_t pid;

	up = signpost_make();
	down = signpost_make();
	mkdir("watched", 0700);
	unlink("watched/one");
	unlink("watched/two");
	in = inotify_init();
	wd = inotify_add_watch(in, "watched", IN_CREATE);
	pid = child_start(child, NULL);

	ready();

	signpost_tell(&down);
	signpost_await(&up, 1);
	close(open("watched/two", O_CREAT | O_WRONLY, 0600));
	check_event("two");
	child_end(pid, 0);
	return verdict();
}
