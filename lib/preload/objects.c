/*
 * Shared memory, and files that are mapped shared: objects, by device and inode. Many processes may map
 * one, each other parts of it, and the image has each byte once.
 *
 * First every process says which bytes it has mapped. Of processes that have the same bytes mapped the one
 * with the lowest index saves them: commonly that is all there is to it, as children inherit mappings. Where
 * different parts of an object are mapped they may overlap, and pages are taken one by one: who takes a page
 * saves it. An object that some process saves whole, from a descriptor, nobody else saves.
 *
 * What is there stays there, so it is looked up without the lock: lists grow at their heads, which are stored
 * with release and loaded with acquire. The lock is for who adds.
 */
#define _GNU_SOURCE
#include "preload.h"
#include "frozen.h"

/* Which of 64 pages somebody saves. */
struct shared_block {
	uint64_t key; /* object and block; 0: free */
	uint64_t taken;
};

enum { BLOCKS = 1 << 22, BLOCK_BITS = 28 };

/* Of an object by its inode alone, as its device may have two numbers. */
static uint32_t bucket(uint64_t a, uint64_t b)
{
	return (b * 0x9e3779b97f4a7c15ull ^ a * 0xc2b2ae3d27d4eb4full) >> 32 & (SHARED_BUCKETS - 1);
}

struct shared_object *object_get(struct shared *sh, uint32_t id)
{
	return id ? shared_item(sh, &sh->objects, id) : NULL;
}

static uint32_t object_known(struct shared *sh, uint64_t dev, uint64_t ino)
{
	uint32_t id = __atomic_load_n(&sh->table->object[bucket(0, ino)], __ATOMIC_ACQUIRE);

	while (id) {
		const struct shared_object *o = object_get(sh, id);

		if (!o || (o->ino == ino && (o->dev == dev || o->map_dev == dev)))
			return o ? id : 0;
		id = o->next;
	}
	return 0;
}

/* With the lock taken. */
static uint32_t object_make(struct shared *sh, const struct shared_object *as)
{
	uint32_t *first = &sh->table->object[bucket(0, as->ino)];
	uint32_t id = object_known(sh, as->dev, as->ino);
	struct shared_object *o;

	if (id)
		return id;
	id = __atomic_add_fetch(&sh->head->next_object, 1, __ATOMIC_RELAXED);
	o = object_get(sh, id);
	if (!o)
		return 0;
	*o = *as;
	o->next = *first;
	__atomic_store_n(first, id, __ATOMIC_RELEASE);
	return id;
}

uint32_t object_find(struct shared *sh, uint64_t dev, uint64_t ino, bool make, uint64_t size)
{
	const struct shared_object as = {.dev = dev, .ino = ino, .map_dev = dev, .size = size};
	uint32_t id = object_known(sh, dev, ino);

	if (id || !make || shared_lock(sh, &sh->table->objects_lock) < 0)
		return id;
	id = object_make(sh, &as);
	shared_unlock(&sh->table->objects_lock);
	return id;
}

bool object_record(struct shared_object *o)
{
	return __atomic_exchange_n(&o->recorded, 1, __ATOMIC_RELAXED) == 0;
}

/* ---- ranges ---- */

static struct shared_range *range_find(struct shared *sh, uint32_t object, uint64_t offset, uint64_t len)
{
	uint32_t at = __atomic_load_n(&sh->table->range[bucket(object, offset)], __ATOMIC_ACQUIRE);
	struct shared_range *r;

	for (; at && (r = shared_item(sh, &sh->ranges, at)); at = r->next)
		if (r->object == object && r->offset == offset && r->len == len)
			return r;
	return NULL;
}

/* This process has it mapped, too. */
static void range_join(struct shared *sh, struct shared_range *r)
{
	uint32_t lowest = __atomic_load_n(&r->process, __ATOMIC_RELAXED);

	while (sh->index < lowest && !__atomic_compare_exchange_n(&r->process, &lowest, sh->index, true,
								  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* With the lock taken. */
static int range_add(struct shared *sh, uint32_t id, uint64_t offset, uint64_t len)
{
	uint32_t *first = &sh->table->range[bucket(id, offset)];
	struct shared_range *r = range_find(sh, id, offset, len);

	if (r) {
		range_join(sh, r);
		return 0;
	}
	r = shared_item(sh, &sh->ranges, sh->table->nranges + 1);
	if (!r)
		return -ENOMEM;
	*r = (struct shared_range){offset, len, id, *first, sh->index, 0};
	__atomic_store_n(first, ++sh->table->nranges, __ATOMIC_RELEASE);
	object_get(sh, id)->nranges++;
	return 0;
}

static int object_add_locked(struct shared *sh, const struct shared_object *of, uint64_t offset, uint64_t len)
{
	uint32_t id = object_make(sh, of);
	struct shared_object *o = object_get(sh, id);

	if (!o)
		return -ENOMEM;
	if (o->size < of->size)
		__atomic_store_n(&o->size, of->size, __ATOMIC_RELAXED);
	if (of->reader && (!o->reader || of->reader < o->reader))
		__atomic_store_n(&o->reader, of->reader, __ATOMIC_RELAXED);
	return range_add(sh, id, offset, len);
}

/* Does the object say of itself, too, what this process says of it? */
static bool object_says(const struct shared_object *o, const struct shared_object *of)
{
	uint32_t reader = __atomic_load_n(&o->reader, __ATOMIC_RELAXED);

	return __atomic_load_n(&o->size, __ATOMIC_RELAXED) >= of->size &&
	       (!of->reader || (reader && reader <= of->reader));
}

int object_add_range(struct shared *sh, const struct shared_object *of, uint64_t offset, uint64_t len)
{
	uint32_t id = object_known(sh, of->dev, of->ino);
	struct shared_range *known = id ? range_find(sh, id, offset, len) : NULL;
	int r;

	if (known && object_says(object_get(sh, id), of)) {
		range_join(sh, known);
		return 0;
	}
	r = shared_lock(sh, &sh->table->objects_lock);
	if (r < 0)
		return r;
	r = object_add_locked(sh, of, offset, len);
	shared_unlock(&sh->table->objects_lock);
	return r;
}

bool object_take_range(struct shared *sh, uint32_t id, uint64_t offset, uint64_t len)
{
	struct shared_range *r = range_find(sh, id, offset, len);

	return r && r->process == sh->index && __atomic_exchange_n(&r->saved, 1, __ATOMIC_RELAXED) == 0;
}

/* The block of a key: the first free place from its own on becomes it. */
static struct shared_block *block_find(struct shared *sh, uint64_t key)
{
	uint32_t at = (uint32_t)((key >> BLOCK_BITS) * 2654435761u + key) % BLOCKS;

	for (uint32_t i = 0; i < BLOCKS; i++, at = (at + 1) % BLOCKS) {
		struct shared_block *b = shared_item(sh, &sh->blocks, at);
		uint64_t none = 0;

		if (!b)
			return NULL;
		if (__atomic_compare_exchange_n(&b->key, &none, key, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED) || none == key)
			return b;
	}
	return NULL;
}

uint64_t object_take_pages(struct shared *sh, uint32_t id, uint64_t block, uint64_t mask)
{
	struct shared_block *b = block_find(sh, (uint64_t)id << BLOCK_BITS | block);

	/* Without memory to agree in, two may save one page: it is the same bytes. */
	return b ? mask & ~__atomic_fetch_or(&b->taken, mask, __ATOMIC_RELAXED) : mask;
}
