/* The containers of what a frozen process collects: records, pieces, objects, refusals. */
#define _GNU_SOURCE
#include "preload.h"
#include "frozen.h"

static void refuse(struct save *s, uint32_t flags, const char *fmt, va_list ap)
{
	struct msg_line line;
	struct text t = TEXT(line.text);

	__builtin_memset(&line, 0, sizeof(line));
	MSG_INIT(&line, MSG_REFUSE);
	line.m.flags = flags;
	text_vput(&t, fmt, ap);
	s->nrefused++;
	msg_send(s->conn, &line.m);
}

void save_refuse(struct save *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(s, 0, fmt, ap);
	va_end(ap);
}

void save_refuse_for_now(struct save *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(s, REFUSE_FOR_NOW, fmt, ap);
	va_end(ap);
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

uint32_t save_find_object(struct save *s, uint64_t dev, uint64_t ino)
{
	return object_find(s->shared, dev, ino, false, 0);
}

uint32_t save_object(struct save *s, uint32_t kind, uint64_t dev, uint64_t ino, uint64_t size,
		     uint32_t mode, uint32_t seals, const char *name, bool *is_new)
{
	uint32_t id = object_find(s->shared, dev, ino, true, size);
	struct shared_object *o = object_get(s->shared, id);
	struct rec_object rec = {id, kind, dev, ino, size, mode, seals};

	*is_new = o && object_record(o);
	if (!o)
		s->err = -ENOMEM;
	if (*is_new) {
		o->whole = 1;
		rec_put(&s->rec, REC_OBJECT, REC_REQUIRED, &rec, sizeof(rec), name, str_len(name) + 1);
	}
	return id;
}
