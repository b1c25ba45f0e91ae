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
#include "put_back.h"

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

	l->stored = malloc(IMAGE_STORED_MAX);
	l->raw = malloc(IMAGE_CHUNK_MAX);
	if (!mem || !l->stored || !l->raw)
		return -ENOMEM;
	l->dctx = image_dctx(mem, n);
	return l->dctx ? 0 : -ENOMEM;
}

/* sparse: fd is empty, and zeros are holes. */
static int extent_load(struct loader *l, const struct image *img, const struct image_extent *e,
		       int fd, bool sparse)
{
	const char *p = (char *)l->raw + e->chunk_offset;
	const struct image_chunk *c = &img->chunks[e->chunk];
	int err = image_load_chunk(img->fd, &img->key, c, l->dctx, l->stored, l->raw);

	if (err)
		return err;
	return sparse ? write_sparse(fd, p, e->len, e->start) : io_pwrite(fd, p, e->len, e->start);
}

/* The first extent of the stream, which may be behind all. */
static size_t stream_first(const struct objects *os, uint32_t stream)
{
	size_t low = 0, high = os->nextents, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (os->extents[mid].stream < stream)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Write all extents of the stream to fd. */
static int stream_load(const struct objects *os, uint32_t stream, int fd, bool sparse)
{
	struct loader l = {0};
	size_t i;
	int err = loader_init(&l);

	for (i = stream_first(os, stream); !err && i < os->nextents && os->extents[i].stream == stream; i++)
		err = extent_load(&l, os->params->image, &os->extents[i], fd, sparse);
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

/*
 * What lived in memory only may be gone with a reboot. The name was that of the file itself at the checkpoint:
 * a link that is there now was put there by somebody, and what it leads to is not ours to overwrite.
 */
static int in_place_open(const struct object *o)
{
	int create = str_starts(o->name, "/dev/shm/") ? O_CREAT : 0;
	int fd = open(o->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | create, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
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
static int content_put(const struct objects *os, const struct object *o, int fd)
{
	struct beside_file beside = beside_find(os->params->beside, o->rec.id);
	bool whole = o->rec.kind != OBJECT_MAPPED_PART;
	int err = fault(FAULT_INIT_CONTENTS);

	if (!err && beside.file)
		err = contents_room(&beside, fd);
	if (err)
		return err;
	if (whole && ftruncate(fd, 0))
		return -errno;
	err = beside.file ? contents_put(os->params->beside, &beside, fd)
			  : stream_load(os, STREAM_OBJECT + o->rec.id, fd, whole);
	if (err)
		return err;
	return ftruncate(fd, o->rec.size) ? -errno : 0;
}

static int object_open(struct objects *os, struct object *o, const char **what)
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
	return o->fd < 0 ? err : 0;
}

/* ---- All of them ------------------------------------------------------------------------- */

static size_t records_count(const struct descriptors_params *p)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->nprocesses; i++) {
		struct rec_iter it = rec_iter(p->processes[i].records, p->processes[i].nrecords);

		while (rec_next_type(&it, REC_OBJECT))
			n++;
	}
	return n;
}

static size_t extents_count(const struct descriptors_params *p)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->nprocesses; i++)
		for (size_t k = 0; k < p->processes[i].nextents; k++)
			n += p->processes[i].extents[k].stream >= STREAM_OBJECT;
	return n;
}

static int by_stream(const void *a, const void *b)
{
	const struct image_extent *x = a, *y = b;

	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void extents_collect(struct objects *os, const struct saved *p)
{
	for (size_t k = 0; k < p->nextents; k++)
		if (p->extents[k].stream >= STREAM_OBJECT)
			os->extents[os->nextents++] = p->extents[k];
}

static struct object *object_find(const struct objects *os, uint32_t id)
{
	for (uint32_t i = 0; i < os->n; i++)
		if (os->list[i].rec.id == id)
			return &os->list[i];
	return NULL;
}

/* Processes that map an object each may have a record of it: the longest holds. */
static int objects_collect(struct objects *os, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_OBJECT))) {
		struct rec_object rec;
		struct object *o;
		size_t len;

		rec_get(r, &rec, sizeof(rec));
		o = object_find(os, rec.id);
		if (o && o->rec.size < rec.size)
			o->rec.size = rec.size;
		if (!o)
			os->list[os->n++] = (struct object){
				.rec = rec,
				.name = path_now(os->params->moves, rec_extra(r, sizeof(rec), &len)),
				.fd = -1,
			};
	}
	return it.err;
}

int objects_init(struct objects *os, const struct descriptors_params *p)
{
	int err = 0;

	*os = (struct objects){.params = p};
	os->list = calloc(records_count(p) + 1, sizeof(*os->list));
	os->extents = calloc(extents_count(p) + 1, sizeof(*os->extents));
	if (!os->list || !os->extents)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < p->nprocesses; i++) {
		err = objects_collect(os, &p->processes[i]);
		extents_collect(os, &p->processes[i]);
	}
	qsort(os->extents, os->nextents, sizeof(*os->extents), by_stream);
	return err;
}

int objects_fd(struct objects *os, uint32_t id, const char **what)
{
	struct object *o = object_find(os, id);
	int err;

	*what = "its content is missing in the image";
	if (!o)
		return -EBADMSG;
	err = o->fd >= 0 ? 0 : object_open(os, o, what);
	if (err || o->filled)
		return err ? err : o->fd;
	*what = "its content can't be put back";
	err = content_put(os, o, o->fd);
	o->filled = !err;
	return err ? err : o->fd;
}

static bool is_in_place(const struct object *o)
{
	return o->rec.kind == OBJECT_MAPPED || o->rec.kind == OBJECT_MAPPED_PART;
}

int objects_open_mapped(struct objects *os, const char **name, const char **what)
{
	int err = 0;

	for (uint32_t i = 0; i < os->params->nprocesses; i++) {
		const struct saved *p = &os->params->processes[i];
		struct rec_iter it = rec_iter(p->records, p->nrecords);
		const struct rec *r;

		while (!err && (r = rec_next_type(&it, REC_VMA))) {
			struct rec_vma v;
			struct object *o;

			rec_get(r, &v, sizeof(v));
			o = v.flags & VMA_OBJECT ? object_find(os, v.object) : NULL;
			if (!o || o->fd >= 0 || !is_in_place(o))
				continue;
			*name = o->name;
			err = object_open(os, o, what);
		}
	}
	return err;
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
	free(os->extents);
	*os = (struct objects){0};
}
