/*
 * The save half of ckpt/plugin.h: what plugins may ask of a frozen process, and say of its open files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <unistd.h>
#include "descriptors.h"
#include "image.h"
#include "wrappers/inotify.h"
#include "frozen.h"

enum {
	INFO_BYTES = 8192,
	COPY_MAX = 64 << 20, /* bytes of one save_piece */
};

struct watch *watch_list;

struct plugin_file *plugin_file_next(struct plugin_ctx *c, struct plugin_file *f)
{
	return f ? f->next : c->files;
}

struct plugin_file *plugin_file_by_number(struct plugin_ctx *c, int number)
{
	const struct number *n = (const struct number *)c->numbers.data;
	size_t low = 0, high = c->numbers.len / sizeof(*n), mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (n[mid].fd == number)
			return n[mid].file;
		if (n[mid].fd < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

uint32_t *plugin_shared_word(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct shared_file *s = same_get(c->shared, f->id);

	return s ? &s->word : NULL;
}

/* p, mapped until the shared memory is closed; NULL: no memory. */
static void *mapped_until_close(struct plugin_ctx *c, void *p, size_t n)
{
	struct shared_stretch *s = p ? plugin_alloc(c, sizeof(*s)) : NULL;

	if (s) {
		*s = (struct shared_stretch){c->shared->given, p, ALIGN_UP(n, CKPT_PAGE)};
		c->shared->given = s;
	} else if (p) {
		sys_munmap(p, ALIGN_UP(n, CKPT_PAGE));
	}
	return s ? p : NULL;
}

void *plugin_give(struct plugin_ctx *c, const struct plugin_file *f, size_t n)
{
	struct shared_file *s = same_get(c->shared, f->id);
	uint64_t offset;
	void *p = s ? mapped_until_close(c, shared_alloc(c->shared, n, &offset), n) : NULL;

	if (p) {
		s->given = offset;
		s->given_len = n;
	}
	return p;
}

const void *plugin_given(struct plugin_ctx *c, const struct plugin_file *f, size_t *n)
{
	struct shared_file *s = same_get(c->shared, f->id);

	*n = s ? s->given_len : 0;
	return *n ? mapped_until_close(c, shared_map(c->shared, s->given, *n), *n) : NULL;
}

bool plugin_tcp_refuse(struct plugin_ctx *c)
{
	(void)c;
	return preload.config.tcp_refuse;
}

void *plugin_alloc(struct plugin_ctx *c, size_t n)
{
	void *p = arena_alloc(&c->save->arena, n);

	if (!p)
		c->save->err = -ENOMEM;
	return p;
}

/* --ignore=GLOB[,GLOB]: does one of them match? */
static bool is_ignored(const struct plugin_file *f)
{
	const char *p = preload.config.ignore;

	for (; *p; p += *p == ',')
		if (str_glob(&p, f->link))
			return true;
	return false;
}

static void name_put(struct text *t, const struct plugin_file *f)
{
	if (f->closed)
		text_put(t, "file %s", f->link);
	else if (f->number < 0)
		text_put(t, "a descriptor in flight (%s)", f->link);
	else
		text_put(t, "fd %d (%s)", f->number, f->link);
}

static void refuse(struct plugin_ctx *c, const struct plugin_file *f,
		   void (*say)(struct save *s, const char *fmt, ...), const char *fmt, va_list ap)
{
	struct plugin_file *own = plugin_file_by_id(c, f->id);
	char why[512], name[512];
	struct text t = TEXT(why), n = TEXT(name);

	why[0] = 0;
	text_vput(&t, fmt, ap);
	if (own && own->mine && is_ignored(f)) {
		own->plugin = &plugin_ignored;
		plugin_warn(c, f, "%s; ignored, it becomes /dev/null", why);
		return;
	}
	name[0] = 0;
	name_put(&n, f);
	say(c->save, "%s: %s", name, why);
}

void plugin_refuse(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(c, f, save_refuse, fmt, ap);
	va_end(ap);
}

void plugin_refuse_for_now(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(c, f, save_refuse_for_now, fmt, ap);
	va_end(ap);
}

void plugin_warn(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	char line[1024];
	struct text t = TEXT(line);
	va_list ap;

	line[0] = 0;
	name_put(&t, f);
	text_put(&t, ": ");
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	rec_put_string(&c->save->rec, STRING_WARNING, line, t.len);
}

/* Is s, a standard stream of some process, another open file of the same pipe, socket or terminal? */
static bool is_same_stream(const struct shared_file *s, const struct plugin_file *f)
{
	if (s->dev == f->dev && s->ino == f->ino)
		return true;
	return f->rdev && S_ISCHR(f->mode) && S_ISCHR(s->mode) && s->rdev == f->rdev && s->dev == f->dev;
}

uint32_t plugin_std_numbers(struct plugin_ctx *c, const struct plugin_file *f)
{
	const struct shared_file *s;
	uint32_t process = ~0u, numbers = 0;

	for (uint32_t id = 1; (s = same_get(c->shared, id)); id++) {
		if (s->kind != KCMP_FILE || !s->std || s->std_process > process || !is_same_stream(s, f))
			continue;
		numbers = s->std_process < process ? s->std : numbers | s->std;
		process = s->std_process;
	}
	return numbers;
}

void plugin_outside(struct plugin_ctx *c, struct plugin_file *f, const char *clause)
{
	uint32_t numbers = plugin_std_numbers(c, f);

	if (!numbers && f->number < 0) {
		plugin_refuse(c, f, "%s", clause);
		return;
	}
	if (!numbers) {
		plugin_refuse(c, f, "%s; if the program does not need it, start it with %d>&-",
			      clause, f->number);
		return;
	}
	f->plugin = &plugin_std;
	plugin_put(c, f, &numbers, sizeof(numbers), NULL, 0);
}

bool plugin_is_member(struct plugin_ctx *c, int pid)
{
	const struct shared_head *h = c->shared->head;

	for (uint32_t i = 0; i < h->nprocesses; i++)
		if (h->process[i].pid == pid)
			return true;
	return false;
}

const char *plugin_fdinfo(struct plugin_ctx *c, const struct plugin_file *f)
{
	const struct file *where = (const struct file *)f;
	char path[64];
	struct text t = TEXT(path);
	ssize_t n;

	path[0] = 0;
	if (f->fd >= 0)
		text_put(&t, "/proc/thread-self/fdinfo/%d", f->fd);
	else
		text_put(&t, "/proc/%d/fdinfo/%d", where->tid, where->fd);
	if (!c->info)
		c->info = plugin_alloc(c, c->info_cap = INFO_BYTES);
	while (c->info && (n = io_read_file(path, c->info, c->info_cap)) == -EFBIG)
		c->info = plugin_alloc(c, c->info_cap *= 4);
	if (c->info && n >= 0)
		return c->info;
	plugin_refuse(c, f, "%s can't be read: %s", path, errno_name(c->info ? n : -ENOMEM));
	return NULL;
}

int plugin_reopen(struct plugin_ctx *c, const struct plugin_file *f, int flags)
{
	char name[16];

	return sys_openat(c->list_fd, number_name(f->fd, name, sizeof(name)), flags | O_CLOEXEC, 0);
}

bool plugin_is_epoll_target(struct plugin_ctx *c, const struct plugin_file *ep, int tfd, int nr,
			    const struct plugin_file *f)
{
	const struct file *where = (const struct file *)f;
	struct kcmp_epoll_slot slot = {.efd = ep->fd, .tfd = tfd, .toff = nr};

	return sys_call5(__NR_kcmp, where->tid, c->tid, KCMP_EPOLL_TFD, where->fd, &slot) == 0;
}

static bool path_has_inode(const char *path, uint64_t ino)
{
	struct stat st;

	return sys_call4(__NR_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == ino;
}

const char *plugin_watch_path(struct plugin_ctx *c, int wd, uint64_t ino)
{
	const struct watch *w;
	int have;

	(void)c;
	for (w = watch_first(); w; w = w->next) {
		have = watch_wd(w);
		if ((have == wd || have == WATCH_PENDING) && path_has_inode(w->path, ino))
			return w->path;
	}
	return NULL;
}

void plugin_keep_free(struct plugin_ctx *c, int number)
{
	struct rec_fd rec = {.fd = number};

	if (!plugin_file_by_number(c, number))
		rec_put(&c->save->rec, REC_FD, REC_REQUIRED, &rec, sizeof(rec), NULL, 0);
}

void plugin_put(struct plugin_ctx *c, const struct plugin_file *f, const void *p, size_t n,
		const void *more, size_t m)
{
	struct rec_plugin rec = {.file = f->id, .len = n};
	uint8_t *joined = plugin_alloc(c, n + m);

	if (!joined)
		return;
	__builtin_memcpy(joined, p, n);
	if (m)
		__builtin_memcpy(joined + n, more, m);
	rec_put(&c->save->rec, REC_PLUGIN, REC_REQUIRED, &rec, sizeof(rec), joined, n + m);
}

/* ---- Content ----------------------------------------------------------------------------- */

static int copy_range(struct save *s, int fd, uint32_t stream, uint64_t at, uint64_t end)
{
	uint64_t n;
	void *p;
	int err;

	for (; at < end; at += n) {
		n = end - at < COPY_MAX ? end - at : COPY_MAX;
		p = save_piece(s, stream, at, n);
		if (!p)
			return -ENOMEM;
		err = io_pread(fd, p, n, at);
		if (err)
			return err;
	}
	return 0;
}

/* Copy bytes [0, size) of fd, which is nobody else's, but for holes. */
static int copy_content(struct save *s, int fd, uint32_t stream, uint64_t size)
{
	int64_t at = 0, end;
	int err;

	while ((uint64_t)at < size) {
		at = sys_lseek(fd, at, SEEK_DATA);
		if (at == -ENXIO)
			return 0;
		if (at < 0)
			return at;
		end = sys_lseek(fd, at, SEEK_HOLE);
		if (end < 0 || (uint64_t)end > size)
			end = size;
		err = copy_range(s, fd, stream, at, end);
		if (err)
			return err;
		at = end;
	}
	return 0;
}

int plugin_save_object(struct plugin_ctx *c, struct plugin_file *f, enum plugin_object kind,
		       const char *name, bool may_open)
{
	int fd = may_open ? plugin_reopen(c, f, O_RDONLY | O_NONBLOCK) : -EACCES;
	int seals = sys_fcntl(f->fd, F_GET_SEALS, 0), err = 0;
	bool is_new, mapped;
	uint32_t id;

	if (fd < 0 && !plugin_reads(f))
		return fd;
	mapped = save_find_object(c->save, f->dev, f->ino) != 0;
	id = save_object(c->save, kind, f->dev, f->ino, f->size, f->mode & 07777,
			 seals < 0 ? 0 : seals, name, &is_new);
	f->object = id;
	if (is_new && kind != PLUGIN_OBJECT_MEMFD && contents_beside(c->save, f->size))
		contents_save(c->save, id, fd >= 0 ? fd : f->fd, mapped, name);
	else if (is_new && fd >= 0)
		err = copy_content(c->save, fd, STREAM_OBJECT + id, f->size);
	else if (is_new) /* the program's own position must stay, so nobody asks for holes */
		err = copy_range(c->save, f->fd, STREAM_OBJECT + id, 0, f->size);
	if (fd >= 0)
		sys_close(fd);
	return err;
}
