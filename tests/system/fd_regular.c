/*
 * Regular files: offsets, flags, descriptors that share one, and what was written since is undone.
 */
#include "harness.h"
#include <sys/stat.h>

static int make(const char *path, int flags, const char *text)
{
	int fd = open(path, flags | O_CREAT, 0640);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("%s", path);
	return fd;
}

static void check_text(const char *path, const char *want)
{
	size_t n;
	char *text = read_whole(path, &n);

	check(text && !strcmp(text, want), "%s holds \"%s\", not \"%s\"", path, text ? text : "?",
	      want);
	free(text);
}

int main(void)
{
	int seq = make("sequential", O_RDWR | O_TRUNC, "one two three\n");
	int app = make("appended", O_WRONLY | O_APPEND | O_TRUNC, "line 1\n");
	int mid = make("in place", O_RDWR | O_TRUNC, "0123456789"), ro, dup_seq, again;
	int strict = open("strict", O_RDWR | O_CREAT | O_EXCL, 0400);
	char buf[64] = "";
	struct stat st;

	if (strict < 0)
		die("strict");
	close(make("read only", O_RDWR | O_TRUNC, "abcdefghij"));
	ro = open("read only", O_RDONLY | O_CLOEXEC);
	again = open("sequential", O_RDONLY);
	dup_seq = dup2(seq, 100);
	lseek(ro, 3, SEEK_SET);
	lseek(mid, 4, SEEK_SET);
	lseek(again, 8, SEEK_SET);

	ready();

	check(lseek(seq, 0, SEEK_CUR) == 14, "offset of the sequential file");
	check(lseek(again, 0, SEEK_CUR) == 8, "offset of the file opened twice");
	check(fcntl(ro, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check(fcntl(dup_seq, F_GETFD) == 0, "close-on-exec won");
	check(read(ro, buf, 4) == 4 && !memcmp(buf, "defg", 4), "read only: %.4s", buf);
	check(write(dup_seq, "four\n", 5) == 5 && lseek(seq, 0, SEEK_CUR) == 19,
	      "dup'ed descriptors do not share an offset");
	check(fcntl(app, F_GETFL) & O_APPEND, "O_APPEND lost");
	lseek(app, 0, SEEK_SET);
	check(write(app, "line 2\n", 7) == 7, "append");
	check(write(mid, "XY", 2) == 2, "write in place");
	check(write(ro, "x", 1) < 0, "a read-only descriptor writes");
	check(fstat(seq, &st) == 0 && (st.st_mode & 07777) == 0640, "mode %o", st.st_mode);
	check(write(strict, "w", 1) == 1 && fstat(strict, &st) == 0 && (st.st_mode & 07777) == 0400,
	      "a file whose mode forbids writing: %s", strerror(errno));
	check_text("sequential", "one two three\nfour\n");
	check_text("appended", "line 1\nline 2\n");
	check_text("in place", "0123XY6789");
	return verdict();
}
