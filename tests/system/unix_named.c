/*
 * Unix sockets with names: paths, relative paths, paths that were removed, abstract names, those
 * the kernel chose; listening, connected, bound only. Files come back with their mode, and a stale
 * one is no obstacle.
 */
#include "unix.h"
#include <sys/stat.h>

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_mode;
}

static void check_new(int type, const char *name, int listener)
{
	int client = connected(type, name);

	check_talk(client, accepted(listener));
}

int main(void)
{
	char path[64], rel[64], gone[64], abs[64], dgram[64], client_path[64];
	int lp, lr, lg, la, auto_fd, sp, cp, cr, sr, cg, sg, ca, sa, d, named_client, named_server;
	struct sockaddr_un a;
	socklen_t n = sizeof(a);
	char auto_name[16] = "@";

	own_name(path, sizeof(path), "/tmp/unix-path");
	own_name(rel, sizeof(rel), "unix-relative");
	own_name(gone, sizeof(gone), "/tmp/unix-gone");
	own_name(abs, sizeof(abs), "@unix-abstract");
	own_name(dgram, sizeof(dgram), "/tmp/unix-dgram");
	own_name(client_path, sizeof(client_path), "/tmp/unix-client");
	lp = listening(SOCK_STREAM, path, 7);
	chmod(path, 0640);
	if (chdir("/tmp"))
		die("chdir");
	lr = listening(SOCK_SEQPACKET, rel, 3);
	lg = listening(SOCK_STREAM, gone, 3);
	la = listening(SOCK_STREAM, abs, 3);
	cp = connected(SOCK_STREAM, path);
	sp = accepted(lp);
	cr = connected(SOCK_SEQPACKET, rel);
	sr = accepted(lr);
	cg = connected(SOCK_STREAM, gone);
	sg = accepted(lg);
	ca = connected(SOCK_STREAM, abs);
	sa = accepted(la);
	named_client = bound(SOCK_STREAM, client_path);
	if (connect_fd(named_client, path))
		die("connect");
	named_server = accepted(lp);
	d = bound(SOCK_DGRAM, dgram);
	unlink(gone);
	auto_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(auto_fd, (struct sockaddr *)&(sa_family_t){AF_UNIX}, sizeof(sa_family_t)) ||
	    getsockname(auto_fd, (struct sockaddr *)&a, &n))
		die("autobind");
	memcpy(auto_name + 1, a.sun_path + 1, n - offsetof(struct sockaddr_un, sun_path) - 1);
	put(cp, "to server");
	put(sp, "to client");
	put(cr, "a packet");
	put(cr, "another");

	ready();

	check_name(lp, false, path);
	check_name(sp, false, path);
	check_name(cp, true, path);
	check_name(cp, false, "");
	check_name(sp, true, "");
	check_name(cr, true, rel);
	check_name(lg, false, gone);
	check_name(cg, true, gone);
	check_name(sa, false, abs);
	check_name(ca, true, abs);
	check_name(auto_fd, false, auto_name);
	check_name(d, false, dgram);
	check_name(named_client, false, client_path);
	check_name(named_server, true, client_path);
	check_name(named_server, false, path);
	check(mode_of(path) == (S_IFSOCK | 0640), "the mode is %o", mode_of(path));
	check(!mode_of(gone), "a path that had been removed is there");
	check_get(sp, "to server");
	check_get(cp, "to client");
	check_get(sr, "a packet");
	check_get(sr, "another");
	check_talk(cp, sp);
	check_talk(cr, sr);
	check_talk(cg, sg);
	check_talk(ca, sa);
	check_talk(named_client, named_server);
	check_new(SOCK_STREAM, path, lp);
	check_new(SOCK_SEQPACKET, rel, lr);
	check_new(SOCK_STREAM, abs, la);
	put(connected(SOCK_DGRAM, dgram), "by its name");
	check_get(d, "by its name");
	put(connected(SOCK_DGRAM, auto_name), "by the kernel's");
	check_get(auto_fd, "by the kernel's");
	unlink(path);
	unlink(rel);
	unlink(dgram);
	unlink(client_path);
	return verdict();
}
