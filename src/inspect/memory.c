#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "mapped.h"
#include "memory.h"

enum { SLOTS = 32 };

/* A chunk as it was before it was compressed. */
struct slot {
	uint64_t chunk, used;
	uint8_t *bytes; /* NULL: not used yet */
};

enum { FD_UNKNOWN = -2, FD_NONE = -1 };

struct memory {
	const struct report *r;
	const struct process *p;
	struct slot slots[SLOTS];
	uint64_t clock;
	void *dctx, *dctx_memory;
	uint8_t *in;
	int *fds; /* by area: the file that was mapped */
	const struct area **areas; /* those that are no ranges of guard pages inside of others, by address */
	size_t nareas;
	struct mapped *mapped;
};

static void *need(size_t n)
{
	void *p = malloc(n);

	if (!p)
		die("out of memory");
	return p;
}

struct memory *memory_open(const struct report *r, const struct process *p)
{
	struct memory *m = need(sizeof(*m));

	*m = (struct memory){.r = r, .p = p};
	m->dctx_memory = need(image_dctx_size());
	m->dctx = image_dctx(m->dctx_memory, image_dctx_size());
	m->in = need(IMAGE_STORED_MAX);
	m->fds = need((p->nareas + 1) * sizeof(*m->fds));
	m->mapped = mapped_open(r);
	m->areas = need((p->nareas + 1) * sizeof(*m->areas));
	for (size_t i = 0; i < p->nareas; i++) {
		m->fds[i] = FD_UNKNOWN;
		if (!(p->areas[i].rec.flags & VMA_GUARD))
			m->areas[m->nareas++] = &p->areas[i];
	}
	return m;
}

void memory_close(struct memory *m)
{
	for (size_t i = 0; i < SLOTS; i++)
		free(m->slots[i].bytes);
	for (size_t i = 0; i < m->p->nareas; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	mapped_close(m->mapped);
	free(m->areas);
	free(m->fds);
	free(m->in);
	free(m->dctx_memory);
	free(m);
}

const struct process *memory_process(const struct memory *m)
{
	return m->p;
}

const struct area *memory_area(const struct memory *m, uint64_t addr)
{
	size_t low = 0, high = m->nareas;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->areas[mid]->rec.end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->nareas && m->areas[low]->rec.start <= addr ? m->areas[low] : NULL;
}

/* ---- chunks ---- */

static const uint8_t *chunk_bytes(struct memory *m, uint64_t chunk)
{
	const struct image_chunk *c = &m->r->image.chunks[chunk];
	struct slot *s = m->slots;
	int err;

	for (size_t i = 0; i < SLOTS; i++) {
		if (m->slots[i].bytes && m->slots[i].chunk == chunk) {
			m->slots[i].used = ++m->clock;
			return m->slots[i].bytes;
		}
		if (m->slots[i].used < s->used)
			s = &m->slots[i];
	}
	if (!s->bytes)
		s->bytes = need(IMAGE_CHUNK_MAX);
	s->chunk = UINT64_MAX;
	err = image_load_chunk(m->r->image.fd, &m->r->image.key, c, m->dctx, m->in, s->bytes);
	if (err < 0)
		die("%s: damaged: chunk %lu: %s", m->r->path, chunk, errno_name(err));
	s->chunk = chunk;
	s->used = ++m->clock;
	return s->bytes;
}

/*
 * What an extent of the stream has at pos: n bytes at most, how many is returned. 0: nothing, and *gap is how far the
 * next one is.
 */
static size_t extent_read(struct memory *m, const struct extents *x, uint32_t stream, uint64_t pos, void *buf,
			  size_t n, uint64_t *gap)
{
	size_t i = extents_find(x, stream, pos);
	const struct image_extent *e = &x->e[i];
	uint64_t skip, have;

	*gap = UINT64_MAX;
	if (i == x->n || e->stream != stream)
		return 0;
	if (e->start > pos) {
		*gap = e->start - pos;
		return 0;
	}
	skip = pos - e->start;
	have = e->len - skip < n ? e->len - skip : n;
	memcpy(buf, chunk_bytes(m, e->chunk) + e->chunk_offset + skip, have);
	return have;
}

/* ---- mapped files ---- */

static bool is_same_file(const struct area *a, const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_ino == a->rec.ino && (uint64_t)st->st_size == a->rec.file_size &&
	       st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec == a->rec.file_mtime_ns;
}

int memory_file(struct memory *m, const struct area *a)
{
	int *fd = &m->fds[a - m->p->areas];
	struct stat st;

	if (*fd != FD_UNKNOWN)
		return *fd;
	*fd = a->rec.flags & VMA_DELETED ? FD_NONE : open(a->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd >= 0 && (fstat(*fd, &st) < 0 || !is_same_file(a, &st))) {
		close(*fd);
		*fd = FD_NONE;
	}
	return *fd;
}

/* Of a file what is in it, and zeros behind its end in its last page. */
static size_t file_read(struct memory *m, const struct area *a, uint64_t addr, void *buf, size_t n)
{
	uint64_t pos = a->rec.offset + (addr - a->rec.start);
	uint64_t last = ALIGN_UP(a->rec.file_size, CKPT_PAGE);
	int fd = memory_file(m, a);
	ssize_t got;

	if (fd < 0 || pos >= last)
		return 0;
	n = n < last - pos ? n : last - pos;
	memset(buf, 0, n);
	got = pread(fd, buf, n, pos);
	return got < 0 ? 0 : n;
}

/* ---- what is below private pages ---- */

/* The object of shared memory; of a SysV segment by its id. 0: none. */
static uint32_t object_of(const struct memory *m, const struct area *a)
{
	if (!(a->rec.flags & VMA_SYSV))
		return a->rec.object;
	for (size_t i = 0; i < m->r->nprocesses; i++)
		for (size_t j = 0; j < m->r->processes[i].nipc; j++) {
			const struct rec_ipc *c = &m->r->processes[i].ipc[j];

			if (c->kind == IPC_SHM && (uint32_t)c->id == a->rec.object)
				return c->object;
		}
	return 0;
}

/* Of a file of which parts are saved the others are what they were, if it is still the same; all else is holes. */
static size_t object_read(struct memory *m, const struct area *a, uint64_t addr, void *buf, size_t n)
{
	uint64_t pos = a->rec.offset + (addr - a->rec.start), gap, next;
	uint32_t id = object_of(m, a);
	const struct object *o = mapped_object(m->mapped, id);
	size_t got = extent_read(m, &m->r->objects, STREAM_OBJECT + id, pos, buf, n, &gap);

	n = n < gap ? n : gap;
	if (!got && o) {
		got = mapped_read(m->mapped, o, pos, buf, n, &next);
		n = n < next ? n : next;
	}
	if (!got && o && o->rec.kind == OBJECT_MAPPED_PART)
		got = file_read(m, a, addr, buf, n);
	if (got)
		return got;
	memset(buf, 0, n);
	return n;
}

static size_t base_read(struct memory *m, const struct area *a, uint64_t addr, void *buf, size_t n)
{
	uint64_t gap;
	size_t got;

	if (a->rec.flags & (VMA_VVAR | VMA_AIO))
		return 0;
	if (a->rec.flags & (VMA_OBJECT | VMA_SYSV))
		return object_read(m, a, addr, buf, n);
	if (!(a->rec.flags & VMA_FILE)) {
		memset(buf, 0, n);
		return n;
	}
	got = extent_read(m, &m->p->extents, STREAM_FILE_TEXT, addr, buf, n, &gap);
	return got ? got : file_read(m, a, addr, buf, n < gap ? n : gap);
}

/* A part of what is wanted, all from one place. */
static size_t part_read(struct memory *m, const struct area *a, uint64_t addr, void *buf, size_t n)
{
	uint64_t gap;
	size_t got;

	n = n < a->rec.end - addr ? n : a->rec.end - addr;
	got = extent_read(m, &m->p->extents, STREAM_MEMORY, addr, buf, n, &gap);
	return got ? got : base_read(m, a, addr, buf, n < gap ? n : gap);
}

size_t memory_read(struct memory *m, uint64_t addr, void *buf, size_t n)
{
	size_t done = 0, got;

	while (done < n) {
		const struct area *a = memory_area(m, addr + done);

		got = a ? part_read(m, a, addr + done, (char *)buf + done, n - done) : 0;
		if (got == 0)
			break;
		done += got;
	}
	return done;
}

/* ---- what there is at all ---- */

struct stretch {
	uint64_t start, end;
};

/* The next extent of the stream at or behind pos, if it begins before that of s. */
static void extent_offer(struct stretch *s, const struct extents *x, uint32_t stream, uint64_t pos, uint64_t addr)
{
	size_t i = extents_find(x, stream, pos);
	uint64_t start, end;

	if (i == x->n || x->e[i].stream != stream)
		return;
	start = x->e[i].start > pos ? x->e[i].start : pos;
	end = x->e[i].start + x->e[i].len;
	if (start - pos < s->start - addr)
		*s = (struct stretch){addr + (start - pos), addr + (end - pos)};
}

/* The same for what is no hole of a mapped file. */
static void file_offer(struct stretch *s, struct memory *m, const struct area *a, uint64_t addr)
{
	uint64_t pos = a->rec.offset + (addr - a->rec.start);
	int fd = memory_file(m, a);
	off_t data, hole;

	if (fd < 0 || pos >= a->rec.file_size)
		return;
	data = lseek(fd, pos, SEEK_DATA);
	if (data < 0)
		return;
	hole = lseek(fd, data, SEEK_HOLE);
	if (data - pos < s->start - addr)
		*s = (struct stretch){addr + (data - pos), hole > data ? addr + (hole - pos) : a->rec.end};
}

/* The same for shared memory and files whose content is saved, in the image or beside it. */
static void object_offer(struct stretch *s, struct memory *m, const struct area *a, uint64_t addr)
{
	uint64_t pos = a->rec.offset + (addr - a->rec.start), gap;
	uint32_t id = object_of(m, a);
	const struct object *o = mapped_object(m->mapped, id);
	char byte;

	extent_offer(s, &m->r->objects, STREAM_OBJECT + id, pos, addr);
	if (!o)
		return;
	gap = mapped_read(m->mapped, o, pos, &byte, 1, &gap) ? 0 : gap;
	if (gap < s->start - addr) /* a piece ends where the next may begin */
		*s = (struct stretch){addr + gap, addr + gap + (CONTENTS_PIECE - (pos + gap) % CONTENTS_PIECE)};
	if (o->rec.kind == OBJECT_MAPPED_PART)
		file_offer(s, m, a, addr);
}

bool memory_next(struct memory *m, const struct area *a, uint64_t addr, uint64_t *start, uint64_t *end)
{
	struct stretch s = {a->rec.end, a->rec.end};

	if (addr >= a->rec.end)
		return false;
	extent_offer(&s, &m->p->extents, STREAM_MEMORY, addr, addr);
	if (a->rec.flags & (VMA_OBJECT | VMA_SYSV)) {
		object_offer(&s, m, a, addr);
	} else if (a->rec.flags & VMA_FILE) {
		extent_offer(&s, &m->p->extents, STREAM_FILE_TEXT, addr, addr);
		file_offer(&s, m, a, addr);
	}
	*start = s.start;
	*end = s.end < a->rec.end ? s.end : a->rec.end;
	return s.start < a->rec.end;
}
