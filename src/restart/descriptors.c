/*
 * Rebuilds the open files of all processes by way of the plugins, and offers them the restart half of
 * ckpt/plugin.h.
 *
 * Every open file has one descriptor at a number from base on; the numbers below are the programs'.
 * Here only attach() and what follows it use one of those for a moment.
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
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_LIMIT = 1 << 30, HELPER_STACK = 64 << 10 };

struct plugin_ctx {
	struct descriptors_params params;
	struct objects objects;
	struct plugin_file *files; /* array of nfiles */
	uint32_t nfiles;
	struct plugin_file **sorted; /* the same by inode */
	const struct rec **plugin_recs; /* REC_PLUGIN, by file, then as they stand in the image */
	uint32_t nplugin_recs;
	struct arena arena;
	int std[3]; /* ckpt_restart's own streams, -1: closed */
	struct session_tty *ttys;
	bool late;  /* the processes are there */
	char fd_path[32];
};

/* The controlling terminal of a session inside the job. */
struct session_tty {
	int session, foreground;
	int fd;
	struct session_tty *next;
};

/* ---- Records ----------------------------------------------------------------------------- */

static uint32_t count_type(const struct saved *p, uint16_t type)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	uint32_t n = 0;

	while (rec_next_type(&it, type))
		n++;
	return n;
}

static size_t count_all(const struct descriptors_params *p, uint16_t type)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->nprocesses; i++)
		n += count_type(&p->processes[i], type);
	return n;
}

static const struct plugin *plugin_by_name(const char *name)
{
	const struct plugin *const *p = plugin_table;

	while (*p && !str_eq((*p)->name, name))
		p++;
	return *p;
}

static int file_parse(const struct saved *p, const struct rec *r, struct plugin_file *f)
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
		.process = p->index,
		.pid = p->rec.pid,
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
	const struct plan_number *x = a, *y = b;

	return x->to < y->to ? -1 : x->to > y->to;
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
	c->sorted = sorted;
	return 0;
}

static int files_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;
	int err;

	while ((r = rec_next_type(&it, REC_FILE))) {
		err = file_parse(p, r, &c->files[c->nfiles]);
		if (err)
			return plugin_fail(c, &c->files[c->nfiles], 0,
					   "this version can't restore it");
		c->nfiles++;
	}
	return it.err;
}

static int ids_check(const struct plugin_ctx *c)
{
	for (uint32_t i = 0; i + 1 < c->nfiles; i++)
		if (c->files[i].id == c->files[i + 1].id)
			return -EBADMSG;
	return 0;
}

/* 1, 0 for a number without a file, which needs but be free, or -EBADMSG. */
static int number_parse(struct plugin_ctx *c, const struct rec *r, struct plugin_file **f)
{
	struct rec_fd rec;

	rec_get(r, &rec, sizeof(rec));
	if (!rec.file)
		return 0;
	*f = plugin_file_by_id(c, rec.file);
	return rec.fd < 0 || rec.fd >= c->params.base || !*f ? -EBADMSG : 1;
}

/* Find the lowest number of each file in the process that saved it. */
static int numbers_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_FD))) {
		struct plugin_file *f;
		struct rec_fd rec;
		int err = number_parse(c, r, &f);

		if (err < 0)
			return err;
		rec_get(r, &rec, sizeof(rec));
		if (err && f->process == (int)p->index && (f->number < 0 || rec.fd < f->number))
			f->number = rec.fd;
	}
	return it.err;
}

static int plugin_recs_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_PLUGIN)))
		c->plugin_recs[c->nplugin_recs++] = r;
	return it.err;
}

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
	if (f->number >= 0)
		text_put(&t, "fd %d (%s): ", f->number, f->link);
	else
		text_put(&t, "descriptor in flight (%s): ", f->link);
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

	c->files = calloc(count_all(p, REC_FILE) + 1, sizeof(*c->files));
	c->plugin_recs = calloc(count_all(p, REC_PLUGIN) + 1, sizeof(*c->plugin_recs));
	return c->files && c->plugin_recs ? 0 : -ENOMEM;
}

/* Call parse for every process. */
static int parse_each(struct plugin_ctx *c, int (*parse)(struct plugin_ctx *, const struct saved *))
{
	int err = 0;

	for (uint32_t i = 0; !err && i < c->params.nprocesses; i++)
		err = parse(c, &c->params.processes[i]);
	return err;
}

static int tables_parse(struct plugin_ctx *c)
{
	int err = objects_init(&c->objects, &c->params);

	if (!err)
		err = parse_each(c, files_parse);
	if (err)
		return err;
	qsort(c->files, c->nfiles, sizeof(*c->files), by_id);
	err = ids_check(c);
	if (!err)
		err = rings_make(c);
	if (!err)
		err = parse_each(c, numbers_parse);
	if (!err)
		err = parse_each(c, plugin_recs_parse);
	qsort(c->plugin_recs, c->nplugin_recs, sizeof(*c->plugin_recs), by_file);
	return err;
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
	int reserved = f->plugin->is_late && c->late ? f->fd : -1;
	int fd = f->fd >= 0 && reserved < 0 ? f->fd : f->plugin->restore(c, f);

	if (fd < 0)
		return fd;
	if (reserved >= 0) { /* its number has been given away already */
		int err = dup3(fd, reserved, O_CLOEXEC) < 0 ? -errno : 0;

		close(fd);
		return err ? plugin_fail(c, f, err, "no descriptor") : 0;
	}
	f->fd = lift(c, fd);
	return f->fd < 0 ? plugin_fail(c, f, f->fd, "no number above %d is free", c->params.base)
			 : 0;
}

/* What is made later has its place now: the processes are told it before. */
static int file_reserve(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	f->fd = fd < 0 ? -errno : lift(c, fd);
	return f->fd < 0 ? plugin_fail(c, f, f->fd, "no descriptor") : 0;
}

static int files_restore(struct plugin_ctx *c)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < c->nfiles; i++)
		err = c->files[i].plugin->is_late ? file_reserve(c, &c->files[i])
						  : file_restore(c, &c->files[i]);
	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->fill)
			err = c->files[i].plugin->fill(c, &c->files[i]);
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
	int err;

	limit_raise();
	err = std_keep(c);
	return err ? err : files_restore(c);
}

/* ---- Numbers ----------------------------------------------------------------------------- */

/* A standard stream may be another open file than the one made: it, too, is non-blocking then. */
static void std_nonblock(const struct plugin_file *f, int from)
{
	if (from != f->fd && f->flags & O_NONBLOCK)
		fcntl(from, F_SETFL, fcntl(from, F_GETFL) | O_NONBLOCK);
}

struct plan_number *descriptors_numbers(struct plugin_ctx *c, uint32_t process, uint32_t *n)
{
	const struct saved *p = &c->params.processes[process];
	struct plan_number *out = calloc(count_type(p, REC_FD) + 1, sizeof(*out));
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	*n = 0;
	while (out && (r = rec_next_type(&it, REC_FD))) {
		struct plugin_file *f;
		struct rec_fd rec;

		if (number_parse(c, r, &f) <= 0)
			continue;
		rec_get(r, &rec, sizeof(rec));
		out[*n] = (struct plan_number){number_source(c, f, rec.fd), rec.fd, rec.cloexec};
		std_nonblock(f, out[(*n)++].from);
	}
	if (out)
		qsort(out, *n, sizeof(*out), by_number);
	return out;
}

/*
 * The kernel keeps the number that O_ASYNC is set through for si_fd: so it is set through that number.
 */
static int async_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	int err;

	if (!(f->flags & O_ASYNC) || f->flags & O_PATH || f->plugin->is_std || f->number < 0)
		return 0;
	err = plugin_place(c, f, f->number);
	if (!err && fcntl(f->number, F_SETFL, fcntl(f->number, F_GETFL) | O_ASYNC))
		err = -errno;
	return err ? plugin_fail(c, f, err, "O_ASYNC") : 0;
}

static int files_restore_late(struct plugin_ctx *c)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->is_late)
			err = file_restore(c, &c->files[i]);
	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->is_late && c->files[i].plugin->fill)
			err = c->files[i].plugin->fill(c, &c->files[i]);
	for (i = 0; !err && i < c->nfiles; i++)
		if (c->files[i].plugin->attach)
			err = c->files[i].plugin->attach(c, &c->files[i]);
	return err;
}

int descriptors_late(struct plugin_ctx *c)
{
	uint32_t i;
	int err;

	c->late = true;
	err = files_restore_late(c);
	for (i = 0; !err && i < c->nfiles; i++) {
		err = owner_restore(c, &c->files[i]);
		if (!err)
			err = flags_restore(c, &c->files[i]);
		if (!err)
			err = async_restore(c, &c->files[i]);
	}
	if (err)
		return err;
	objects_set_modes(&c->objects);
	err = objects_apply_seals(&c->objects);
	return err ? fail(c, err, "sealing a memfd") : 0;
}

int descriptors_late_numbers(struct plugin_ctx *c, int32_t **numbers, uint32_t *n)
{
	*n = 0;
	*numbers = malloc((c->nfiles + 1) * sizeof(**numbers));
	for (uint32_t i = 0; *numbers && i < c->nfiles; i++)
		if (c->files[i].plugin->is_late)
			(*numbers)[(*n)++] = c->files[i].fd;
	return *numbers ? 0 : -ENOMEM;
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
	free(c->sorted);
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

/* ---- What plugins may ask ---------------------------------------------------------------- */

struct plugin_file *plugin_file_by_id(struct plugin_ctx *c, uint32_t id)
{
	struct plugin_file key = {.id = id};

	return bsearch(&key, c->files, c->nfiles, sizeof(*c->files), by_id);
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
		if (by_inode(&c->sorted[mid], &wanted) < 0)
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

int descriptors_session_tty(struct plugin_ctx *c, int session, int *foreground)
{
	for (const struct session_tty *t = c->ttys; t; t = t->next) {
		if (t->session != session)
			continue;
		*foreground = t->foreground;
		return t->fd;
	}
	return -1;
}
