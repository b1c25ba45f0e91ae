#define _GNU_SOURCE
#include "objects.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

/* Working memory of one load: a chunk at a time. */
struct loader {
	void *dctx, *stored, *raw;
};

/* ---- Content ----------------------------------------------------------------------------- */

static int loader_init(struct loader *l)
{
	size_t n = image_dctx_size();
	void *mem = malloc(n);

	l->stored = malloc(IMAGE_CHUNK_MAX);
	l->raw = malloc(IMAGE_CHUNK_MAX);
	if (!mem || !l->stored || !l->raw)
		return -ENOMEM;
	l->dctx = image_dctx(mem, n);
	return l->dctx ? 0 : -ENOMEM;
}

static bool is_zero(const char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Write but for blocks of zeros, which stay holes. */
static int write_sparse(int fd, const char *p, size_t n, off_t off)
{
	size_t at, len;
	int err = 0;

	for (at = 0; !err && at < n; at += len) {
		len = n - at < CKPT_PAGE ? n - at : CKPT_PAGE;
		if (!is_zero(p + at, len))
			err = io_pwrite(fd, p + at, len, off + at);
	}
	return err;
}

static int extent_load(struct loader *l, const struct image *img, const struct image_extent *e,
		       int fd)
{
	const struct image_chunk *c = &img->chunks[e->chunk];
	int err = image_verify_chunk(img->fd, c, l->stored);

	if (!err)
		err = image_unpack(l->dctx, c, l->stored, l->raw);
	return err ? err : write_sparse(fd, (char *)l->raw + e->chunk_offset, e->len, e->start);
}

/* Write all extents of the stream to fd; the rest of it are holes. */
static int stream_load(const struct descriptors_params *p, uint32_t stream, int fd)
{
	struct loader l = {0};
	size_t i;
	int err = loader_init(&l);

	for (i = 0; !err && i < p->nextents; i++)
		if (p->extents[i].stream == stream)
			err = extent_load(&l, p->image, &p->extents[i], fd);
	free(l.dctx);
	free(l.stored);
	free(l.raw);
	return err;
}

/* ---- Files to put it in ------------------------------------------------------------------ */

static int memfd_make(const struct object *o)
{
	int fd = memfd_create(o->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(o->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/* Where a deleted file was: its link text up to the last slash. */
static void parent_of(const char *link, char *dir, size_t n)
{
	char *slash;

	str_copy(dir, link, n);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
}

static int unlinked_make(const char *dir)
{
	char path[CKPT_PAGE + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/.ckpt-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/*
 * A file without a name, in the same directory so that it can be linked there as before, and so
 * that its bytes count where they did; in memory where there is no such directory.
 */
static int deleted_make(const struct object *o)
{
	char dir[CKPT_PAGE];
	int fd;

	parent_of(o->name, dir, sizeof(dir));
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = unlinked_make(dir);
	if (fd < 0)
		fd = memfd_create("deleted", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What lived in memory only may be gone with a reboot. */
static int in_place_open(const struct object *o)
{
	int create = str_starts(o->name, "/dev/shm/") ? O_CREAT : 0;
	int fd = open(o->name, O_RDWR | O_CLOEXEC | create, 0600);

	return fd < 0 ? -errno : fd;
}

static int shmem_make(const struct object *o)
{
	int fd = memfd_create(o->name, MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static const struct {
	int (*make)(const struct object *o);
	const char *what;
	bool has_mode; /* the file is ours, and so is its mode */
} makers[] = {
	[OBJECT_FILE] = {deleted_make, "can't be made anew", true},
	[OBJECT_MEMFD] = {memfd_make, "memfd_create", true},
	[OBJECT_SHMEM] = {shmem_make, "memfd_create", false},
	[OBJECT_MAPPED] = {in_place_open, "can't be opened to put its content back", false},
	[OBJECT_MAPPED_PART] = {in_place_open, "can't be opened to put its content back", false},
};

/* Cut to nothing first, so that what no extent covers is a hole; unless the rest is not ours. */
static int content_put(const struct descriptors_params *p, const struct object *o, int fd)
{
	int err;

	if (o->rec.kind != OBJECT_MAPPED_PART && ftruncate(fd, 0))
		return -errno;
	err = stream_load(p, STREAM_OBJECT + o->rec.id, fd);
	if (err)
		return err;
	return ftruncate(fd, o->rec.size) ? -errno : 0;
}

static int object_make(struct objects *os, struct object *o, const char **what)
{
	int low, err;

	if (o->rec.kind >= ARRAY_SIZE(makers) || !makers[o->rec.kind].make) {
		*what = "is of an unknown kind";
		return -EBADMSG;
	}
	*what = makers[o->rec.kind].what;
	low = makers[o->rec.kind].make(o);
	if (low < 0)
		return low;
	o->fd = fcntl(low, F_DUPFD_CLOEXEC, os->params->base);
	err = -errno;
	close(low);
	if (o->fd < 0)
		return err;
	*what = "its content can't be put back";
	return content_put(os->params, o, o->fd);
}

/* ---- All of them ------------------------------------------------------------------------- */

static uint32_t objects_count(const struct descriptors_params *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	uint32_t n = 0;

	while (rec_next_type(&it, REC_OBJECT))
		n++;
	return n;
}

int objects_init(struct objects *os, const struct descriptors_params *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;
	struct object *o;
	size_t len;

	*os = (struct objects){.params = p};
	os->list = calloc(objects_count(p) + 1, sizeof(*os->list));
	if (!os->list)
		return -ENOMEM;
	while ((r = rec_next_type(&it, REC_OBJECT))) {
		o = &os->list[os->n++];
		rec_get(r, &o->rec, sizeof(o->rec));
		o->name = rec_extra(r, sizeof(o->rec), &len);
		o->fd = -1;
	}
	return it.err;
}

int objects_fd(struct objects *os, uint32_t id, const char **what)
{
	uint32_t i;
	int err;

	*what = "its content is missing in the image";
	for (i = 0; i < os->n && os->list[i].rec.id != id; i++)
		;
	if (i == os->n)
		return -EBADMSG;
	if (os->list[i].fd >= 0)
		return os->list[i].fd;
	err = object_make(os, &os->list[i], what);
	return err ? err : os->list[i].fd;
}

void objects_set_modes(struct objects *os)
{
	struct object *o;

	for (o = os->list; o < os->list + os->n; o++)
		if (o->fd >= 0 && makers[o->rec.kind].has_mode)
			fchmod(o->fd, o->rec.mode & 07777);
}

int objects_apply_seals(struct objects *os)
{
	struct object *o;

	for (o = os->list; o < os->list + os->n; o++)
		if (o->fd >= 0 && o->rec.kind == OBJECT_MEMFD && o->rec.seals &&
		    fcntl(o->fd, F_ADD_SEALS, o->rec.seals))
			return -errno;
	return 0;
}

void objects_close(struct objects *os)
{
	struct object *o;

	for (o = os->list; o < os->list + os->n; o++)
		if (o->fd >= 0)
			close(o->fd);
	free(os->list);
	*os = (struct objects){0};
}
