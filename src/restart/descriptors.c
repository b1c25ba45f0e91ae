/*
 * Rebuilds the open files of all processes by way of the plugins.
 *
 * Every open file has one descriptor at a number from base on; the numbers below are the programs'.
 * Here only attach() and what follows it use one of those for a moment.
 */
#define _GNU_SOURCE
#include "descriptors_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int number_source(const struct plugin_ctx *c, const struct plugin_file *f, int number)
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
			return descriptors_fail(c, -errno, "keeping the standard streams");
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

/* What can't be opened is to be known before the content of any file is put back. */
static int mapped_open(struct plugin_ctx *c)
{
	char line[CKPT_PATH_MAX + 128];
	const char *name, *what;
	int err = objects_open_mapped(&c->objects, &name, &what);

	if (!err)
		return 0;
	snprintf(line, sizeof(line), "file %s, which was mapped: %s", name, what);
	return descriptors_fail(c, err, line);
}

static int files_restore(struct plugin_ctx *c)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < c->nfiles; i++)
		err = c->files[i].plugin->is_late ? file_reserve(c, &c->files[i])
						  : file_restore(c, &c->files[i]);
	if (!err)
		err = mapped_open(c);
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

/* They were gone before, and would only be in the way. */
static void made_remove(const struct plugin_ctx *c)
{
	for (uint32_t i = 0; i < c->nfiles; i++)
		if (c->files[i].made)
			unlink(c->files[i].link);
}

int descriptors_restore(struct plugin_ctx *c)
{
	int err;

	limit_raise();
	err = std_keep(c);
	if (!err)
		err = files_restore(c);
	if (err)
		made_remove(c);
	return err;
}

/* ---- Numbers ----------------------------------------------------------------------------- */

/* A standard stream may be another open file than the one made: it, too, is non-blocking then. */
static void std_nonblock(const struct plugin_file *f, int from)
{
	if (from != f->fd && f->flags & O_NONBLOCK)
		fcntl(from, F_SETFL, fcntl(from, F_GETFL) | O_NONBLOCK);
}

static int by_number(const void *a, const void *b)
{
	const struct plan_number *x = a, *y = b;

	return x->to < y->to ? -1 : x->to > y->to;
}

struct plan_number *descriptors_numbers(struct plugin_ctx *c, uint32_t process, uint32_t *n)
{
	const struct saved *p = &c->params.processes[process];
	struct plan_number *out = calloc(records_count_type(p, REC_FD) + 1, sizeof(*out));
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
	return err ? descriptors_fail(c, err, "sealing a memfd") : 0;
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
	return descriptors_fail(c, fd, line);
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
