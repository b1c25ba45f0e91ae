/*
 * Memory of a process: areas, their content, and what the kernel knows of the layout. Areas are mapped with
 * what they had from the start; protection and advice follow when the content, and all children that
 * share it, are there.
 */
#include <errno.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "restorer.h"
#include "sysv.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* Linux 6.11 */
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* ---- address space ---- */

/* To staging, where places is NULL; from there each to its place, 0: to none. */
static void special_move(struct restore_job *job, const uint64_t *places)
{
	uint64_t at = job->staging;

	for (uint32_t i = 0; i < job->nspecial; i++) {
		uint64_t len = job->special[i].len;
		uint64_t from = places ? at : job->special[i].from;
		uint64_t to = places ? places[i] : at;
		void *p;

		at += len;
		if (!to)
			continue;
		p = sys_mremap((void *)from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
		if (sys_is_err(p))
			fail(job, "move the vdso to", to, (long)p);
	}
}

void memory_clear(struct restore_job *job)
{
	uint64_t end = job->region_start + job->region_len;

	if (!job->staged)
		special_move(job, NULL);
	sys_munmap(NULL, job->region_start);
	sys_munmap((void *)end, job->task_size - end);
	job->staged = 1;
}

static void *area_mmap(const struct plan_vma *v, int type)
{
	int flags = MAP_FIXED_NOREPLACE | type;
	int prot = v->flags & VMA_SHARED ? v->prot : v->prot | PROT_WRITE;

	if (v->fd < 0)
		flags |= MAP_ANONYMOUS;
	if (v->flags & VMA_GROWSDOWN)
		flags |= MAP_GROWSDOWN;
	if (v->flags & VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	if (v->flags & VMA_HUGETLB && v->fd < 0) /* the logarithm of the size of its pages says which */
		flags |= MAP_HUGETLB | (__builtin_ctz(v->page_kb) + 10) << MAP_HUGE_SHIFT;
	return sys_mmap((void *)v->start, v->end - v->start, prot, flags, v->fd,
			v->fd < 0 ? 0 : v->offset);
}

static void area_map(struct restore_job *job, const struct plan_vma *v)
{
	void *p = (void *)-EINVAL;

	if (v->flags & VMA_DROPPABLE) /* an older kernel has none; that it drops nothing is no difference */
		p = area_mmap(v, MAP_DROPPABLE);
	if (p == (void *)-EINVAL)
		p = area_mmap(v, v->flags & VMA_SHARED ? MAP_SHARED : MAP_PRIVATE);
	if (sys_is_err(p))
		fail(job, "map the area at", v->start, (long)p);
	if (p != (void *)v->start)
		fail(job, "map the area at", v->start, -EEXIST);
	/* Before the contents come: they then lie in huge pages, or not, as they did. */
	if (v->flags & VMA_HUGEPAGE)
		sys_madvise(p, v->end - v->start, MADV_HUGEPAGE);
	if (v->flags & VMA_NOHUGEPAGE)
		sys_madvise(p, v->end - v->start, MADV_NOHUGEPAGE);
}

static const struct {
	uint32_t flag;
	int advice;
} advices[] = {
	{VMA_DONTFORK, MADV_DONTFORK},	   {VMA_WIPEONFORK, MADV_WIPEONFORK},
	{VMA_DONTDUMP, MADV_DONTDUMP},	   {VMA_SEQUENTIAL, MADV_SEQUENTIAL},
	{VMA_RANDOM, MADV_RANDOM},	   {VMA_MERGEABLE, MADV_MERGEABLE},
};

static void area_finish(struct restore_job *job, const struct plan_vma *v)
{
	void *p = (void *)v->start;
	size_t len = v->end - v->start;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		if (v->flags & advices[i].flag)
			sys_madvise(p, len, advices[i].advice);
	if (!(v->flags & VMA_SHARED) && !(v->prot & PROT_WRITE))
		r = sys_mprotect(p, len, v->prot);
	if (r < 0)
		fail(job, "protect the area at", v->start, r);
	if (v->flags & VMA_LOCKED)
		sys_call3(__NR_mlock2, p, len, v->flags & VMA_LOCKONFAULT ? MLOCK_ONFAULT : 0);
}

/* ---- contents ---- */

struct loader {
	struct restore_job *job;
	const struct restore_plan *plan;
	uint8_t *work; /* decompressor, then stored bytes, then raw bytes */
	long pid;
};

/* The first extent of another chunk, at or behind i. */
static uint32_t chunk_end(const struct restore_plan *p, uint32_t i)
{
	uint32_t c = p->extents[i].chunk;

	while (i < p->nextents && p->extents[i].chunk == c)
		i++;
	return i;
}

/* Take the extents of one chunk: the counter goes from chunk to chunk. */
static bool chunk_take(struct loader *l, uint32_t *first, uint32_t *end)
{
	uint32_t i = __atomic_load_n(&l->job->next, __ATOMIC_RELAXED);

	do {
		if (i >= l->plan->nextents)
			return false;
		*first = i;
		*end = chunk_end(l->plan, i);
	} while (!__atomic_compare_exchange_n(&l->job->next, &i, *end, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static void chunk_load(struct loader *l, uint32_t first, uint32_t end)
{
	struct restore_job *job = l->job;
	const struct image_extent *e = &l->plan->extents[first];
	const struct image_chunk *c = &job->chunks[e->chunk];
	uint8_t *stored = l->work + image_dctx_size(), *raw = stored + IMAGE_STORED_MAX;
	bool direct = end == first + 1 && e->chunk_offset == 0 && e->len == c->raw;
	int r = fault(FAULT_RESTORER_LOAD);

	if (r < 0)
		fail(job, "load memory at", e->start, r);
	if (direct)
		raw = (uint8_t *)e->start;
	if (!job->key.on && image_chunk_is_plain(&job->key, c))
		r = io_pread(job->image_fd, raw, c->raw, c->offset);
	else
		r = image_load_chunk(job->image_fd, &job->key, c, l->work, stored, raw);
	if (r < 0)
		fail(job, "load memory at", e->start, r);
	for (uint32_t i = first; !direct && i < end; i++)
		__builtin_memcpy((void *)l->plan->extents[i].start, raw + l->plan->extents[i].chunk_offset,
				 l->plan->extents[i].len);
}

static int load_chunks(void *arg)
{
	struct loader *l = arg;
	uint32_t first, end;

	if (!image_dctx(l->work, image_dctx_size()))
		fail(l->job, "make a decompressor at", (uint64_t)l->work, -ENOMEM);
	while (chunk_take(l, &first, &end))
		chunk_load(l, first, end);
	return 0;
}

/* Loaders are tasks that share memory and descriptors, waited for before threads are made. */
static void load_all(struct restore_job *job, const struct restore_plan *p)
{
	enum { MAX = 16 };
	struct loader l[MAX];
	int n = job->nworkers < MAX ? job->nworkers : MAX;
	int status;

	job->next = 0;
	if (job->key.on)
		image_crypto_init();
	if (p->nextents < (uint32_t)n)
		n = p->nextents ? p->nextents : 1;

	for (int i = 0; i < n; i++) {
		l[i] = (struct loader){job, p, job->work + i * job->work_size, 0};
		if (i > 0)
			l[i].pid = clone_on_stack(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND,
					      l[i].work + job->work_size, load_chunks, &l[i]);
	}
	load_chunks(&l[0]);
	for (int i = 1; i < n; i++) {
		if (l[i].pid < 0)
			continue;
		while (sys_call4(__NR_wait4, l[i].pid, &status, __WALL, NULL) == -EINTR)
			;
		if (status)
			sys_exit_group(125);
	}
}

void memory_load(struct restore_job *job, const struct restore_plan *p)
{
	uint64_t at = 0;
	long r;

	for (uint32_t i = 0; i < p->ndrops; i++)
		sys_munmap((void *)p->drops[i].start, p->drops[i].end - p->drops[i].start);
	r = sysv_attach(p->maps, p->nmaps, &at);
	if (r < 0)
		fail(job, "attach the SysV shared memory at", at, r);
	for (uint32_t i = 0; i < p->nmaps; i++)
		if (!(p->maps[i].flags & VMA_SYSV))
			area_map(job, &p->maps[i]);
	for (uint32_t i = 0; i < p->nzeros; i++)
		sys_madvise((void *)p->zeros[i].start, p->zeros[i].end - p->zeros[i].start, MADV_DONTNEED);
	load_all(job, p);
}

/* ---- the rest ---- */

static void mm_set(struct restore_job *job, const struct restore_plan *p)
{
	struct prctl_mm_map map = {
		.start_code = p->mm.start_code,   .end_code = p->mm.end_code,
		.start_data = p->mm.start_data,   .end_data = p->mm.end_data,
		.start_brk = p->mm.start_brk,	   .brk = p->mm.brk,
		.start_stack = p->mm.start_stack, .arg_start = p->mm.arg_start,
		.arg_end = p->mm.arg_end,	   .env_start = p->mm.env_start,
		.env_end = p->mm.env_end,	   .auxv = (void *)p->auxv,
		.auxv_size = p->auxv_len,	   .exe_fd = p->exe_fd,
	};
	int r = sys_prctl(PR_SET_MM, PR_SET_MM_MAP, (unsigned long)&map, sizeof(map), 0);

	if (r < 0)
		fail(job, "set the memory layout, brk", map.brk, r);
}

void memory_finish(struct restore_job *job, const struct restore_plan *p)
{
	for (uint32_t i = 0; i < p->npatches; i++)
		__builtin_memcpy((void *)p->patches[i].addr, p->patches[i].code, p->patches[i].len);
	for (uint32_t i = 0; i < p->nvmas; i++)
		area_finish(job, &p->vmas[i]);
	for (uint32_t i = 0; i < p->nguards; i++)
		sys_madvise((void *)p->guards[i].start, p->guards[i].end - p->guards[i].start,
			    MADV_GUARD_INSTALL);
	special_move(job, p->special_to);
	mm_set(job, p);
}
