/*
 * A byte array in one anonymous mapping, which doubles and may move when it is full.
 */
#include <errno.h>
#include <sys/mman.h>
#include "core.h"

enum { FIRST_SIZE = 64 << 10 };

static int blob_reserve(struct blob *b, size_t n)
{
	size_t cap = b->cap ? b->cap : FIRST_SIZE;
	void *p;

	if (n > SIZE_MAX / 4 - b->len)
		return -ENOMEM;
	while (cap < b->len + n)
		cap *= 2;
	if (cap == b->cap)
		return 0;
	if (b->data)
		p = sys_mremap(b->data, b->cap, cap, MREMAP_MAYMOVE, NULL);
	else
		p = sys_mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_err(p))
		return (long)p;
	b->data = p;
	b->cap = cap;
	return 0;
}

/* Memory behind len has never been written, so it is zeroed. */
void *blob_grow(struct blob *b, size_t n)
{
	void *p;

	if (!b->err)
		b->err = blob_reserve(b, n);
	if (b->err)
		return NULL;
	p = b->data + b->len;
	b->len += n;
	return p;
}

void blob_put(struct blob *b, const void *p, size_t n)
{
	void *to = blob_grow(b, n);

	if (to && n)
		__builtin_memcpy(to, p, n);
}

void blob_free(struct blob *b)
{
	if (b->data)
		sys_munmap(b->data, b->cap);
	*b = (struct blob){0};
}
