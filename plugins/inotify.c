/*
 * inotify(7): watches with their numbers and masks. Their paths are those the program gave when it
 * added them: libckpt notes them.
 *
 * Events that wait can't be read without taking them from the program that runs on. Where there
 * were any, the restarted program reads IN_Q_OVERFLOW instead, which is how the kernel says that
 * events are lost and the program must look for itself.
 */
#include <ckpt/plugin.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif

enum {
	EVENT_SIZE = sizeof(struct inotify_event),
	EVENTS_AT_ONCE = 256,
	QUEUE_MAX = 1 << 22, /* no limit is believed to be above */
};

/* One watch; the path follows, where links lead to. wd 0: no watch, events were lost. */
struct watch_state {
	int32_t wd;
	uint32_t mask;
};

static bool inotify_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:inotify");
}

/* ---- Save -------------------------------------------------------------------------------- */

/* False when the line of fdinfo is no watch, or was refused. */
static void watch_save(struct plugin_ctx *c, struct plugin_file *f, const char *line)
{
	const char *wd = text_in_line(line, "inotify wd:");
	const char *ino = text_in_line(line, "ino:");
	const char *mask = text_in_line(line, " mask:");
	struct watch_state st;
	const char *path;
	uint64_t inode;

	if (!wd || !ino || !mask)
		return;
	st.wd = parse_hex(&wd);
	st.mask = parse_hex(&mask);
	inode = parse_hex(&ino);
	path = plugin_watch_path(c, st.wd, inode);
	if (path)
		plugin_put(c, f, &st, sizeof(st), path, str_len(path) + 1);
	else
		plugin_refuse(c, f, "the path of its watch %d (inode %lu) is not known", st.wd,
			      (unsigned long)inode);
}

static void inotify_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const struct watch_state lost = {0};
	const char *line = plugin_fdinfo(c, f);
	int n = 0;

	if (sys_ioctl(f->fd, FIONREAD, &n) == 0 && n > 0)
		plugin_put(c, f, &lost, sizeof(lost), NULL, 0);
	for (; line && *line; line = text_next_line(line))
		watch_save(c, f, line);
}

/* ---- Restart ----------------------------------------------------------------------------- */

static int waiting(int fd)
{
	int n = 0;

	sys_ioctl(fd, FIONREAD, &n);
	return n;
}

/* Make events until the queue takes no more; of two files in turn, for equal ones are joined. */
static void queue_fill(int fd, const int file[2])
{
	int before = -1, now = 0, i, n;

	for (n = 0; now != before && n < QUEUE_MAX; n += EVENTS_AT_ONCE) {
		for (i = 0; i < EVENTS_AT_ONCE; i++)
			sys_call2(__NR_fchmod, file[i % 2], 0600);
		before = now;
		now = waiting(fd);
	}
}

/* Take all events but the last, which tells of the overflow. */
static void queue_drain(int fd)
{
	uint8_t buf[EVENTS_AT_ONCE * EVENT_SIZE];
	int n;

	while ((n = waiting(fd) - EVENT_SIZE) > 0)
		if (sys_read(fd, buf, n < (int)sizeof(buf) ? n : (int)sizeof(buf)) <= 0)
			return;
}

/* Leave IN_Q_OVERFLOW in the queue, the way it comes there. */
static int events_lost(struct plugin_ctx *c, struct plugin_file *f, int fd)
{
	int file[2], wd[2], i;

	for (i = 0; i < 2; i++) {
		file[i] = sys_call2(__NR_memfd_create, "overflow", 0);
		wd[i] = sys_call3(__NR_inotify_add_watch, fd, plugin_fd_path(c, file[i]),
				  IN_ATTRIB);
		if (wd[i] < 0)
			return plugin_fail(c, f, wd[i], "a watch to overflow");
	}
	queue_fill(fd, file);
	for (i = 0; i < 2; i++) {
		sys_call2(__NR_inotify_rm_watch, fd, wd[i]);
		sys_close(file[i]);
	}
	queue_drain(fd);
	return 0;
}

/* Add and remove watches until the next one gets the number: for kernels that can't be told. */
static void number_approach(int fd, int want)
{
	int wd = 0;

	while (wd < want - 1) {
		wd = sys_call3(__NR_inotify_add_watch, fd, "/", IN_DELETE_SELF);
		if (wd < 0)
			return;
		sys_call2(__NR_inotify_rm_watch, fd, wd);
	}
}

static int watch_add(struct plugin_ctx *c, struct plugin_file *f, int fd,
		     const struct watch_state *st, const char *path)
{
	const uint32_t flags = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;
	int wd;

	if (sys_ioctl(fd, INOTIFY_IOC_SETNEXTWD, (void *)(intptr_t)st->wd) < 0)
		number_approach(fd, st->wd);
	wd = sys_call3(__NR_inotify_add_watch, fd, path, (st->mask & flags) | IN_DONT_FOLLOW);
	if (wd < 0)
		return plugin_fail(c, f, wd, "can't watch %s again", path);
	if (wd != st->wd)
		return plugin_fail(c, f, 0, "the watch of %s gets number %d, not %d", path, wd,
				   st->wd);
	return 0;
}

static int watches_restore(struct plugin_ctx *c, struct plugin_file *f, int fd)
{
	struct watch_state st;
	const char *path;
	unsigned int i;
	size_t n;
	int err = 0;

	for (i = 0; !err && (path = plugin_get(c, f, i, &st, sizeof(st), &n)); i++) {
		if (!st.wd)
			err = events_lost(c, f, fd);
		else if (n && !path[n - 1])
			err = watch_add(c, f, fd, &st, plugin_moved_path(c, path));
	}
	return err;
}

/* After all content has been put back: that is no event for the program. */
static int inotify_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	return watches_restore(c, f, f->fd);
}

static int inotify_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_call1(__NR_inotify_init1, O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? plugin_fail(c, f, fd, "inotify_init1") : fd;
}

const struct plugin plugin_inotify = {
	.name = "inotify",
	.match = inotify_match,
	.save = inotify_save,
	.restore = inotify_restore,
	.attach = inotify_attach,
};
