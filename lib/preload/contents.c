/*
 * Content of large files, in the pause: into the directory beside the image (contents.h).
 *
 * Where the file system can (FICLONE) the file is cloned. Otherwise it is copied in pieces. A piece that
 * the generation before has already is had by a hard link, and of a file that has not changed since then
 * nothing is read. All of it while the job stands still: what the program wrote before the checkpoint is
 * there, and nothing of what it writes afterwards. As long as that gets on nobody's time is over.
 *
 * Several processes may save at a time. They have one directory, whose maker also chooses the seed of the
 * hashes: that of the generation before, or names would not be the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "contents_parts.h"
#include "fault.h"
#include "frozen.h"

enum { PROGRESS_EVERY = 32 << 20 };

/* A file that is being saved. */
struct source {
	int fd;
	struct contents_file file;
};

/*
 * An image with a name of its own replaces another at once, which a file and a directory together can't. One that is
 * encrypted has all in it, where it is sealed.
 */
bool contents_beside(const struct save *s, uint64_t size)
{
	bool encrypted = s->params->keyfile[0] || preload.config.keyfile[0];

	return size >= CONTENTS_MIN && s->params->link[0] && !encrypted;
}

/* ---- the generation before ---- */

/* The path of the image that the link to the newest names; "" when there is none. */
static void newest_path(const struct msg_params *p, char *path, size_t n)
{
	char link[PATH_BYTES + sizeof(p->link)], name[256];
	struct text l = TEXT(link), t = {.buf = path, .cap = n};
	size_t dir = 0;
	ssize_t len;

	for (size_t i = 0; p->path[i]; i++)
		if (p->path[i] == '/')
			dir = i + 1;
	str_copy(path, p->path, dir + 1);
	t.len = l.len = dir;
	str_copy(link, path, sizeof(link));
	text_put(&l, "%s", p->link);
	len = sys_readlink(link, name, sizeof(name) - 1);
	name[len > 0 ? len : 0] = 0;
	text_put(&t, "%s", name);
	if (len <= 0 || str_eq(path, p->path))
		path[0] = 0;
}

static int image_open_private(struct image *img, const char *path)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	char buf[256];
	struct text why = TEXT(buf);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = sys_call2(__NR_fstat, fd, &st);
	if (r == 0 && !(S_ISREG(st.st_mode) && contents_private(&st)))
		r = -EPERM;
	if (r == 0)
		r = image_open(img, fd, &why);
	if (r < 0)
		sys_close(fd);
	return r;
}

/* The lists of all its processes; their seed, 0: it has none. */
static uint64_t lists_read(struct contents *c)
{
	char buf[256];
	struct text why = TEXT(buf);
	uint64_t seed = 0;

	c->lists = arena_alloc(&c->image.arena, (c->image.nprocesses + 1) * sizeof(*c->lists));
	for (uint32_t i = 0; c->lists && i < c->image.nprocesses; i++) {
		const struct contents_head *h;

		if (contents_read(&c->image, i, &c->lists[i], &why) < 0)
			return 0;
		h = c->lists[i];
		if (h)
			seed = h->seed;
	}
	return seed;
}

static uint64_t before_open(struct contents *c, const struct msg_params *p)
{
	char path[PATH_BYTES];
	struct text t = TEXT(c->before);
	uint64_t seed;

	newest_path(p, path, sizeof(path));
	if (!path[0] || image_open_private(&c->image, path) < 0)
		return 0;
	seed = lists_read(c);
	if (seed)
		text_put(&t, "%s" CONTENTS_SUFFIX, path);
	return seed;
}

/* The same file there, when it has not changed since: *pieces are its pieces. */
static const struct contents_file *file_before(struct contents *c, const struct contents_file *now,
					       const struct contents_piece **pieces)
{
	for (uint32_t i = 0; c->before[0] && i < c->image.nprocesses; i++) {
		struct contents_iter it = contents_iter(c->lists[i]);

		while (c->lists[i] && contents_next(&it)) {
			*pieces = it.pieces;
			if (it.file->how == CONTENTS_PIECES && contents_unchanged(it.head, it.file, now))
				return it.file;
		}
	}
	return NULL;
}

/* ---- the directory ---- */

static int dir_make(const char *dir)
{
	int r = sys_call2(__NR_mkdir, dir, 0700);

	if (r == -EEXIST) { /* of a writer that was killed */
		contents_remove(AT_FDCWD, dir);
		r = sys_call2(__NR_mkdir, dir, 0700);
	}
	if (r == 0)
		sys_call2(__NR_chmod, dir, 0700);
	return r;
}

/* With the lock. */
static int dir_join(struct contents *c, struct shared_head *h, uint64_t seed)
{
	int r = h->contents_seed ? 0 : dir_make(c->dir);

	if (r == 0 && !h->contents_seed) {
		while (!seed)
			if (sys_call3(__NR_getrandom, &seed, sizeof(seed), 0) < 0)
				return -EIO;
		h->contents_seed = seed;
	}
	c->seed = h->contents_seed;
	if (c->seed != seed) /* its names would say nothing */
		c->before[0] = 0;
	return r;
}

static int begin(struct save *s)
{
	struct contents *c = arena_alloc(&s->arena, sizeof(*c));
	struct text dir;
	uint64_t seed;
	int r;

	if (!c)
		return -ENOMEM;
	dir = TEXT(c->dir);
	text_put(&dir, "%s.part" CONTENTS_SUFFIX, s->params->path);
	c->image.fd = -1;
	c->buf = arena_alloc(&s->arena, CONTENTS_PIECE);
	if (!c->buf)
		return -ENOMEM;
	s->contents = c;
	seed = before_open(c, s->params);
	r = shared_lock(s->shared, &s->shared->table->contents_lock);
	if (r < 0)
		return r;
	r = dir_join(c, s->shared->head, seed);
	shared_unlock(&s->shared->table->contents_lock);
	return r;
}

static int entry_create(const struct contents *c, const char *name)
{
	char path[PATH_BYTES];

	contents_path(path, c->dir, name);
	return sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void entry_remove(const struct contents *c, const char *name)
{
	char path[PATH_BYTES];

	contents_path(path, c->dir, name);
	sys_call1(__NR_unlink, path);
}

static int fresh_put(struct contents *c, const char *name)
{
	char *to = blob_grow(&c->fresh, CONTENTS_NAME_MAX);

	if (to)
		str_copy(to, name, CONTENTS_NAME_MAX);
	return to ? 0 : c->fresh.err;
}

/* ---- pieces ---- */

/* Have a piece of the generation before. -EEXIST: this one has it already. */
static int piece_link(const struct contents *c, const struct contents_piece *p, const char *name)
{
	char from[PATH_BYTES], to[PATH_BYTES];
	struct stat st;
	int r;

	contents_path(from, c->before, name);
	contents_path(to, c->dir, name);
	r = sys_call2(__NR_link, from, to);
	if (r < 0)
		return r;
	r = sys_call4(__NR_newfstatat, AT_FDCWD, to, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && S_ISREG(st.st_mode) && contents_private(&st) && st.st_size == p->len)
		return 0;
	sys_call1(__NR_unlink, to);
	return -EBADMSG;
}

static int piece_write(struct contents *c, const char *name, uint32_t len)
{
	int fd = entry_create(c, name), r;

	if (fd < 0)
		return fd;
	r = sys_call2(__NR_fchmod, fd, 0600);
	if (r == 0)
		r = io_write(fd, c->buf, len);
	sys_close(fd);
	if (r < 0) {
		entry_remove(c, name);
		return r;
	}
	c->fresh_bytes += len;
	return fresh_put(c, name);
}

/* The bytes in c->buf. */
static int piece_put(struct contents *c, const struct contents_piece *p)
{
	char name[CONTENTS_NAME_MAX];
	int r = -ENOENT;

	contents_piece_name(p, name);
	blob_put(&c->pieces, p, sizeof(*p));
	if (c->before[0])
		r = piece_link(c, p, name);
	if (r < 0 && r != -EEXIST)
		r = piece_write(c, name, p->len);
	return r == -EEXIST ? c->pieces.err : r;
}

/* Tell all who wait that it gets on. */
static void get_on(struct save *s, uint64_t bytes, uint64_t size)
{
	struct contents *c = s->contents;
	struct msg_progress p = {.done = c->done + bytes, .total = size};

	c->done += bytes;
	__atomic_fetch_add(&s->shared->head->contents_done, bytes, __ATOMIC_RELAXED);
	if (c->done - c->told < PROGRESS_EVERY)
		return;
	c->told = c->done;
	MSG_INIT(&p, MSG_PROGRESS);
	msg_send(s->conn, &p.m);
}

/* The next piece, from `at` on, that has data; the file's size when there is none. */
static uint64_t next_data(const struct source *f, uint64_t at)
{
	int64_t data = sys_lseek(f->fd, at, SEEK_DATA);

	if (data == -ENXIO)
		return f->file.size;
	return data < 0 ? at : ALIGN_DOWN((uint64_t)data, CONTENTS_PIECE);
}

/* The descriptor may be the program's: where the data is changes its position, which is put back. */
static int pieces_copy(struct save *s, struct source *f)
{
	struct contents *c = s->contents;
	uint64_t size = f->file.size;
	int64_t was = sys_lseek(f->fd, 0, SEEK_CUR);
	int r = 0;

	for (uint64_t at = next_data(f, 0); r == 0 && at < size; at = next_data(f, at + CONTENTS_PIECE)) {
		struct contents_piece p = {.offset = at};

		p.len = size - at < CONTENTS_PIECE ? size - at : CONTENTS_PIECE;
		r = io_pread(f->fd, c->buf, p.len, at);
		get_on(s, p.len, size);
		if (r < 0 || contents_zero(c->buf, p.len))
			continue;
		p.hash = image_hash(c->buf, p.len, c->seed);
		r = piece_put(c, &p);
		f->file.npieces++;
		f->file.bytes += p.len;
		if (r == 0)
			r = shared_is_off(s->shared->head);
	}
	sys_lseek(f->fd, was, SEEK_SET);
	return r;
}

/* All pieces of a file that is as it was. */
static int pieces_link(struct contents *c, struct source *f, const struct contents_file *was,
		       const struct contents_piece *p)
{
	size_t before = c->pieces.len;

	for (uint64_t i = 0; i < was->npieces; i++) {
		char name[CONTENTS_NAME_MAX];
		int r;

		contents_piece_name(&p[i], name);
		r = piece_link(c, &p[i], name);
		if (r < 0 && r != -EEXIST) {
			c->pieces.len = before;
			return r;
		}
		blob_put(&c->pieces, &p[i], sizeof(p[i]));
	}
	f->file.npieces = was->npieces;
	f->file.bytes = was->bytes;
	return c->pieces.err;
}

/* ---- a file ---- */

static int file_clone(struct contents *c, struct source *f, uint64_t allocated)
{
	char name[CONTENTS_NAME_MAX];
	int fd, r;

	contents_clone_name(f->file.object, name);
	fd = entry_create(c, name);
	if (fd < 0)
		return fd;
	r = sys_call2(__NR_fchmod, fd, 0600);
	if (r == 0)
		r = sys_call3(__NR_ioctl, fd, FICLONE, f->fd);
	sys_close(fd);
	if (r < 0) {
		entry_remove(c, name);
		return r;
	}
	f->file.how = CONTENTS_CLONE;
	f->file.bytes = allocated < f->file.size ? allocated : f->file.size;
	return fresh_put(c, name);
}

/* Bytes that the user may still write there. */
static uint64_t bytes_free(const char *dir)
{
	struct statfs fs;

	if (sys_call2(__NR_statfs, dir, &fs) < 0)
		return UINT64_MAX;
	return (sys_call0(__NR_geteuid) ? fs.f_bavail : fs.f_bfree) * (uint64_t)fs.f_bsize;
}

/* Some of it the generation before may have; if none of it has, is there room? */
static int room_check(struct contents *c, uint64_t bytes)
{
	return !c->before[0] && bytes > bytes_free(c->dir) ? -ENOSPC : 0;
}

static int file_save(struct save *s, struct source *f, uint64_t allocated, bool mapped)
{
	struct contents *c = s->contents;
	const struct contents_piece *pieces = NULL;
	const struct contents_file *was = mapped ? NULL : file_before(c, &f->file, &pieces);
	int r = 0;

	if (!(was && pieces_link(c, f, was, pieces) == 0) && file_clone(c, f, allocated) < 0) {
		r = room_check(c, allocated);
		if (r == 0)
			r = pieces_copy(s, f);
	}
	blob_put(&c->files, &f->file, sizeof(f->file));
	c->bytes += f->file.bytes;
	return r < 0 ? r : c->files.err;
}

/* The program's own limit on the size of files is not that of our pieces, as far as we may raise it. */
static int limit_raise(uint64_t old[2])
{
	int r = sys_call4(__NR_prlimit64, 0, RLIMIT_FSIZE, NULL, old);
	uint64_t l[2] = {old[1], old[1]};

	if (r == 0 && l[0] < CONTENTS_PIECE) /* a write beyond would raise a signal */
		r = -EFBIG;
	return r < 0 ? r : sys_call4(__NR_prlimit64, 0, RLIMIT_FSIZE, l, NULL);
}

static int stat_get(int fd, struct source *f, uint64_t *allocated)
{
	struct stat st;
	int r = sys_call2(__NR_fstat, fd, &st);

	if (r < 0)
		return r;
	f->file.size = st.st_size;
	f->file.dev = st.st_dev;
	f->file.ino = st.st_ino;
	f->file.mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	f->file.ctime_ns = st.st_ctim.tv_sec * 1000000000ll + st.st_ctim.tv_nsec;
	*allocated = st.st_blocks * 512ull;
	return 0;
}

static int save_limited(struct save *s, struct source *f, bool mapped)
{
	uint64_t allocated, old[2];
	int r = limit_raise(old);

	if (r < 0)
		return r;
	r = s->contents ? 0 : begin(s);
	if (r == 0)
		r = fault(FAULT_COLLECT_CONTENTS);
	if (r == 0)
		r = stat_get(f->fd, f, &allocated);
	if (r == 0)
		r = file_save(s, f, allocated, mapped);
	sys_call4(__NR_prlimit64, 0, RLIMIT_FSIZE, old, NULL);
	return r;
}

void contents_save(struct save *s, uint32_t object, int fd, bool mapped, const char *name)
{
	struct source f = {.fd = fd, .file = {.object = object, .how = CONTENTS_PIECES}};
	int r;

	if (s->params->op != OP_CHECKPOINT)
		return;
	r = save_limited(s, &f, mapped);
	if (r == -ENOSPC)
		save_refuse(s, "file %s: no room for its %lu bytes beside the image, %lu are free in %s: %s", name,
			    f.file.size, bytes_free(s->contents->dir), s->contents->dir, errno_name(r));
	else if (r < 0)
		save_refuse(s, "file %s: its %lu bytes can't be saved beside the image: %s", name, f.file.size,
			    errno_name(r));
}

/* ---- the end ---- */

/* Others may still be at work in it; the last one finds nothing that keeps it. */
void contents_drop(struct save *s)
{
	if (s->contents)
		contents_remove(AT_FDCWD, s->contents->dir);
}

void contents_free(struct save *s)
{
	struct contents *c = s->contents;

	if (!c)
		return;
	blob_free(&c->files);
	blob_free(&c->pieces);
	blob_free(&c->fresh);
	if (c->image.fd >= 0) {
		sys_close(c->image.fd);
		image_close(&c->image);
	}
	s->contents = NULL;
}
