/*
 * The open descriptors of a frozen process.
 *
 * First (descriptors_list()) reads the list of /proc/thread-self/fd (the main thread may be a zombie, whose
 * own list is empty), asks the kernel about each, and finds which of them are one open file description,
 * in this process or another (same.c). Then (descriptors_save()), when all processes have done so, each
 * open file is saved by the process with the lowest index that has it, by way of the first plugin that
 * claims it. plugin_save.c answers plugins.
 *
 * All of it is in the pause. A descriptor costs about 7 us; fdinfo costs 4 more and is read only
 * by those plugins that need it.
 */
#define _GNU_SOURCE
#include <linux/kcmp.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "descriptors.h"
#include "files.h"
#include "frozen.h"

/* ---- What the kernel says about one descriptor ------------------------------------------- */

static int stat_fd(int fd, struct stat *st)
{
	return sys_call2(__NR_fstat, fd, st);
}

const char *number_name(int fd, char *buf, size_t n)
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
			      c->link, DESCRIPTOR_LINK_MAX);

	if (n < 0)
		return n;
	if (n == DESCRIPTOR_LINK_MAX)
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

/* A descriptor of another process's libckpt, in the table that we share with it. */
static bool is_neighbours(const struct shared *sh, int fd)
{
	for (uint32_t i = 0; i < sh->head->nprocesses; i++) {
		const struct shared_process *p = &sh->head->process[i];

		if (!(p->flags & SHARED_FILES) || p->table != sh->own->table)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(p->own_fds); k++)
			if (p->own_fds[k] == fd + 1)
				return true;
	}
	return false;
}

static bool is_one_of(struct save *s, struct plugin_ctx *c, int fd)
{
	if (fd == s->conn || fd == c->list_fd || fd == c->shared->fd)
		return true;
	return c->shared->own->flags & SHARED_FILES && is_neighbours(c->shared, fd);
}

static const char *copy_string(struct plugin_ctx *c, const char *s)
{
	size_t n = str_len(s) + 1;
	char *copy = plugin_alloc(c, n);

	if (copy)
		str_copy(copy, s, n);
	return copy;
}

struct plugin_file *plugin_file_by_id(struct plugin_ctx *c, uint32_t id)
{
	return id < c->by_id_max ? c->by_id[id] : NULL;
}

static bool by_id_put(struct plugin_ctx *c, struct plugin_file *f)
{
	uint32_t max = c->by_id_max ? c->by_id_max : 256;
	struct plugin_file **grown;

	while (max <= f->id)
		max *= 2;
	if (max != c->by_id_max) {
		grown = plugin_alloc(c, max * sizeof(*grown));
		if (!grown)
			return false;
		__builtin_memcpy(grown, c->by_id, c->by_id_max * sizeof(*grown));
		c->by_id = grown;
		c->by_id_max = max;
	}
	c->by_id[f->id] = f;
	return true;
}

/* Make *f known; it is in a ring of its own at first. */
static struct plugin_file *file_new(struct plugin_ctx *c, const struct plugin_file *f, int32_t tid, int32_t fd)
{
	struct file *n = plugin_alloc(c, sizeof(*n));
	const char *link = copy_string(c, f->link);

	if (!n || !link)
		return NULL;
	n->file = *f;
	n->file.link = link;
	n->file.twin = &n->file;
	n->tid = tid;
	n->fd = fd;
	if (!by_id_put(c, &n->file))
		return NULL;
	*c->files_end = &n->file;
	c->files_end = &n->file.next;
	return &n->file;
}

static uint32_t plugin_find(const struct plugin_file *f)
{
	uint32_t i = 0;

	while (plugin_table[i + 1] && !plugin_table[i]->match(f))
		i++;
	return i;
}

/* The open file of f, which this process has as f->fd: one already known to it, or a new one. */
static struct plugin_file *file_intern(struct plugin_ctx *c, struct plugin_file *f)
{
	uint32_t plugin = plugin_find(f);
	const struct shared_file s = {
		.dev = f->dev, .ino = f->ino, .rdev = f->rdev, .size = f->size, .pos = f->pos,
		.kind = KCMP_FILE, .process = c->shared->index, .holder = same_holder(c->tid, f->fd),
		.number = f->number, .flags = f->flags, .mode = f->mode, .nlink = f->nlink,
		.plugin = plugin, .link_len = str_len(f->link),
	};
	int r = same_add(c->shared, &s, f->link, &f->id);
	struct plugin_file *known = r < 0 ? NULL : plugin_file_by_id(c, f->id);

	if (known)
		return known;
	if (r == 0) {
		f->plugin = plugin_table[plugin];
		return file_new(c, f, c->tid, f->fd);
	}
	if (f->id && r != -ESRCH) /* that of a process which has ended meanwhile */
		save_refuse(c->save, "fd %d (%s): the kernel can't say if it is the same open file as another (kcmp): %s",
			    f->fd, f->link, errno_name(r));
	else
		c->save->err = r;
	return NULL;
}

static void put_number(struct plugin_ctx *c, int fd, struct plugin_file *f)
{
	struct number n = {.fd = fd, .file = f};
	struct rec_fd rec = {.fd = fd, .file = f->id};

	blob_put(&c->numbers, &n, sizeof(n));
	rec.cloexec = sys_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC;
	rec_put(&c->save->rec, REC_FD, REC_REQUIRED, &rec, sizeof(rec), NULL, 0);
	if (fd <= 2)
		same_add_std(c->shared, f->id, fd);
}

static void descriptor_list(struct plugin_ctx *c, int fd)
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
static void list_take(struct plugin_ctx *c, long n)
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
			descriptor_list(c, fd);
	}
}

static int lists_take(struct plugin_ctx *c)
{
	long n;

	do {
		n = sys_getdents(c->list_fd, c->list, sizeof(c->list));
		if (n > 0)
			list_take(c, n);
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
		.policy = f->policy,
		.closed = f->closed,
		.object = f->object,
		.owner = f->owner,
		.owner_type = f->owner_type,
		.sig = f->sig,
	};

	str_copy(rec.plugin, f->plugin->name, sizeof(rec.plugin));
	rec_put(&c->save->rec, REC_FILE, REC_REQUIRED, &rec, sizeof(rec), f->link,
		str_len(f->link) + 1);
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

static struct plugin_ctx *ctx_new(struct save *s)
{
	struct plugin_ctx *c = arena_alloc(&s->arena, sizeof(*c));

	if (!c) {
		s->err = -ENOMEM;
		return NULL;
	}
	c->save = s;
	c->shared = s->shared;
	c->files_end = &c->files;
	c->tid = sys_gettid();
	c->list_fd = sys_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (c->list_fd < 0) {
		save_refuse(s, "/proc/self/fd can't be opened: %s", errno_name(c->list_fd));
		return NULL;
	}
	return c;
}

/*
 * Processes that have one descriptor table (CLONE_FILES): only the first of them lists it, and while it does
 * the others open and close nothing. True for the first, and for all who have a table of their own.
 */
static bool table_is_ours(struct plugin_ctx *c, uint32_t table)
{
	const int32_t fds[] = {c->save->conn + 1, c->list_fd + 1, c->shared->fd + 1};
	const struct shared_file *t;

	if (!c->shared->head->any_files)
		return true;
	if (c->shared->own->flags & SHARED_FILES) {
		c->shared->own->table = table;
		__builtin_memcpy(c->shared->own->own_fds, fds, sizeof(fds));
	}
	if (shared_barrier(c->shared, SHARED_OPENED) < 0)
		return false;
	t = same_get(c->shared, table);
	return t && t->process == c->shared->index;
}

void descriptors_list(struct save *s, uint32_t table)
{
	struct plugin_ctx *c = s->files = ctx_new(s);
	int err;

	kept_clear();
	if (!c || !table_is_ours(c, table))
		return;
	tables_check(c);
	err = lists_take(c);
	if (err < 0)
		save_refuse(s, "/proc/self/fd can't be read: %s", errno_name(err));
	for (struct plugin_file *f = c->files; f; f = f->next)
		if (f->plugin->discover)
			f->plugin->discover(c, f);
	closed_list(c);
}

/* Of a descriptor that is none of the program's numbers; it is taken over. */
static struct plugin_file *extra_intern(struct plugin_ctx *c, int fd, struct plugin_file *f)
{
	struct plugin_file *known = file_intern(c, f);

	if (known && known->fd == fd)
		blob_put(&c->extra, &fd, sizeof(fd));
	else
		sys_close(fd);
	return known;
}

struct plugin_file *plugin_add_file(struct plugin_ctx *c, int fd)
{
	struct plugin_file f = {0};
	int err = describe(c, fd, &f);

	f.number = -1;
	if (!err)
		return extra_intern(c, fd, &f);
	save_refuse(c->save, "a descriptor in flight can't be looked at: %s", errno_name(err));
	sys_close(fd);
	return NULL;
}

void descriptors_add_closed(struct plugin_ctx *c, int fd)
{
	struct plugin_file f = {0};

	if (describe(c, fd, &f) < 0) {
		sys_close(fd);
		return;
	}
	f.number = -1;
	f.flags = O_RDWR;
	f.pos = f.size;
	f.closed = true;
	extra_intern(c, fd, &f);
}

/* ---- What other processes have ----------------------------------------------------------- */

/* An open file that only others have. */
static struct plugin_file *foreign_new(struct plugin_ctx *c, uint32_t id)
{
	const struct shared_file *s = same_get(c->shared, id);
	struct plugin_file f;

	if (!s || same_link(c->shared, s, c->link, sizeof(c->link)) < 0) {
		c->save->err = -ENOMEM;
		return NULL;
	}
	f = (struct plugin_file){
		.plugin = plugin_table[s->plugin], .link = c->link, .fd = -1, .number = s->number,
		.process = s->process, .pid = c->shared->head->process[s->process].pid, .id = id,
		.flags = s->flags, .mode = s->mode, .nlink = s->nlink, .pos = s->pos, .dev = s->dev,
		.ino = s->ino, .rdev = s->rdev, .size = s->size,
	};
	return file_new(c, &f, s->holder >> 32, (uint32_t)s->holder);
}

/* Open files of one inode that have been met. */
struct ring {
	struct plugin_ctx *c;
	struct plugin_file *first; /* of this process, if there is one */
};

static void ring_join(void *arg, uint32_t id)
{
	struct ring *ring = arg;
	struct plugin_file *f = plugin_file_by_id(ring->c, id);

	if (!f)
		f = foreign_new(ring->c, id);
	if (!f)
		return;
	if (ring->first && f->twin == f) {
		f->twin = ring->first->twin;
		ring->first->twin = f;
	}
	if (!ring->first || ring->first->fd < 0)
		ring->first = f;
}

struct plugin_file *plugin_file_by_inode(struct plugin_ctx *c, uint64_t dev, uint64_t ino)
{
	struct ring ring = {.c = c};

	same_each(c->shared, dev, ino, ring_join, &ring);
	return ring.first;
}

struct plugin_file *plugin_file_next_of_job(struct plugin_ctx *c, uint32_t *id)
{
	const struct shared_file *s;
	struct plugin_file *f;

	do
		s = same_get(c->shared, ++*id);
	while (s && s->kind != KCMP_FILE);
	f = s ? plugin_file_by_id(c, *id) : NULL;
	return s && !f ? foreign_new(c, *id) : f;
}

bool plugin_has_process(struct plugin_ctx *c, int pid)
{
	const struct shared_head *head = c->shared->head;

	for (uint32_t i = 0; i < head->nprocesses; i++)
		if (head->process[i].pid == pid)
			return true;
	return false;
}

/* Learn who saves f, and who else has what it is an end of. */
static void file_resolve(struct plugin_ctx *c, struct plugin_file *f)
{
	const struct shared_file *s = same_get(c->shared, f->id);

	if (!s)
		return;
	f->process = s->process;
	f->pid = c->shared->head->process[s->process].pid;
	f->mine = s->process == c->shared->index;
	if (S_ISFIFO(f->mode) || S_ISSOCK(f->mode))
		plugin_file_by_inode(c, f->dev, f->ino);
}

static void file_save(struct plugin_ctx *c, struct plugin_file *f)
{
	kept_owner(c, f);
	f->policy = f->closed ? files_policy_named(preload.config.files, f->link)
			      : files_policy(preload.config.files, f->link);
	if (f->plugin->save)
		f->plugin->save(c, f);
}

void descriptors_save(struct save *s)
{
	struct plugin_ctx *c = s->files;
	struct plugin_file *f;

	if (!c)
		return;
	for (f = c->files; f; f = f->next)
		file_resolve(c, f);
	for (f = c->files; f; f = f->next) {
		if (f->mine)
			file_save(c, f);
		else if (f->fd >= 0 && f->plugin->share)
			f->plugin->share(c, f);
	}
	for (f = c->files; f; f = f->next)
		if (f->mine)
			put_file(c, f);
}

int descriptors_find(const struct save *s, uint64_t dev, uint64_t ino)
{
	const struct plugin_file *f = s->files ? s->files->files : NULL;

	for (; f; f = f->next)
		if (f->fd >= 0 && f->dev == dev && f->ino == ino && plugin_reads(f) && !(f->flags & O_PATH))
			return f->fd;
	return -1;
}

void descriptors_release(struct save *s)
{
	struct plugin_ctx *c = s->files;
	const int *extra;

	if (!c)
		return;
	for (struct plugin_file *f = c->files; f; f = f->next)
		if (f->mine && f->plugin->resume)
			f->plugin->resume(c, f);
	extra = (const int *)c->extra.data;
	for (size_t i = 0; i < c->extra.len / sizeof(*extra); i++)
		sys_close(extra[i]);
	if (c->numbers.err || c->extra.err)
		s->err = -ENOMEM;
	blob_free(&c->numbers);
	blob_free(&c->extra);
	sys_close(c->list_fd);
	s->files = NULL;
}
