/*
 * Which open files of different processes are one and the same; likewise descriptor tables and file
 * system contexts (root, directory, umask), which processes may share.
 *
 * kcmp(2) orders such things across processes, without telling what it orders by. So what a job has is kept
 * in trees in shared memory, in which each process that stands still looks up what it has, and adds what
 * is not there yet: some comparisons for each, however many processes there are. Trees are ordered by
 * inode first, and hashed by inode to many trees, each with a lock of its own.
 *
 * The lock is for who changes something. Trees only grow, at their leaves, so anybody may descend: links are
 * stored with release and loaded with acquire, and where kcmp(2) finds a thing is one word (holder).
 *
 * The process with the lowest index that has a thing is its owner. That is known when all have come to
 * SHARED_LISTED; nothing changes afterwards, and no lock is needed.
 */
#define _GNU_SOURCE
#include <linux/kcmp.h>
#include "preload.h"
#include "frozen.h"

/* Order of two numbers, scrambled: inodes come in ascending order and would make the tree a list. */
static int scrambled_order(uint64_t a, uint64_t b)
{
	a *= 0x9e3779b97f4a7c15ull;
	b *= 0x9e3779b97f4a7c15ull;
	return a < b ? -1 : a > b;
}

static int inode_order(const struct shared_file *f, uint32_t kind, uint64_t dev, uint64_t ino)
{
	int order = scrambled_order(f->ino, ino);

	if (!order)
		order = scrambled_order(f->dev, dev);
	return order ? order : scrambled_order(f->kind, kind);
}

/* -1, 0, 1 as f is before, the same as, behind n; below that -errno - 1, when the kernel can't tell. */
static int file_order(const struct shared_file *f, const struct shared_file *n)
{
	int order = inode_order(f, n->kind, n->dev, n->ino);
	uint64_t a = f->holder, b;

	if (order)
		return order;
	b = __atomic_load_n(&n->holder, __ATOMIC_RELAXED);
	order = sys_call5(__NR_kcmp, a >> 32, b >> 32, f->kind, (uint32_t)a, (uint32_t)b);
	return order == 0 ? 0 : order == 1 ? -1 : order > 1 ? 1 : order - 1;
}

static uint32_t bucket(uint64_t dev, uint64_t ino)
{
	return (ino * 0x9e3779b97f4a7c15ull ^ dev * 0xc2b2ae3d27d4eb4full) >> 32 & (SHARED_BUCKETS - 1);
}

struct shared_file *same_get(struct shared *sh, uint32_t id)
{
	if (!id || id > __atomic_load_n(&sh->head->next_file, __ATOMIC_RELAXED))
		return NULL;
	return shared_item(sh, &sh->same, id);
}

/*
 * A link's text that does not fit into the item goes elsewhere. By a mapping: a write would be held against
 * the program's limit on the size of files.
 */
static int text_put_away(struct shared *sh, struct shared_file *n, const char *text)
{
	uint64_t len = n->link_len, at = __atomic_fetch_add(&sh->table->text, len, __ATOMIC_RELAXED);
	uint64_t page = ALIGN_DOWN(at, CKPT_PAGE);
	uint8_t *p = shared_map(sh, SHARED_TEXT + page, at + len - page);

	if (!p)
		return -ENOMEM;
	__builtin_memcpy(p + (at - page), text, len);
	sys_munmap(p, ALIGN_UP(at + len - page, CKPT_PAGE));
	n->link_at = at;
	return 0;
}

/* The next free item, filled in; its id, 0: no memory. */
static uint32_t item_new(struct shared *sh, const struct shared_file *f, const char *text)
{
	uint32_t id = __atomic_add_fetch(&sh->head->next_file, 1, __ATOMIC_RELAXED);
	struct shared_file *n = shared_item(sh, &sh->same, id);

	if (!n)
		return 0;
	*n = *f;
	n->std_process = ~0u;
	if (n->link_len > sizeof(n->link))
		return text_put_away(sh, n, text) < 0 ? 0 : id;
	__builtin_memcpy(n->link, text, n->link_len);
	return id;
}

/*
 * A process with a lower index has it too, and tells of it from now on; but not of what is the tree's, or
 * the same for all, or of standard streams. With the lock.
 */
static void item_take_over(struct shared_file *n, const struct shared_file *f)
{
	if (f->process >= n->process)
		return;
	n->process = f->process;
	n->number = f->number;
	n->size = f->size;
	n->pos = f->pos;
	__atomic_store_n(&n->holder, f->holder, __ATOMIC_RELAXED);
}

/*
 * Go down from link *at to where f is, or belongs: *at is then the last link. 1: it is there, *id; 0: it is
 * not; -errno: *id is the one that f can't be compared with.
 */
static int tree_descend(struct shared *sh, uint32_t **at, const struct shared_file *f, uint32_t *id)
{
	while ((*id = __atomic_load_n(*at, __ATOMIC_ACQUIRE)) != 0) {
		struct shared_file *n = shared_item(sh, &sh->same, *id);
		int order = n ? file_order(f, n) : -ENOMEM - 1;

		if (order < -1)
			return order + 1;
		if (order == 0)
			return 1;
		*at = order < 0 ? &n->left : &n->right;
	}
	return 0;
}

/* The rest of the way, and the change, with the lock. */
static int tree_add(struct shared *sh, uint32_t *at, const struct shared_file *f, const char *text, uint32_t *id)
{
	int r = tree_descend(sh, &at, f, id);

	if (r < 0)
		return r;
	if (r > 0) {
		item_take_over(shared_item(sh, &sh->same, *id), f);
		return 0;
	}
	*id = item_new(sh, f, text);
	__atomic_store_n(at, *id, __ATOMIC_RELEASE);
	return *id ? 0 : -ENOMEM;
}

int same_add(struct shared *sh, const struct shared_file *f, const char *text, uint32_t *id)
{
	uint32_t b = bucket(f->dev, f->ino), *at = &sh->table->same[b].root;
	int r = tree_descend(sh, &at, f, id);

	if (r < 0)
		return r;
	if (r > 0) {
		const struct shared_file *n = shared_item(sh, &sh->same, *id);

		if (__atomic_load_n(&n->process, __ATOMIC_RELAXED) <= f->process)
			return 0;
	}
	r = shared_lock(sh, &sh->table->same[b].lock);
	if (r < 0) {
		*id = 0;
		return r;
	}
	r = tree_add(sh, at, f, text, id);
	shared_unlock(&sh->table->same[b].lock);
	return r;
}

void same_add_std(struct shared *sh, uint32_t id, int number)
{
	struct shared_file *n = same_get(sh, id);
	uint32_t *lock;

	if (!n || __atomic_load_n(&n->std_process, __ATOMIC_RELAXED) < sh->index)
		return;
	lock = &sh->table->same[bucket(n->dev, n->ino)].lock;
	if (shared_lock(sh, lock) < 0)
		return;
	if (sh->index < n->std_process) {
		n->std = 0;
		__atomic_store_n(&n->std_process, sh->index, __ATOMIC_RELAXED);
	}
	if (n->std_process == sh->index)
		n->std |= 1u << number;
	shared_unlock(lock);
}

void same_each(struct shared *sh, uint64_t dev, uint64_t ino, void (*fn)(void *arg, uint32_t id), void *arg)
{
	uint32_t up[256], depth = 0, at = sh->table->same[bucket(dev, ino)].root;

	/* Those of one inode are neighbours in the order: below the first of them that is met. */
	while (at || depth) {
		struct shared_file *n = shared_item(sh, &sh->same, at ? at : up[--depth]);
		int order = n ? inode_order(n, KCMP_FILE, dev, ino) : 0;

		if (!n)
			return;
		if (at && order == 0 && depth < ARRAY_SIZE(up)) {
			up[depth++] = at;
			at = n->left;
		} else if (at) {
			at = order > 0 ? n->left : n->right;
		} else {
			fn(arg, up[depth]);
			at = n->right;
		}
	}
}

int same_link(struct shared *sh, const struct shared_file *f, char *text, size_t n)
{
	int r = 0;

	if (f->link_len >= n)
		return -ENAMETOOLONG;
	if (f->link_len > sizeof(f->link))
		r = io_pread(sh->fd, text, f->link_len, SHARED_TEXT + f->link_at);
	else
		__builtin_memcpy(text, f->link, f->link_len);
	text[f->link_len] = 0;
	return r;
}
