/*
 * The open descriptors of a frozen process.
 *
 * Reads the list of /proc/thread-self/fd (the main thread may be a zombie, whose own list is
 * empty), asks the kernel about each, and finds by kcmp(2) which of them are one open file
 * description. Each open file is then saved by the first plugin that claims it. What this offers
 * plugins is the save half of ckpt/plugin.h.
 *
 * All of it is in the pause. A descriptor costs about 7 us; fdinfo costs 4 more and is read only
 * by those plugins that need it.
 */
#define _GNU_SOURCE
#include <linux/kcmp.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ckpt/plugin.h>
#include "image.h"
#include "preload.h"
#include "wrappers/inotify.h"
#include "frozen.h"

enum {
	LINK_MAX_LEN = 4096,
	LIST_BYTES = 32768,
	INFO_BYTES = 8192,
	COPY_MAX = 64 << 20, /* bytes of one save_piece */
	LOCKS_MAX = 256,
	OWNERS_MAX = 64,
};

/* An open file in the tree that finds equal ones; the tree is ordered by file_order(). */
struct node {
	struct plugin_file file; /* first: a plugin's pointer is ours */
	struct node *left, *right;
};

struct number {
	int fd;
	struct plugin_file *file;
};

struct watch *watch_list;

/* What only the restored process can do. Static memory: nothing else of ours is in the image. */
static struct {
	struct kept_lock {
		int fd;
		struct flock lock;
	} locks[LOCKS_MAX];
	uint32_t nlocks;
	struct kept_owner {
		int fd;
		int type, id; /* struct f_owner_ex */
	} owners[OWNERS_MAX];
	uint32_t nowners;
} kept;

struct plugin_ctx {
	struct save *save;
	struct node *root;
	struct plugin_file *files, **files_end;
	struct blob numbers; /* struct number[], ascending */
	uint32_t nfiles;
	int list_fd; /* /proc/thread-self/fd */
	int tid;
	char link[LINK_MAX_LEN + 1];
	char *info; /* of info_cap bytes: text of an fdinfo file */
	size_t info_cap;
	char list[LIST_BYTES];
};

/* ---- What the kernel says about one descriptor ------------------------------------------- */

static int stat_fd(int fd, struct stat *st)
{
	return sys_call2(__NR_fstat, fd, st);
}

static const char *number_name(int fd, char *buf, size_t n)
{
	struct text t = {.buf = buf, .cap = n};

	buf[0] = 0;
	text_put(&t, "%d", fd);
	return buf;
}

/* Read the link text to c->link; its length or -errno. */
static int read_link(struct plugin_ctx *c, int fd)
{
	char name[16];
	ssize_t n = sys_call4(__NR_readlinkat, c->list_fd, number_name(fd, name, sizeof(name)),
			      c->link, LINK_MAX_LEN);

	if (n < 0)
		return n;
	if (n == LINK_MAX_LEN)
		return -ENAMETOOLONG;
	c->link[n] = 0;
	return n;
}

static void fill_from_stat(struct plugin_file *f, const struct stat *st)
{
	f->mode = st->st_mode;
	f->nlink = st->st_nlink;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->rdev = st->st_rdev;
	f->size = st->st_size;
	f->mtime_ns = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec;
}

static int describe(struct plugin_ctx *c, int fd, struct plugin_file *f)
{
	struct f_owner_ex {
		int type, pid;
	} owner = {0, 0};
	struct stat st;
	int flags, err;

	err = read_link(c, fd);
	if (err < 0)
		return err;
	err = stat_fd(fd, &st);
	if (err)
		return err;
	flags = sys_fcntl(fd, F_GETFL, 0);
	if (flags < 0)
		return flags;
	fill_from_stat(f, &st);
	f->fd = f->number = fd;
	f->flags = flags;
	f->link = c->link;
	f->pos = flags & O_PATH ? 0 : sys_lseek(fd, 0, SEEK_CUR);
	if (f->pos < 0)
		f->pos = 0;
	if (sys_fcntl(fd, F_GETOWN_EX, (long)&owner) == 0 && owner.pid) {
		f->owner = owner.pid;
		f->owner_type = owner.type;
	}
	f->sig = sys_fcntl(fd, F_GETSIG, 0);
	if (f->sig < 0)
		f->sig = 0;
	return 0;
}

/* ---- Which descriptors are one open file ------------------------------------------------- */

/*
 * Order of two numbers, scrambled: inodes come in ascending order and would make the tree a list.
 */
static int scrambled_order(uint64_t a, uint64_t b)
{
	a *= 0x9e3779b97f4a7c15ull;
	b *= 0x9e3779b97f4a7c15ull;
	return a < b ? -1 : a > b;
}

static int inode_order(const struct plugin_file *f, uint64_t dev, uint64_t ino)
{
	int order = scrambled_order(f->ino, ino);

	return order ? order : scrambled_order(f->dev, dev);
}

/* -1, 0, 1 as a is before, the same as, behind b; -2 when the kernel can't tell. */
static int file_order(struct plugin_ctx *c, const struct plugin_file *a,
		      const struct plugin_file *b)
{
	int order = inode_order(a, b->dev, b->ino);

	if (!order)
		order = scrambled_order(a->flags, b->flags);
	if (order)
		return order;
	order = sys_call5(__NR_kcmp, c->tid, c->tid, KCMP_FILE, a->fd, b->fd);
	return order == 0 ? 0 : order == 1 ? -1 : order == 2 ? 1 : -2;
}

static bool is_one_of(struct save *s, struct plugin_ctx *c, int fd)
{
	return fd == s->conn || fd == c->list_fd;
}

static const char *copy_string(struct plugin_ctx *c, const char *s)
{
	size_t n = str_len(s) + 1;
	char *copy = plugin_alloc(c, n);

	if (copy)
		str_copy(copy, s, n);
	return copy;
}

/* Put a new file into the ring of its inode, of which twin is one, NULL: none yet. */
static void ring_join(struct plugin_file *f, struct plugin_file *twin)
{
	f->twin = twin ? twin->twin : f;
	if (twin)
		twin->twin = f;
}

static struct plugin_file *file_new(struct plugin_ctx *c, const struct plugin_file *f,
				    struct node **at, struct plugin_file *twin)
{
	struct node *n = plugin_alloc(c, sizeof(*n));
	const char *link = copy_string(c, f->link);

	if (!n || !link)
		return NULL;
	n->file = *f;
	n->file.id = ++c->nfiles;
	n->file.link = link;
	ring_join(&n->file, twin);
	*at = n;
	*c->files_end = &n->file;
	c->files_end = &n->file.next;
	return &n->file;
}

/*
 * The open file of f: one already known, or a new one that becomes part of the tree. Files of one
 * inode are neighbours in its order, so the way down to a new one meets one of them.
 */
static struct plugin_file *file_intern(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct node **at = &c->root;
	struct plugin_file *twin = NULL, *known;
	int order;

	while (*at) {
		known = &(*at)->file;
		order = file_order(c, f, known);
		if (order == 0)
			return known;
		if (order == -2) {
			plugin_refuse(
				c, f,
				"the kernel can't say if fd %d is the same open file (no kcmp)",
				known->fd);
			return NULL;
		}
		if (plugin_same_inode(f, known))
			twin = known;
		at = order < 0 ? &(*at)->left : &(*at)->right;
	}
	return file_new(c, f, at, twin);
}

static void put_number(struct plugin_ctx *c, int fd, struct plugin_file *f)
{
	struct number n = {.fd = fd, .file = f};
	struct rec_fd rec = {.fd = fd, .file = f->id};

	blob_put(&c->numbers, &n, sizeof(n));
	rec.cloexec = sys_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC;
	rec_put(&c->save->rec, REC_FD, REC_REQUIRED, &rec, sizeof(rec), NULL, 0);
}

static void descriptor_save(struct plugin_ctx *c, int fd)
{
	struct plugin_file f = {0};
	struct plugin_file *known;
	int err = describe(c, fd, &f);

	if (err) {
		save_refuse(c->save, "fd %d: can't be looked at: %s", fd, errno_name(err));
		return;
	}
	known = file_intern(c, &f);
	if (known)
		put_number(c, fd, known);
}

/* ---- The list ---------------------------------------------------------------------------- */

/* All of c->list[0..n): entries of one getdents64(2). */
static void list_save(struct plugin_ctx *c, long n)
{
	const struct sys_dirent *d;
	const char *name;
	long at;
	int fd;

	for (at = 0; at < n; at += d->reclen) {
		d = (const struct sys_dirent *)(c->list + at);
		name = d->name;
		if (*name < '0' || *name > '9')
			continue;
		fd = parse_dec(&name);
		if (!is_one_of(c->save, c, fd))
			descriptor_save(c, fd);
	}
}

static int lists_save(struct plugin_ctx *c)
{
	long n;

	do {
		n = sys_getdents(c->list_fd, c->list, sizeof(c->list));
		if (n > 0)
			list_save(c, n);
	} while (n > 0);
	return n;
}

/* ---- Open files, by way of their plugins ------------------------------------------------- */

static void put_file(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct rec_file rec = {
		.id = f->id,
		.flags = f->flags,
		.mode = f->mode,
		.pos = f->pos,
		.dev = f->dev,
		.ino = f->ino,
		.rdev = f->rdev,
		.size = f->size,
		.mtime_ns = f->mtime_ns,
		.nlink = f->nlink,
		.object = f->object,
		.owner = f->owner,
		.owner_type = f->owner_type,
		.sig = f->sig,
	};

	str_copy(rec.plugin, f->plugin->name, sizeof(rec.plugin));
	rec_put(&c->save->rec, REC_FILE, REC_REQUIRED, &rec, sizeof(rec), f->link,
		str_len(f->link) + 1);
}

static void file_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const struct plugin *const *p = plugin_table;

	while (*p && !(*p)->match(f))
		p++;
	if (!*p) {
		plugin_refuse(c, f, "this kind of descriptor can't be restored");
		return;
	}
	f->plugin = *p;
	if (f->plugin->save)
		f->plugin->save(c, f);
	put_file(c, f);
}

/*
 * A thread that has descriptors of its own (unshare(2) with CLONE_FILES): /proc/self does not show
 * them.
 */
static void tables_check(struct plugin_ctx *c)
{
	const struct parked *p;

	for (p = freeze_list(); p; p = p->next)
		if (sys_call5(__NR_kcmp, c->tid, p->tid, KCMP_FILES, 0, 0) > 0)
			save_refuse(c->save, "thread %d has a descriptor table of its own", p->tid);
}

/* A thread as owner is not there before the process is. */
static void owner_keep(struct plugin_ctx *c, struct plugin_file *f)
{
	if (!f->owner || f->owner_type != F_OWNER_TID)
		return;
	if (kept.nowners == OWNERS_MAX)
		plugin_refuse(c, f, "more than %d descriptors have a thread as owner", OWNERS_MAX);
	else
		kept.owners[kept.nowners++] = (struct kept_owner){f->fd, f->owner_type, f->owner};
	f->owner = 0;
}

void descriptors_save(struct save *s)
{
	struct plugin_ctx *c = arena_alloc(&s->arena, sizeof(*c));
	struct plugin_file *f;
	int err;

	if (!c) {
		s->err = -ENOMEM;
		return;
	}
	c->save = s;
	c->files_end = &c->files;
	c->tid = sys_gettid();
	c->list_fd = sys_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (c->list_fd < 0) {
		save_refuse(s, "/proc/self/fd can't be opened: %s", errno_name(c->list_fd));
		return;
	}
	tables_check(c);
	err = lists_save(c);
	if (err < 0)
		save_refuse(s, "/proc/self/fd can't be read: %s", errno_name(err));
	kept.nlocks = kept.nowners = 0;
	for (f = c->files; f; f = f->next) {
		owner_keep(c, f);
		file_save(c, f);
	}
	if (c->numbers.err)
		s->err = c->numbers.err;
	blob_free(&c->numbers);
	sys_close(c->list_fd);
}

static void tell(int log_fd, int fd, const char *what, int err)
{
	char line[128];
	struct text t = TEXT(line);

	line[0] = 0;
	text_put(&t, "ckpt_restart: fd %d: %s: %s\n", fd, what, errno_name(err));
	if (log_fd >= 0)
		io_write(log_fd, line, t.len);
}

void descriptors_resume(int log_fd)
{
	uint32_t i;
	int err;

	for (i = 0; i < kept.nlocks; i++) {
		err = sys_fcntl(kept.locks[i].fd, F_SETLK, (long)&kept.locks[i].lock);
		if (err)
			tell(log_fd, kept.locks[i].fd, "the lock that it had can't be taken again",
			     err);
	}
	for (i = 0; i < kept.nowners; i++) {
		err = sys_fcntl(kept.owners[i].fd, F_SETOWN_EX, (long)&kept.owners[i].type);
		if (err)
			tell(log_fd, kept.owners[i].fd, "the thread that owned it can't again",
			     err);
	}
}

/* ---- What plugins may ask ---------------------------------------------------------------- */

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

struct plugin_file *plugin_file_by_inode(struct plugin_ctx *c, uint64_t dev, uint64_t ino)
{
	struct node *n = c->root;
	int order;

	while (n) {
		order = inode_order(&n->file, dev, ino);
		if (order == 0)
			return &n->file;
		n = order > 0 ? n->left : n->right;
	}
	return NULL;
}

void *plugin_alloc(struct plugin_ctx *c, size_t n)
{
	void *p = arena_alloc(&c->save->arena, n);

	if (!p)
		c->save->err = -ENOMEM;
	return p;
}

void plugin_refuse(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	char why[512];
	struct text t = TEXT(why);
	va_list ap;

	why[0] = 0;
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	save_refuse(c->save, "fd %d (%s): %s", f->number, f->link, why);
}

void plugin_warn(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	char line[1024];
	struct text t = TEXT(line);
	va_list ap;

	line[0] = 0;
	text_put(&t, "fd %d (%s): ", f->number, f->link);
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	rec_put_string(&c->save->rec, STRING_WARNING, line, t.len);
}

/* Is the file with this number another open file of the same pipe, socket or terminal? */
static bool is_std(struct plugin_ctx *c, const struct plugin_file *f, int number)
{
	struct plugin_file *std = plugin_file_by_number(c, number);

	if (!std)
		return false;
	return plugin_same_inode(std, f) || (f->rdev && S_ISCHR(f->mode) && std->rdev == f->rdev);
}

void plugin_outside(struct plugin_ctx *c, struct plugin_file *f, const char *clause)
{
	uint32_t numbers = 0;
	int n;

	for (n = 0; n < 3; n++)
		if (is_std(c, f, n))
			numbers |= 1u << n;
	if (!numbers) {
		plugin_refuse(c, f, "%s; if the program does not need it, start it with %d>&-",
			      clause, f->number);
		return;
	}
	f->plugin = &plugin_std;
	plugin_put(c, f, &numbers, sizeof(numbers), NULL, 0);
}

const char *plugin_fdinfo(struct plugin_ctx *c, const struct plugin_file *f)
{
	char path[64];
	struct text t = TEXT(path);
	ssize_t n;

	path[0] = 0;
	text_put(&t, "/proc/thread-self/fdinfo/%d", f->fd);
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
	struct kcmp_epoll_slot slot = {.efd = ep->fd, .tfd = tfd, .toff = nr};

	return sys_call5(__NR_kcmp, c->tid, c->tid, KCMP_EPOLL_TFD, f->fd, &slot) == 0;
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

void plugin_keep_lock(struct plugin_ctx *c, const struct plugin_file *f, const struct flock *lock)
{
	if (kept.nlocks == LOCKS_MAX)
		plugin_refuse(c, f, "the process has more than %d locks", LOCKS_MAX);
	else
		kept.locks[kept.nlocks++] = (struct kept_lock){f->fd, *lock};
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
	bool is_new;
	uint32_t id;

	if (fd < 0 && !plugin_reads(f))
		return fd;
	id = save_object(c->save, kind, f->dev, f->ino, f->size, f->mode & 07777,
			 seals < 0 ? 0 : seals, name, &is_new);
	f->object = id;
	if (is_new && fd >= 0)
		err = copy_content(c->save, fd, STREAM_OBJECT + id, f->size);
	else if (is_new) /* the program's own position must stay, so nobody asks for holes */
		err = copy_range(c->save, f->fd, STREAM_OBJECT + id, 0, f->size);
	if (fd >= 0)
		sys_close(fd);
	return err;
}
