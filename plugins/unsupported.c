/* What can't be restored: everything no other plugin claims. Says what it is. */
#include "sockdiag.h"
#include <sys/socket.h>

static const struct {
	const char *link;
	const char *why;
} kinds[] = {
	{"anon_inode:[io_uring]", "io_uring can't be restored"},
	{"anon_inode:[userfaultfd]", "userfaultfd can't be restored"},
	{"anon_inode:[perf_event]", "a performance counter can't be restored"},
	{"anon_inode:[fanotify]", "fanotify can't be restored"},
	{"anon_inode:bpf", "BPF objects can't be restored"},
	{"anon_inode:[bpf", "BPF objects can't be restored"},
	{"anon_inode:kvm", "virtual machines can't be restored"},
	{"/dev/kvm", "virtual machines can't be restored"},
	{"/dev/fuse", "a FUSE file system can't be restored"},
	{"anon_inode:seccomp", "a seccomp listener can't be restored"},
	{"/secretmem", "secret memory can't be read"},
	{"mnt:[", "a namespace can't be restored"},
	{"net:[", "a namespace can't be restored"},
	{"pid:[", "a namespace can't be restored"},
	{"user:[", "a namespace can't be restored"},
	{"uts:[", "a namespace can't be restored"},
	{"ipc:[", "a namespace can't be restored"},
	{"time:[", "a namespace can't be restored"},
	{"cgroup:[", "a namespace can't be restored"},
	{"/dev/ptmx", "a pseudo terminal can't be restored"},
	{"/dev/pts/ptmx", "a pseudo terminal can't be restored"},
};

static bool unsupported_match(const struct plugin_file *f)
{
	(void)f;
	return true;
}

static const char *reason(const struct plugin_file *f)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_starts(f->link, kinds[i].link))
			return kinds[i].why;
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode))
		return "a device can't be restored";
	return "this kind of descriptor can't be restored";
}

static const char *socket_reason(int domain)
{
	switch (domain) {
	case AF_INET:
	case AF_INET6:
		return "network connections can't be restored";
	case AF_NETLINK:
		return "netlink sockets can't be restored";
	case AF_PACKET:
		return "packet sockets can't be restored";
	default:
		return "sockets of this family can't be restored";
	}
}

static void unsupported_save(struct plugin_ctx *c, struct plugin_file *f)
{
	if (S_ISSOCK(f->mode))
		plugin_outside(c, f, socket_reason(socket_domain(f)));
	else
		plugin_refuse(c, f, "%s", reason(f));
}

const struct plugin plugin_unsupported = {
	.name = "unsupported",
	.match = unsupported_match,
	.save = unsupported_save,
};
