/*
 * TCP connections with both ends in the job, IPv4, IPv6 and v4-mapped: what waits at both ends, names,
 * a server's port that its connections share with the socket that listens, a socket connected to itself.
 */
#include "tcp.h"

struct end {
	struct name local, remote;
};

static struct end names(int fd)
{
	return (struct end){local_name(fd), remote_name(fd)};
}

static void check_names(int fd, const struct end *before)
{
	struct end now = names(fd);

	check(same_name(now.local, before->local), "own name of fd %d", fd);
	check(same_name(now.remote, before->remote), "peer's name of fd %d", fd);
}

static int to_itself(void)
{
	struct name n = loopback(AF_INET);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	bind(fd, (struct sockaddr *)&n.a, n.len);
	n = local_name(fd);
	if (connect(fd, (struct sockaddr *)&n.a, n.len))
		die("connect to itself");
	return fd;
}

int main(void)
{
	enum { CLIENTS = 20, FAMILIES = 3 };
	static const int families[FAMILIES] = {AF_INET, AF_INET6, 'm'};
	int l[FAMILIES], s[FAMILIES][CLIENTS][2], plain[2], corked[2], self, i, j;
	struct end before[FAMILIES][CLIENTS][2];
	char text[32];

	for (i = 0; i < FAMILIES; i++) {
		l[i] = listening(loopback(families[i]), 50);
		for (j = 0; j < CLIENTS; j++) {
			pair_by(l[i], s[i][j]);
			snprintf(text, sizeof(text), "to server %d %d", i, j);
			put(s[i][j][0], text, 0);
			snprintf(text, sizeof(text), "to client %d %d", i, j);
			put(s[i][j][1], text, 0);
			before[i][j][0] = names(s[i][j][0]);
			before[i][j][1] = names(s[i][j][1]);
		}
	}
	pair(AF_INET, corked);
	put(corked[0], "kept back", MSG_MORE);
	self = to_itself();
	put(self, "to myself", 0);

	ready();

	for (i = 0; i < FAMILIES; i++) {
		for (j = 0; j < CLIENTS; j++) {
			snprintf(text, sizeof(text), "to server %d %d", i, j);
			check_get(s[i][j][1], text);
			snprintf(text, sizeof(text), "to client %d %d", i, j);
			check_get(s[i][j][0], text);
			check_names(s[i][j][0], &before[i][j][0]);
			check_names(s[i][j][1], &before[i][j][1]);
			check_talks(s[i][j][0], s[i][j][1]);
		}
		pair_by(l[i], plain);
		check_talks(plain[0], plain[1]);
	}
	check(readable(corked[1], 2000), "what was kept back is lost");
	check_get(corked[1], "kept back");
	check_get(self, "to myself");
	put(self, "again", 0);
	check(readable(self, 2000), "nothing comes to itself");
	check_get(self, "again");
	return verdict();
}
