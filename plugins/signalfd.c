/* signalfd(2): its mask. Signals that wait in it are the process's pending signals. */
#include <ckpt/plugin.h>

static bool signalfd_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[signalfd]");
}

static void signalfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *info = plugin_fdinfo(c, f);
	const char *text = info ? proc_field(info, "sigmask:") : NULL;
	uint64_t mask;

	if (!info)
		return;
	if (!text) {
		plugin_refuse(c, f, "the kernel does not tell its mask");
		return;
	}
	mask = parse_hex(&text);
	plugin_put(c, f, &mask, sizeof(mask), NULL, 0);
}

static int signalfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	uint64_t mask;
	size_t n;
	int fd;

	if (!plugin_get(c, f, 0, &mask, sizeof(mask), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = sys_call4(__NR_signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC);
	return fd < 0 ? plugin_fail(c, f, fd, "signalfd") : fd;
}

const struct plugin plugin_signalfd = {
	.name = "signalfd",
	.match = signalfd_match,
	.save = signalfd_save,
	.restore = signalfd_restore,
};
