/* eventfd(2): its count and whether it counts down by one. */
#include <ckpt/plugin.h>
#include <sys/eventfd.h>

struct eventfd_state {
	uint64_t count;
	uint32_t semaphore;
	uint32_t reserved;
};

static bool eventfd_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[eventfd]");
}

static uint64_t take(int fd)
{
	uint64_t n = 0;

	sys_read(fd, &n, sizeof(n));
	return n;
}

static void give(int fd, uint64_t n)
{
	if (n)
		sys_write(fd, &n, sizeof(n));
}

/*
 * Is it a semaphore? Linux before 6.5 does not tell: a semaphore that counts two or more gives
 * one. The count is afterwards what it was, and nothing here can wait.
 */
static bool semaphore_probe(int fd, uint64_t count)
{
	uint64_t added = count < 2 ? 2 - count : 0;
	uint64_t got;

	give(fd, added);
	got = take(fd);
	if (got != 1) {
		give(fd, count);
		return false;
	}
	if (added == 0)
		give(fd, 1);
	if (added == 2)
		take(fd);
	return true;
}

static void eventfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *info = plugin_fdinfo(c, f);
	const char *count = info ? proc_field(info, "eventfd-count:") : NULL;
	const char *semaphore = info ? proc_field(info, "eventfd-semaphore:") : NULL;
	struct eventfd_state st = {0};

	if (!info)
		return;
	if (!count) {
		plugin_refuse(c, f, "the kernel does not tell its count");
		return;
	}
	st.count = parse_hex(&count);
	st.semaphore = semaphore ? parse_dec(&semaphore) : semaphore_probe(f->fd, st.count);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

static int eventfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct eventfd_state st;
	size_t n;
	int fd;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = sys_call2(__NR_eventfd2, 0,
		       EFD_CLOEXEC | EFD_NONBLOCK | (st.semaphore ? EFD_SEMAPHORE : 0));
	if (fd < 0)
		return plugin_fail(c, f, fd, "eventfd");
	if (st.count && sys_write(fd, &st.count, sizeof(st.count)) != sizeof(st.count))
		return plugin_fail(c, f, 0, "its count can't be set");
	return fd;
}

const struct plugin plugin_eventfd = {
	.name = "eventfd",
	.match = eventfd_match,
	.save = eventfd_save,
	.restore = eventfd_restore,
};
