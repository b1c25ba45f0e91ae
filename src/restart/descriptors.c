/*
 * Rebuilds the open files of a process by way of the plugins, and offers them the restart half of
 * ckpt/plugin.h.
 *
 * While building, every open file has one descriptor at a number from base on, so that the numbers
 * below are free to become what they were. Only descriptors_place() and attach() touch those.
 */
#define _GNU_SOURCE
#include "descriptors.h"
#include "objects.h"
#include <ckpt/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_LIMIT = 1 << 30 };

/* A descriptor number of the program. */
struct number {
	int fd;
	bool cloexec;
	struct plugin_file *file;
};

struct plugin_ctx {
	struct descriptors_params params;
	struct objects objects;
	struct plugin_file *files; /* array of nfiles */
	uint32_t nfiles;
	struct number *numbers; /* array of nnumbers, ascending */
	uint32_t nnumbers;
	const struct rec **plugin_recs; /* REC_PLUGIN, by file, then as they stand in the image */
	uint32_t nplugin_recs;
	struct arena arena;
	int std[3]; /* ckpt_restart's own streams, -1: closed */
	char fd_path[32];
};

/* ---- Records ----------------------------------------------------------------------------- */

static uint32_t count_type(const struct descriptors_params *p, uint16_t type)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	uint32_t n = 0;

	while (rec_next_type(&it, type))
		n++;
	return n;
}

static const struct plugin *plugin_by_name(const char *name)
{
	const struct plugin *const *p = plugin_table;

	while (*p && !str_eq((*p)->name, name))
		p++;
	return *p;
}

static int file_parse(const struct rec *r, struct plugin_file *f)
{
	struct rec_file rec;
	size_t len;

	rec_get(r, &rec, sizeof(rec));
	rec.plugin[sizeof(rec.plugin) - 1] = 0;
	*f = (struct plugin_file){
		.plugin = plugin_by_name(rec.plugin),
		.link = rec_extra(r, sizeof(rec), &len),
		.fd = -1,
		.number = -1,
		.id = rec.id,
		.flags = rec.flags,
		.mode = rec.mode,
		.nlink = rec.nlink,
		.pos = rec.pos,
		.dev = rec.dev,
		.ino = rec.ino,
		.rdev = rec.rdev,
		.size = rec.size,
		.mtime_ns = rec.mtime_ns,
		.object = rec.object,
		.owner = rec.owner,
		.owner_type = rec.owner_type,
		.sig = rec.sig,
	};
	return f->plugin && f->plugin->restore ? 0 : -ENOTSUP;
}

static int by_id(const void *a, const void *b)
{
	const struct plugin_file *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_number(const void *a, const void *b)
{
	const struct number *x = a, *y = b;

	return x->fd < y->fd ? -1 : x->fd > y->fd;
}

static uint32_t rec_file_id(const struct rec *r)
{
	struct rec_plugin rec;

	rec_get(r, &rec, sizeof(rec));
	return rec.file;
}

/* By file; records of one file in the order of the image, which is that of their addresses. */
static int by_file(const void *a, const void *b)
{
	const struct rec *x = *(const struct rec *const *)a, *y = *(const struct rec *const *)b;
	uint32_t i = rec_file_id(x), j = rec_file_id(y);

	return i != j ? (i < j ? -1 : 1) : x < y ? -1 : x > y;
}

/* By inode, then by id. */
static int by_inode(const void *a, const void *b)
{
	const struct plugin_file *x = *(struct plugin_file *const *)a,
				 *y = *(struct plugin_file *const *)b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return by_id(x, y);
}

/* Link the open files of each inode to a ring. */
static int rings_make(struct plugin_ctx *c)
{
	struct plugin_file **sorted = calloc(c->nfiles + 1, sizeof(*sorted));
	uint32_t i, first = 0;

	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < c->nfiles; i++)
		sorted[i] = &c->files[i];
	qsort(sorted, c->nfiles, sizeof(*sorted), by_inode);
	for (i = 0; i < c->nfiles; i++) {
		if (!plugin_same_inode(sorted[first], sorted[i]))
			first = i;
		sorted[i]->twin = sorted[first];
		if (i > first)
			sorted[i - 1]->twin = sorted[i];
	}
	free(sorted);
	return 0;
}

static int files_parse(struct plugin_ctx *c)
{
	struct rec_iter it = rec_iter(c->params.records, c->params.nrecords);
	const struct rec *r;
	int err;

	while ((r = rec_next_type(&it, REC_FILE))) {
		err = file_parse(r, &c->files[c->nfiles]);
		if (err)
			return plugin_fail(c, &c->files[c->nfiles], 0,
					   "this version can't restore it");
		c->nfiles++;
	}
	qsort(c->files, c->nfiles, sizeof(*c->files), by_id);
	return it.err ? it.err : rings_make(c);
}

/* 1, 0 for a number without a file, which needs but be free, or -EBADMSG. */
static int number_parse(struct plugin_ctx *c, const struct rec *r, struct number *n)
{
	struct rec_fd rec;

	rec_get(r, &rec, sizeof(rec));
	if (!rec.file)
		return 0;
	*n = (struct number){rec.fd, rec.cloexec, plugin_file_by_id(c, rec.file)};
	if (rec.fd < 0 || rec.fd >= c->params.base || !n->file)
		return -EBADMSG;
	if (n->file->number < 0 || rec.fd < n->file->number)
		n->file->number = rec.fd;
	return 1;
}

static int numbers_parse(struct plugin_ctx *c)
{
	struct rec_iter it = rec_iter(c->params.records, c->params.nrecords);
	const struct rec *r;
	uint32_t i;
	int err;

	while ((r = rec_next_type(&it, REC_FD))) {
		err = number_parse(c, r, &c->numbers[c->nnumbers]);
		if (err < 0)
			return err;
		c->nnumbers += err;
	}
	qsort(c->numbers, c->nnumbers, sizeof(*c->numbers), by_number);
	for (i = 0; i + 1 < c->nnumbers; i++)
		if (c->numbers[i].fd == c->numbers[i + 1].fd)
			return -EBADMSG;
	return it.err;
}

static int plugin_recs_parse(struct plugin_ctx *c)
{
	struct rec_iter it = rec_iter(c->params.records, c->params.nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_PLUGIN)))
		c->plugin_recs[c->nplugin_recs++] = r;
	qsort(c->plugin_recs, c->nplugin_recs, sizeof(*c->plugin_recs), by_file);
	return it.err;
}

/* ---- Telling ----------------------------------------------------------------------------- */

static void say(struct plugin_ctx *c, const char *line)
{
	char buf[1200];
	int n = snprintf(buf, sizeof(buf), "ckpt_restart: %s\n", line);

	io_write(c->params.log_fd, buf, n < (int)sizeof(buf) ? n : (int)sizeof(buf) - 1);
}

/* "fd N (LINK): …" */
static void say_file(struct plugin_ctx *c, const struct plugin_file *f, int err, const char *fmt,
		     va_list ap)
{
	char line[1100];
	struct text t = TEXT(line);

	line[0] = 0;
	text_put(&t, "fd %d (%s): ", f->number, f->link);
	text_vput(&t, fmt, ap);
	if (err)
		text_put(&t, ": %s", strerror(err < 0 ? -err : err));
	say(c, line);
}

/* A failure that is of no one file. */
static int fail(struct plugin_ctx *c, int err, const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(-err));
	say(c, line);
	return err;
}

/* ---- Opening ----------------------------------------------------------------------------- */

static int tables_alloc(struct plugin_ctx *c)
{
	const struct descriptors_params *p = &c->params;

	c->files = calloc(count_type(p, REC_FILE) + 1, sizeof(*c->files));
	c->numbers = calloc(count_type(p, REC_FD) + 1, sizeof(*c->numbers));
	c->plugin_recs = calloc(count_type(p, REC_PLUGIN) + 1, sizeof(*c->plugin_recs));
	return c->files && c->numbers && c->plugin_recs ? 0 : -ENOMEM;
}

static int tables_parse(struct plugin_ctx *c)
{
	int err = objects_init(&c->objects, &c->params);

	if (!err)
		err = files_parse(c);
	if (!err)
		err = numbers_parse(c);
	return err ? err : plugin_recs_parse(c);
}

struct plugin_ctx *descriptors_open(const struct descriptors_params *p)
{
	struct plugin_ctx *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return NULL;
	c->params = *p;
	memset(c->std, 0xff, sizeof(c->std));
	err = tables_alloc(c);
	if (!err)
		err = tables_parse(c);
	if (!err)
		return c;
	fail(c, err, "the descriptors in the image");
	descriptors_close(c);
	return NULL;
}

int descriptors_base(const void *records, size_t n)
{
	struct rec_iter it = rec_iter(records, n);
	const struct rec *r;
	struct rec_fd fd;
	int base = 3;

	while ((r = rec_next_type(&it, REC_FD))) {
		rec_get(r, &fd, sizeof(fd));
		if (fd.fd < 0 || fd.fd >= FD_LIMIT)
			return -EBADMSG;
		if (fd.fd >= base)
			base = fd.fd + 1;
	}
	return it.err ? it.err : base;
}

/* What number becomes: the open file, or a standard stream of our own. */
static int number_source(const struct plugin_ctx *c, const struct plugin_file *f, int number)
{
	return f->plugin->is_std && number < 3 && c->std[number] >= 0 ? c->std[number] : f->fd;
}

/* ---- Building ---------------------------------------------------------------------------- */

/* Move fd to a number from base on; the new number or -errno. */
static int lift(struct plugin_ctx *c, int fd)
{
	int high;

	if (fd >= c->params.base)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, c->params.base);
	if (high < 0)
		return -errno;
	close(fd);
	return high;
}

/* Numbers from base on must be allowed; the program's own limit is set later, by others. */
static void limit_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int std_keep(struct plugin_ctx *c)
{
	int n;

	for (n = 0; n < 3; n++) {
		c->std[n] = fcntl(n, F_DUPFD_CLOEXEC, c->params.base);
		if (c->std[n] < 0 && errno != EBADF)
			return fail(c, -errno, "keeping the standard streams");
	}
	return 0;
}

static int file_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = f->fd >= 0 ? f->fd : f->plugin->restore(c, f);

	if (fd < 0)
		return fd;
	f->fd = lift(c, fd);
	return f->fd < 0 ? plugin_fail(c, f, f->fd, "no number above %d is free", c->params.base)
			 : 0;
}

static int files_restore(struct plugin_ctx *c)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < c->nfiles; i++)
		err = file_restore(c, &c->files[i]);
	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->fill)
			err = c->files[i].plugin->fill(c, &c->files[i]);
	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->attach)
			err = c->files[i].plugin->attach(c, &c->files[i]);
	return err;
}

/* Flags that open(2) was not given. What others share with us may only become non-blocking. */
static int flags_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
	int now = fcntl(f->fd, F_GETFL);
	int want = f->flags;

	if (f->flags & O_PATH)
		return 0;
	if (f->plugin->is_std)
		want = now | (f->flags & O_NONBLOCK);
	if ((now & settable) == (want & settable))
		return 0;
	if (fcntl(f->fd, F_SETFL, (now & ~settable) | (want & settable)))
		return plugin_fail(c, f, -errno, "its flags can't be set");
	return 0;
}

static int owner_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct f_owner_ex owner = {f->owner_type, f->owner};

	if (f->sig && fcntl(f->fd, F_SETSIG, f->sig))
		return plugin_fail(c, f, -errno, "F_SETSIG");
	if (f->owner && fcntl(f->fd, F_SETOWN_EX, &owner))
		plugin_caution(c, f, "its owner for signals, %d, can't be set", f->owner);
	return 0;
}

int descriptors_restore(struct plugin_ctx *c)
{
	uint32_t i;
	int err;

	limit_raise();
	err = std_keep(c);
	if (!err)
		err = files_restore(c);
	for (i = 0; !err && i < c->nfiles; i++) {
		err = owner_restore(c, &c->files[i]);
		if (!err)
			err = flags_restore(c, &c->files[i]);
	}
	return err;
}

/* ---- Numbers ----------------------------------------------------------------------------- */

static int number_place(struct plugin_ctx *c, const struct number *n)
{
	int from = number_source(c, n->file, n->fd);

	if (dup3(from, n->fd, n->cloexec ? O_CLOEXEC : 0) < 0)
		return plugin_fail(c, n->file, -errno, "can't become fd %d", n->fd);
	if (from != n->file->fd && n->file->flags & O_NONBLOCK)
		fcntl(from, F_SETFL, fcntl(from, F_GETFL) | O_NONBLOCK);
	return 0;
}

/*
 * The kernel keeps the number that O_ASYNC is set through for si_fd: not before the number is
 * there.
 */
static int async_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	if (!(f->flags & O_ASYNC) || f->flags & O_PATH || f->plugin->is_std)
		return 0;
	if (fcntl(f->number, F_SETFL, fcntl(f->number, F_GETFL) | O_ASYNC))
		return plugin_fail(c, f, -errno, "O_ASYNC");
	return 0;
}

/* Close from, from + 1, … up to, not including, to. */
static void close_between(int from, int to)
{
	if (from >= to || syscall(SYS_close_range, from, to - 1, 0) == 0)
		return;
	for (; from < to; from++)
		close(from);
}

int descriptors_place(struct plugin_ctx *c)
{
	uint32_t i;
	int next = 0, err = 0;

	for (i = 0; !err && i < c->nnumbers; i++) {
		close_between(next, c->numbers[i].fd);
		next = c->numbers[i].fd + 1;
		err = number_place(c, &c->numbers[i]);
	}
	if (err)
		return err;
	close_between(next, c->params.base);
	objects_set_modes(&c->objects);
	for (i = 0; !err && i < c->nfiles; i++) {
		close(c->files[i].fd);
		c->files[i].fd = -1;
		err = async_restore(c, &c->files[i]);
	}
	return err;
}

void descriptors_close(struct plugin_ctx *c)
{
	uint32_t i;
	int n;

	for (i = 0; i < c->nfiles; i++)
		if (c->files[i].fd >= 0)
			close(c->files[i].fd);
	for (n = 0; n < 3; n++)
		if (c->std[n] >= 0)
			close(c->std[n]);
	objects_close(&c->objects);
	arena_free(&c->arena);
	free(c->files);
	free(c->numbers);
	free(c->plugin_recs);
	free(c);
}

/* ---- Objects ----------------------------------------------------------------------------- */

int object_fd(struct plugin_ctx *c, uint32_t id)
{
	const char *what;
	char line[128];
	int fd = objects_fd(&c->objects, id, &what);

	if (fd >= 0)
		return fd;
	snprintf(line, sizeof(line), "shared memory %u: %s", id, what);
	return fail(c, fd, line);
}

int objects_seal(struct plugin_ctx *c)
{
	int err = objects_apply_seals(&c->objects);

	return err ? fail(c, err, "sealing a memfd") : 0;
}

/* ---- What plugins may ask ---------------------------------------------------------------- */

struct plugin_file *plugin_file_by_id(struct plugin_ctx *c, uint32_t id)
{
	struct plugin_file key = {.id = id};

	return bsearch(&key, c->files, c->nfiles, sizeof(*c->files), by_id);
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

int plugin_changed(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	char what[1024];
	struct text t = TEXT(what);
	va_list ap;

	what[0] = 0;
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	if (c->params.force)
		plugin_caution(c, f, "%s", what);
	else
		plugin_caution(c, f, "%s (--files=force goes on with it)", what);
	return c->params.force ? 0 : -ESTALE;
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
