/*
 * Streams of records. The writer is ours; what is read may be anything.
 */
#include <errno.h>
#include "records.h"

enum { REC_ALIGN = 8 };

void *rec_put(struct blob *b, uint16_t type, uint16_t flags, const void *p, size_t n,
	      const void *extra, size_t m)
{
	size_t size = n + m;
	struct rec *r;

	if (n > UINT32_MAX / 2 || m > UINT32_MAX / 2) {
		b->err = b->err ? b->err : -E2BIG;
		return NULL;
	}
	r = blob_grow(b, sizeof(*r) + ALIGN_UP(size, (size_t)REC_ALIGN));
	if (!r)
		return NULL;
	*r = (struct rec){.type = type, .flags = flags, .size = size};
	if (n)
		__builtin_memcpy(r + 1, p, n);
	if (m)
		__builtin_memcpy((char *)(r + 1) + n, extra, m);
	return r + 1;
}

void rec_put_string(struct blob *b, uint32_t kind, const char *s, size_t len)
{
	struct rec_string rs = {.kind = kind, .len = len};
	struct rec *r;
	char *to;

	if (len > UINT32_MAX / 2) {
		b->err = b->err ? b->err : -E2BIG;
		return;
	}
	r = blob_grow(b, sizeof(*r) + ALIGN_UP(sizeof(rs) + len + 1, (size_t)REC_ALIGN));
	if (!r)
		return;
	*r = (struct rec){.type = REC_STRING, .size = sizeof(rs) + len + 1};
	to = (char *)(r + 1);
	__builtin_memcpy(to, &rs, sizeof(rs));
	if (len)
		__builtin_memcpy(to + sizeof(rs), s, len);
}

struct rec_iter rec_iter(const void *data, size_t n)
{
	const uint8_t *p = data;

	return (struct rec_iter){.p = p, .end = p ? p + n : p};
}

const struct rec *rec_next(struct rec_iter *it)
{
	const struct rec *r = (const struct rec *)it->p;
	size_t left = it->end - it->p, size;

	it->rec = NULL;
	if (!left || it->err)
		return NULL;
	if (left < sizeof(*r))
		goto bad;
	size = ALIGN_UP((size_t)r->size, (size_t)REC_ALIGN);
	if (size > left - sizeof(*r))
		goto bad;
	it->p += sizeof(*r) + size;
	it->rec = r;
	return r;
bad:
	it->err = -EBADMSG;
	return NULL;
}

const struct rec *rec_next_type(struct rec_iter *it, uint16_t type)
{
	const struct rec *r;

	while ((r = rec_next(it)) && r->type != type)
		;
	return r;
}

void rec_get(const struct rec *r, void *to, size_t n)
{
	size_t have = r->size < n ? r->size : n;

	__builtin_memcpy(to, r + 1, have);
	__builtin_memset((char *)to + have, 0, n - have);
}

const char *rec_extra(const struct rec *r, size_t n, size_t *len)
{
	const char *s = (const char *)(r + 1) + n;

	*len = 0;
	if (r->size <= n || s[r->size - n - 1])
		return "";
	*len = r->size - n - 1;
	return s;
}
