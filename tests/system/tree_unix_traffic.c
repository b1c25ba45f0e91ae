/*
 * Processes that never stop talking over Unix sockets: a stream full in both directions, packets
 * and datagrams with numbers, descriptors under way. Nothing is lost, doubled or out of order
 * wherever they are frozen.
 *
 * test: checkpoints 3
 */
#include "tree.h"
#include "unix.h"
#include <sys/eventfd.h>

static int stream[2], packet[2], dgram[2], rights[2];

static void fd_put(int to, uint32_t n, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&n, sizeof(n)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	*h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	if (sendmsg(to, &m, 0) != sizeof(n))
		die("sendmsg");
}

static int fd_get(int from, uint32_t *n)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {n, sizeof(*n)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(from, &m, MSG_WAITALL) != sizeof(*n))
		return -1;
	if (m.msg_controllen)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static unsigned char byte_at(uint32_t n)
{
	return n * 2654435761u >> 24;
}

static void stream_writer(void *arg)
{
	unsigned char buf[3000];
	uint32_t n = 0;
	ssize_t done;

	shutdown(stream[0], SHUT_RD);
	for (; !gone(); n += done) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = byte_at(n + i);
		done = write(stream[0], buf, n % sizeof(buf) + 1);
		if (done < 0)
			die("write");
		if (n % 16 == 0)
			sleep_ms(1);
	}
	(void)arg;
	shutdown(stream[0], SHUT_WR);
}

static void stream_reader(void *arg)
{
	unsigned char buf[5000];
	uint32_t n = 0;
	ssize_t got;
	int bad = 0;

	(void)arg;
	while ((got = read(stream[1], buf, n % sizeof(buf) + 1)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			bad += buf[i] != byte_at(n + i);
		n += got;
	}
	check(got == 0 && !bad, "the stream: %u bytes, %d wrong, %s", n, bad, strerror(errno));
}

static void message_writer(void *arg)
{
	uint32_t n;
	int e;

	(void)arg;
	for (n = 1; !gone(); n++) {
		if (send(packet[0], &n, sizeof(n), 0) < 0 || send(dgram[0], &n, sizeof(n), 0) < 0)
			die("send");
		if (n % 16)
			continue;
		sleep_ms(1);
		e = eventfd(n, 0);
		fd_put(rights[0], n, e);
		close(e);
	}
	n = 0;
	send(packet[0], &n, sizeof(n), 0);
	send(dgram[0], &n, sizeof(n), 0);
	shutdown(rights[0], SHUT_WR);
}

static void message_reader(void *arg)
{
	int from = *(int *)arg;
	uint32_t n, want = 1;

	for (; recv(from, &n, sizeof(n), 0) == sizeof(n) && n; want++)
		if (n != want) {
			check(false, "message %u instead of %u", n, want);
			want = n;
		}
}

static void rights_reader(void *arg)
{
	uint64_t count = 0;
	uint32_t n, want = 16;
	int fd, bad = 0;

	(void)arg;
	for (; (fd = fd_get(rights[1], &n)) >= 0; want += 16) {
		bad += n != want || read(fd, &count, sizeof(count)) != sizeof(count) || count != n;
		close(fd);
	}
	check(!bad, "%d of %u descriptors are wrong", bad, want / 16);
	fd = open("/dev/null", O_RDONLY);
	check(fd < 20, "%d descriptors are open", fd);
}

int main(void)
{
	pid_t pid[6];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packet) ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, rights))
		die("socketpair");
	pid[0] = child_start(stream_writer, NULL);
	pid[1] = child_start(stream_reader, NULL);
	pid[2] = child_start(message_writer, NULL);
	pid[3] = child_start(message_reader, &packet[1]);
	pid[4] = child_start(message_reader, &dgram[1]);
	pid[5] = child_start(rights_reader, NULL);

	sleep_ms(50);
	ready();

	for (int i = 0; i < 6; i++)
		child_end(pid[i], 0);
	return verdict();
}
