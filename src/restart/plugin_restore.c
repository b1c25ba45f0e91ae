/* The restart half of ckpt/plugin.h: what plugins may ask, and how they tell. */
#define _GNU_SOURCE
#include "descriptors_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELPER_STACK = 64 << 10 };

/* ---- Telling ----------------------------------------------------------------------------- */

static void say(struct plugin_ctx *c, const char *line)
{
	char buf[1200];
	int n = snprintf(buf, sizeof(buf), "ckpt_restart: %s\n", line);

	io_write(c->params.log_fd, buf, n < (int)sizeof(buf) ? n : (int)sizeof(buf) - 1);
}

/* "pid P: fd N (LINK): …"; one in flight has no number. */
static void say_file(struct plugin_ctx *c, const struct plugin_file *f, int err, const char *fmt,
		     va_list ap)
{
	char line[1100];
	struct text t = TEXT(line);

	line[0] = 0;
	if (c->params.nprocesses > 1)
		text_put(&t, "pid %d: ", f->pid);
	if (f->closed)
		text_put(&t, "file %s: ", f->link);
	else if (f->number >= 0)
		text_put(&t, "fd %d (%s): ", f->number, f->link);
	else
		text_put(&t, "descriptor in flight (%s): ", f->link);
	text_vput(&t, fmt, ap);
	if (err)
		text_put(&t, ": %s", strerror(err < 0 ? -err : err));
	say(c, line);
}

/* A failure that is of no one file. */
int descriptors_fail(struct plugin_ctx *c, int err, const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(-err));
	say(c, line);
	return err;
}

/* ---- What plugins may ask ---------------------------------------------------------------- */

struct plugin_file *plugin_file_by_id(struct plugin_ctx *c, uint32_t id)
{
	struct plugin_file key = {.id = id};

	return bsearch(&key, c->files, c->nfiles, sizeof(*c->files), file_by_id);
}

struct plugin_file *plugin_file_next(struct plugin_ctx *c, struct plugin_file *f)
{
	f = f ? f + 1 : c->files;
	return f < c->files + c->nfiles ? f : NULL;
}

struct plugin_file *plugin_file_by_inode(struct plugin_ctx *c, uint64_t dev, uint64_t ino)
{
	struct plugin_file key = {.dev = dev, .ino = ino}, *wanted = &key, **first;
	uint32_t low = 0, high = c->nfiles, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (file_by_inode(&c->sorted[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	first = &c->sorted[low];
	return low < c->nfiles && plugin_same_inode(*first, &key) ? *first : NULL;
}

bool plugin_tcp_refuse(struct plugin_ctx *c)
{
	return c->params.tcp_refuse;
}

void *plugin_alloc(struct plugin_ctx *c, size_t n)
{
	return arena_alloc(&c->arena, n);
}

int plugin_fail(struct plugin_ctx *c, const struct plugin_file *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_file(c, f, err, fmt, ap);
	va_end(ap);
	return err ? -abs(err) : -EINVAL;
}

void plugin_caution(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_file(c, f, 0, fmt, ap);
	va_end(ap);
}

void plugin_note(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	va_list ap;

	if (!c->params.verbose)
		return;
	va_start(ap, fmt);
	say_file(c, f, 0, fmt, ap);
	va_end(ap);
}

int plugin_changed(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	char what[1024];
	struct text t = TEXT(what);
	va_list ap;

	what[0] = 0;
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	if (f->policy == FILES_FORCE)
		plugin_caution(c, f, "%s", what);
	else
		plugin_caution(c, f, "%s (--files=force goes on with it)", what);
	return f->policy == FILES_FORCE ? 0 : -ESTALE;
}

/* First record of the file in plugin_recs. */
static uint32_t first_rec(const struct plugin_ctx *c, uint32_t file)
{
	uint32_t low = 0, high = c->nplugin_recs, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (rec_file_id(c->plugin_recs[mid]) < file)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const void *plugin_get(struct plugin_ctx *c, const struct plugin_file *f, unsigned int index,
		       void *p, size_t n, size_t *m)
{
	uint64_t at = (uint64_t)first_rec(c, f->id) + index;
	struct rec_plugin head;
	const uint8_t *payload;
	size_t all;

	if (at >= c->nplugin_recs || rec_file_id(c->plugin_recs[at]) != f->id)
		return NULL;
	rec_get(c->plugin_recs[at], &head, sizeof(head));
	payload = (const uint8_t *)(c->plugin_recs[at] + 1) + sizeof(head);
	if (c->plugin_recs[at]->size < sizeof(head))
		return NULL;
	all = c->plugin_recs[at]->size - sizeof(head);
	if (head.len > all)
		return NULL;
	memset(p, 0, n);
	memcpy(p, payload, n < head.len ? n : head.len);
	*m = all - head.len;
	return payload + head.len;
}

int plugin_object_fd(struct plugin_ctx *c, const struct plugin_file *f, uint32_t object)
{
	const char *what;
	int fd = objects_fd(&c->objects, object, &what);

	return fd < 0 ? plugin_fail(c, f, fd, "%s", what) : fd;
}

const char *plugin_moved_path(struct plugin_ctx *c, const char *path)
{
	return path_now(c->params.moves, path);
}

int64_t plugin_saved_at(struct plugin_ctx *c)
{
	return c->params.image->header.created_ns;
}

int plugin_std_fd(struct plugin_ctx *c, int n)
{
	return c->std[n];
}

int plugin_open_again(int fd, uint32_t flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path,
		  plugin_open_flags(flags & ~(uint32_t)(O_NOFOLLOW | O_DIRECTORY)) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

const char *plugin_fd_path(struct plugin_ctx *c, int fd)
{
	snprintf(c->fd_path, sizeof(c->fd_path), "/proc/self/fd/%d", fd);
	return c->fd_path;
}

int plugin_place(struct plugin_ctx *c, const struct plugin_file *f, int number)
{
	if (number < 0 || number >= c->params.base)
		return -EBADF;
	return dup3(number_source(c, f, number), number, O_CLOEXEC) < 0 ? -errno : 0;
}

/* What a helper with a pid of its own is to do. */
struct helper {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int helper_main(void *arg)
{
	struct helper *h = arg;

	h->result = h->fn(h->arg);
	return 0;
}

int plugin_as_pid(struct plugin_ctx *c, int pid, int (*fn)(void *arg), void *arg)
{
	struct helper h = {.fn = fn, .arg = arg, .result = -ECHILD};
	uint8_t *stack = plugin_alloc(c, HELPER_STACK);
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = HELPER_STACK,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long child;

	if (c->late || !stack)
		return c->late ? -EBUSY : -ENOMEM;
	if (pid <= 1 || pid == getpid())
		return fn(arg);
	child = clone3_on_stack(&a, sizeof(a), helper_main, &h);
	if (child < 0)
		return child;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return h.result;
}

int plugin_session_tty(struct plugin_ctx *c, int session, int foreground, int fd)
{
	struct session_tty *t = plugin_alloc(c, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct session_tty){session, foreground, fcntl(fd, F_DUPFD_CLOEXEC, c->params.base), c->ttys};
	if (t->fd < 0)
		return -errno;
	c->ttys = t;
	return 0;
}
