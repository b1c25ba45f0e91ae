/* The containers of what a frozen process collects: records, pieces, objects, refusals. */
#define _GNU_SOURCE
#include "preload.h"
#include "frozen.h"

void save_refuse(struct save *s, const char *fmt, ...)
{
	struct msg_line line;
	struct text t = TEXT(line.text);
	va_list ap;

	__builtin_memset(&line, 0, sizeof(line));
	MSG_INIT(&line, MSG_REFUSE);
	va_start(ap, fmt);
	text_vput(&t, fmt, ap);
	va_end(ap);
	s->nrefused++;
	msg_send(s->conn, &line.m);
}

void *save_piece(struct save *s, uint32_t stream, uint64_t start, uint64_t len)
{
	struct save_piece *p = arena_alloc(&s->arena, sizeof(*p));
	void *data = arena_alloc(&s->arena, len);

	if (!p || !data) {
		s->err = -ENOMEM;
		return NULL;
	}
	*p = (struct save_piece){s->pieces, stream, start, len, data};
	s->pieces = p;
	return data;
}

uint32_t save_object(struct save *s, uint32_t kind, uint64_t dev, uint64_t ino, uint64_t size,
		     uint32_t mode, uint32_t seals, const char *name, bool *is_new)
{
	struct rec_iter it = rec_iter(s->rec.data, s->rec.len);
	struct rec_object o;
	const struct rec *r;

	*is_new = false;
	while ((r = rec_next_type(&it, REC_OBJECT))) {
		rec_get(r, &o, sizeof(o));
		if (o.dev == dev && o.ino == ino)
			return o.id;
	}
	*is_new = true;
	o = (struct rec_object){++s->nobjects, kind, dev, ino, size, mode, seals};
	rec_put(&s->rec, REC_OBJECT, REC_REQUIRED, &o, sizeof(o), name, str_len(name) + 1);
	return o.id;
}
