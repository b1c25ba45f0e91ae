/*
 * Descriptors under way in Unix sockets: with which bytes or message each comes, what it refers to;
 * files that are open nowhere else, ones that are, sockets in which others are under way, one in
 * its own queue.
 */
#include "unix.h"
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { MANY = 200 };

static void make(int type, int s[2])
{
	if (socketpair(AF_UNIX, type, 0, s))
		die("socketpair");
}

static void put_fds(int to, const char *text, const int *fds, int n)
{
	char control[CMSG_SPACE(253 * sizeof(int))] = {0};
	struct iovec iov = {(void *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	if (sendmsg(to, &m, 0) != (ssize_t)strlen(text))
		die("sendmsg");
}

/* Receive up to max bytes, which must be text and come with n descriptors. */
static void check_fds(int from, size_t max, const char *text, int *fds, int n)
{
	char control[CMSG_SPACE(253 * sizeof(int))], buf[64] = "";
	struct iovec iov = {buf, max};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(from, &m, MSG_DONTWAIT);
	struct cmsghdr *h = len < 0 ? NULL : CMSG_FIRSTHDR(&m);
	int got = h && h->cmsg_type == SCM_RIGHTS ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

	check(len == (ssize_t)strlen(text) && !strcmp(buf, text), "%zd: \"%s\", not \"%s\"", len,
	      buf, text);
	check(got == n, "\"%s\" comes with %d descriptors, not %d", text, got, n);
	if (got == n && n)
		memcpy(fds, CMSG_DATA(h), n * sizeof(int));
}

static void check_same(int a, int b, const char *what)
{
	check(syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, a, b) == 0,
	      "the %s is another open file", what);
}

static int file_with(const char *text)
{
	int fd = memfd_create("under way", 0);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || lseek(fd, 2, SEEK_SET) != 2)
		die("memfd");
	return fd;
}

static void check_file(int fd, const char *text)
{
	char buf[32] = "";

	check(read(fd, buf, sizeof(buf) - 1) >= 0 && !strcmp(buf, text), "\"%s\", not \"%s\"", buf,
	      text);
}

static int count(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? (int)n : -1;
}

int main(void)
{
	int stream[2], dgram[2], packet[2], outer[2], inner[2], own[2], many[2], late[2], shut[2],
		pipes[2];
	int kept = file_with("a kept file"), e = eventfd(5, 0), fds[MANY], i, got[MANY];

	make(SOCK_STREAM, stream);
	make(SOCK_DGRAM, dgram);
	make(SOCK_SEQPACKET, packet);
	make(SOCK_STREAM, outer);
	make(SOCK_STREAM, inner);
	make(SOCK_STREAM, own);
	make(SOCK_DGRAM, many);
	make(SOCK_STREAM, late);
	make(SOCK_STREAM, shut);
	if (pipe(pipes))
		die("pipe");
	put(stream[0], "plain");
	put_fds(stream[0], "one", &kept, 1);
	fds[0] = file_with("a lost file");
	fds[1] = e;
	put_fds(stream[0], "two", fds, 2);
	close(fds[0]);
	put(stream[0], "rest");
	put(dgram[0], "first");
	put_fds(dgram[0], "second", &e, 1);
	put_fds(packet[0], "pipe", &pipes[0], 1);
	close(pipes[0]);
	if (write(pipes[1], "piped", 5) != 5)
		die("write");
	/* A socket under way, with a file under way in it, and nothing else leads to either. */
	fds[0] = file_with("in the inner");
	put_fds(inner[0], "deep", fds, 1);
	close(fds[0]);
	put_fds(outer[0], "socket", &inner[1], 1);
	close(inner[1]);
	put_fds(own[0], "itself", &own[1], 1);
	/* A pidfd is made when the processes are there, and the other end is closed. */
	fds[0] = syscall(SYS_pidfd_open, getpid(), 0);
	put(late[0], "first");
	put_fds(late[0], "pidfd", fds, 1);
	put_fds(shut[0], "shut", fds, 1);
	shutdown(shut[0], SHUT_WR);
	close(fds[0]);
	close(late[0]);
	for (i = 0; i < MANY; i++)
		fds[i] = e;
	put_fds(many[0], "many", fds, MANY);

	ready();

	check_fds(stream[1], 3, "pla", NULL, 0);
	check_fds(stream[1], 2, "in", NULL, 0);
	check_fds(stream[1], 60, "one", got, 1);
	check_same(got[0], kept, "kept file");
	check_file(got[0], "kept file");
	check_fds(stream[1], 60, "two", got, 2);
	check_file(got[0], "lost file");
	check_same(got[1], e, "eventfd");
	check_fds(stream[1], 60, "rest", NULL, 0);
	check_fds(dgram[1], 60, "first", NULL, 0);
	check_fds(dgram[1], 60, "second", got, 1);
	check(count(got[0]) == 5, "the eventfd's count");
	check_fds(packet[1], 60, "pipe", got, 1);
	check_file(got[0], "piped");
	check_fds(outer[1], 60, "socket", got, 1);
	inner[1] = got[0];
	check_fds(inner[1], 60, "deep", got, 1);
	check_file(got[0], " the inner");
	check_talk(inner[0], inner[1]);
	check_fds(own[1], 60, "itself", got, 1);
	check_same(got[0], own[1], "socket in its own queue");
	check_talk(own[0], got[0]);
	check_fds(late[1], 5, "first", NULL, 0);
	check_fds(late[1], 60, "pidfd", got, 1);
	check(syscall(SYS_pidfd_send_signal, got[0], 0, NULL, 0) == 0, "the pidfd");
	check_get(late[1], "");
	check_fds(shut[1], 60, "shut", got, 1);
	check_get(shut[1], "");
	check_fds(many[1], 60, "many", got, MANY);
	check_same(got[MANY - 1], e, "last of many");
	return verdict();
}
