/*
 * Files that processes share: an offset that is one, two that are two, a deleted file under two
 * open files, a log that all append to.
 */
#include "tree.h"
#include <sys/stat.h>

static int shared, deleted, log_fd;
static struct signpost up, down;

static void check_read(int fd, const char *want)
{
	char buf[32] = "";
	ssize_t n = read(fd, buf, strlen(want));

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want), "\"%s\", not \"%s\"", buf, want);
}

static void add(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

static void child(void *arg)
{
	int own = open("shared", O_RDONLY), own_log = open("log", O_WRONLY | O_APPEND);
	char path[32];
	int own_deleted;

	(void)arg;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", deleted);
	own_deleted = open(path, O_RDWR);
	check_read(shared, "cd");
	check_read(own, "ab");
	add(own_log, "child\n");
	signpost_tell(&up);
	signpost_await(&down, 1);
	check_read(shared, "ef");
	check_read(own, "cd");
	lseek(own_deleted, 0, SEEK_SET);
	add(own_deleted, "THE");
	check(size_of(own_log) == 13, "the log has %ld bytes", (long)size_of(own_log));
	add(own_log, "again\n");
	signpost_tell(&up);
	signpost_await(&down, 1);
}

int main(void)
{
	char buf[32] = "";
	pid_t pid;
	int fd;

	up = signpost_make();
	down = signpost_make();
	fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
	add(fd, "abcdefghijklmnop");
	close(fd);
	shared = open("shared", O_RDONLY);
	deleted = open("deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	add(deleted, "the deleted one");
	unlink("deleted");
	log_fd = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	add(log_fd, "parent\n");
	check_read(shared, "ab");
	pid = child_start(child, NULL);
	signpost_await(&up, 1);

	ready();

	signpost_tell(&down);
	signpost_await(&up, 1);
	check_read(shared, "gh");
	check(pread(deleted, buf, sizeof(buf), 0) == 15 && !strcmp(buf, "THE deleted one"),
	      "the deleted file has \"%s\"", buf);
	check(size_of(log_fd) == 19, "the log has %ld bytes", (long)size_of(log_fd));
	signpost_tell(&down);
	child_end(pid, 0);
	return verdict();
}
