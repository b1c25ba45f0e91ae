/*
 * A chain of anonymous mappings, from whose newest one memory is cut off.
 */
#include <sys/mman.h>
#include "core.h"

enum { BLOCK_SIZE = 64 << 10, ALIGNMENT = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of the mapping */
	size_t used; /* this structure counted */
	size_t reserved;
};
_Static_assert(sizeof(struct arena_block) % ALIGNMENT == 0, "memory behind it is aligned");

/* A new block in which n bytes fit; a large one goes behind the head, which may have room left. */
static struct arena_block *block_add(struct arena *a, size_t n)
{
	size_t size = BLOCK_SIZE;
	struct arena_block *b;

	if (n > BLOCK_SIZE - sizeof(*b))
		size = ALIGN_UP(n + sizeof(*b), (size_t)CKPT_PAGE);
	b = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_err(b))
		return NULL;
	b->size = size;
	b->used = sizeof(*b);
	if (size > BLOCK_SIZE && a->head) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = ALIGN_UP(n, (size_t)ALIGNMENT);
	if (!b || n > b->size - b->used)
		b = block_add(a, n);
	if (!b)
		return NULL;
	p = (char *)b + b->used;
	b->used += n;
	return p;
}

void arena_free(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		sys_munmap(b, b->size);
	}
}
