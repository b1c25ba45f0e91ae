#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "die.h"
#include "mapped.h"

struct mapped {
	const struct report *r;
	const struct object **objects; /* by id */
	size_t nobjects;
	const struct contents_piece *piece; /* that is in buf, NULL: none */
	uint8_t *buf;
	const struct object *cloned; /* whose clone fd is, NULL: none */
	int fd;
};

static int id_order(const void *x, const void *y)
{
	const struct object *a = *(const struct object *const *)x, *b = *(const struct object *const *)y;

	return a->rec.id < b->rec.id ? -1 : a->rec.id > b->rec.id;
}

struct mapped *mapped_open(const struct report *r)
{
	struct mapped *m = calloc(1, sizeof(*m));
	size_t n = 0;

	for (size_t i = 0; i < r->nprocesses; i++)
		n += r->processes[i].nobjects;
	if (!m || !(m->objects = malloc((n + 1) * sizeof(*m->objects))))
		die("out of memory");
	m->r = r;
	for (size_t i = 0; i < r->nprocesses; i++)
		for (size_t j = 0; j < r->processes[i].nobjects; j++)
			m->objects[m->nobjects++] = &r->processes[i].objects[j];
	if (n)
		qsort(m->objects, n, sizeof(*m->objects), id_order);
	return m;
}

void mapped_close(struct mapped *m)
{
	if (m->cloned)
		close(m->fd);
	free(m->buf);
	free(m->objects);
	free(m);
}

const struct object *mapped_object(const struct mapped *m, uint32_t id)
{
	struct object key = {.rec.id = id};
	const struct object *k = &key, **found = NULL;

	if (m->nobjects)
		found = bsearch(&k, m->objects, m->nobjects, sizeof(*m->objects), id_order);
	return found ? *found : NULL;
}

static void __attribute__((noreturn)) damaged(const struct mapped *m, const struct object *o, int err)
{
	die("%s: damaged: content of %s: %s", m->r->path, o->name, errno_name(err));
}

static size_t clone_read(struct mapped *m, const struct object *o, uint64_t pos, void *buf, size_t n)
{
	const struct contents_file *f = o->beside.file;

	if (m->cloned != o) {
		if (m->cloned)
			close(m->fd);
		m->cloned = NULL;
		m->fd = beside_clone(&m->r->beside, f);
		if (m->fd < 0)
			damaged(m, o, m->fd);
		m->cloned = o;
	}
	if (pos >= f->size)
		return 0;
	n = n < f->size - pos ? n : f->size - pos;
	return io_pread(m->fd, buf, n, (off_t)pos) < 0 ? 0 : n;
}

/* The first piece that ends behind pos; NULL: none. */
static const struct contents_piece *piece_find(const struct beside_file *b, uint64_t pos)
{
	uint64_t low = 0, high = b->file->npieces;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (b->pieces[mid].offset + b->pieces[mid].len <= pos)
			low = mid + 1;
		else
			high = mid;
	}
	return low < b->file->npieces ? &b->pieces[low] : NULL;
}

static void piece_load(struct mapped *m, const struct object *o, const struct contents_piece *p)
{
	int err;

	if (m->piece == p)
		return;
	if (!m->buf && !(m->buf = malloc(CONTENTS_PIECE)))
		die("out of memory");
	m->piece = NULL;
	err = beside_piece(&m->r->beside, o->beside.head->seed, p, m->buf);
	if (err < 0)
		damaged(m, o, err);
	m->piece = p;
}

size_t mapped_read(struct mapped *m, const struct object *o, uint64_t pos, void *buf, size_t n, uint64_t *gap)
{
	const struct contents_piece *p;

	*gap = UINT64_MAX;
	if (!o->beside.file)
		return 0;
	if (o->beside.file->how == CONTENTS_CLONE)
		return clone_read(m, o, pos, buf, n);
	p = piece_find(&o->beside, pos);
	if (p && p->offset > pos)
		*gap = p->offset - pos;
	if (!p || p->offset > pos)
		return 0;
	piece_load(m, o, p);
	n = n < p->len - (pos - p->offset) ? n : p->len - (pos - p->offset);
	memcpy(buf, m->buf + (pos - p->offset), n);
	return n;
}
