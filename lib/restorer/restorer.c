/*
 * The restorer: turns the process that ckpt_restart has prepared (namespaces, pid, descriptors) into
 * the program of the image. It runs in memory that neither of them uses, without libc.
 *
 *   vdso and vvar aside | unmap everything else | map areas | load contents, in parallel | patch code |
 *   protections and advice | vdso and vvar home | prctl(PR_SET_MM_MAP) | threads | resume
 *
 * From the first unmap on there is no way back: an error is told on log_fd and ends the process with
 * status 125, before the program has run an instruction.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "core.h"
#include "image.h"
#include "handover.h"

#define HIDDEN __attribute__((visibility("hidden")))

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* Linux 6.11 */
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

void context_resume(const struct context *c) HIDDEN __attribute__((noreturn));
long thread_start(struct clone_args *args, size_t size, const struct context *c) HIDDEN;
void restorer_main(struct restore_plan *pl) HIDDEN __attribute__((noreturn, used));

static void __attribute__((noreturn)) fail(struct restore_plan *pl, const char *what, uint64_t addr,
					   long err)
{
	char buf[256];
	struct text t = TEXT(buf);

	text_put(&t, "ckpt_restart: cannot %s %lx: %s\n", what, (unsigned long)addr,
		 errno_name((int)err));
	io_write(pl->log_fd, buf, t.len);
	sys_exit_group(125);
	__builtin_unreachable();
}

/* ---- address space ---- */

static void special_move(struct restore_plan *pl, bool home)
{
	uint64_t at = pl->staging;

	for (uint32_t i = 0; i < pl->nspecial; i++) {
		uint64_t from = home ? at : pl->special[i].from;
		uint64_t to = home ? pl->special[i].to : at;
		uint64_t len = pl->special[i].len;
		void *p;

		at += len;
		if (home && !to)
			continue;
		p = sys_mremap((void *)from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
		if (sys_is_err(p))
			fail(pl, "move the vdso to", to, (long)p);
	}
}

static void unmap_rest(struct restore_plan *pl)
{
	uint64_t end = pl->region_start + pl->region_len;

	sys_munmap(NULL, pl->region_start);
	sys_munmap((void *)end, pl->task_size - end);
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
	return sys_mmap((void *)v->start, v->end - v->start, prot, flags, v->fd,
			v->fd < 0 ? 0 : v->offset);
}

static void area_map(struct restore_plan *pl, const struct plan_vma *v)
{
	void *p = (void *)-EINVAL;

	if (v->flags & VMA_DROPPABLE) /* an older kernel has none; that it drops nothing is no difference */
		p = area_mmap(v, MAP_DROPPABLE);
	if (p == (void *)-EINVAL)
		p = area_mmap(v, v->flags & VMA_SHARED ? MAP_SHARED : MAP_PRIVATE);
	if (sys_is_err(p))
		fail(pl, "map the area at", v->start, (long)p);
	if (p != (void *)v->start)
		fail(pl, "map the area at", v->start, -EEXIST);
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

static void area_finish(struct restore_plan *pl, const struct plan_vma *v)
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
		fail(pl, "protect the area at", v->start, r);
	if (v->flags & VMA_LOCKED)
		sys_call3(__NR_mlock2, p, len, v->flags & VMA_LOCKONFAULT ? MLOCK_ONFAULT : 0);
}

static void seal_all(struct restore_plan *pl)
{
	for (uint32_t i = 0; i < pl->nseals; i++) {
		int r = sys_fcntl(pl->seals[i].fd, F_ADD_SEALS, pl->seals[i].seals);

		if (r < 0)
			fail(pl, "seal the memory of descriptor (hex)", pl->seals[i].fd, r);
	}
}

/* ---- contents ---- */

struct loader {
	struct restore_plan *pl;
	uint8_t *work; /* decompressor, then stored bytes, then raw bytes */
	long pid;
};

/* The first extent of another chunk, at or behind i. */
static uint32_t chunk_end(const struct restore_plan *pl, uint32_t i)
{
	uint32_t c = pl->extents[i].chunk;

	while (i < pl->nextents && pl->extents[i].chunk == c)
		i++;
	return i;
}

/* Take the extents of one chunk: the counter goes from chunk to chunk. */
static bool chunk_take(struct restore_plan *pl, uint32_t *first, uint32_t *end)
{
	uint32_t i = __atomic_load_n(&pl->next, __ATOMIC_RELAXED);

	do {
		if (i >= pl->nextents)
			return false;
		*first = i;
		*end = chunk_end(pl, i);
	} while (!__atomic_compare_exchange_n(&pl->next, &i, *end, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static void chunk_load(struct loader *l, uint32_t first, uint32_t end)
{
	struct restore_plan *pl = l->pl;
	const struct image_extent *e = &pl->extents[first];
	const struct image_chunk *c = &pl->chunks[e->chunk];
	uint8_t *stored = l->work + image_dctx_size(), *raw = stored + IMAGE_CHUNK_MAX;
	bool direct = end == first + 1 && e->chunk_offset == 0 && e->len == c->raw;
	int r;

	if (direct)
		raw = (uint8_t *)e->start;
	if (c->stored == c->raw) {
		r = io_pread(pl->image_fd, raw, c->raw, c->offset);
	} else {
		r = io_pread(pl->image_fd, stored, c->stored, c->offset);
		if (r == 0)
			r = image_unpack(l->work, c, stored, raw);
	}
	if (r < 0)
		fail(pl, "load memory at", e->start, r);
	for (uint32_t i = first; !direct && i < end; i++)
		__builtin_memcpy((void *)pl->extents[i].start, raw + pl->extents[i].chunk_offset,
				 pl->extents[i].len);
}

static int load_chunks(void *arg)
{
	struct loader *l = arg;
	uint32_t first, end;

	if (!image_dctx(l->work, image_dctx_size()))
		fail(l->pl, "make a decompressor at", (uint64_t)l->work, -ENOMEM);
	while (chunk_take(l->pl, &first, &end))
		chunk_load(l, first, end);
	return 0;
}

/* Loaders are tasks that share memory and descriptors, waited for before threads are made. */
static void load_all(struct restore_plan *pl)
{
	enum { MAX = 16 };
	struct loader l[MAX];
	int n = pl->nworkers < MAX ? pl->nworkers : MAX;
	int status;

	for (int i = 0; i < n; i++) {
		l[i] = (struct loader){pl, pl->work + i * pl->work_size, 0};
		if (i > 0)
			l[i].pid = clone_on_stack(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND,
					      l[i].work + pl->work_size, load_chunks, &l[i]);
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

/* ---- the process ---- */

static void mm_set(struct restore_plan *pl)
{
	struct prctl_mm_map map = {
		.start_code = pl->mm.start_code,   .end_code = pl->mm.end_code,
		.start_data = pl->mm.start_data,   .end_data = pl->mm.end_data,
		.start_brk = pl->mm.start_brk,	   .brk = pl->mm.brk,
		.start_stack = pl->mm.start_stack, .arg_start = pl->mm.arg_start,
		.arg_end = pl->mm.arg_end,	   .env_start = pl->mm.env_start,
		.env_end = pl->mm.env_end,	   .auxv = (void *)pl->auxv,
		.auxv_size = pl->auxv_len,	   .exe_fd = pl->exe_fd,
	};
	int r = sys_prctl(PR_SET_MM, PR_SET_MM_MAP, (unsigned long)&map, sizeof(map), 0);

	if (r < 0)
		fail(pl, "set the memory layout, brk", map.brk, r);
}

static void control_fill(struct restore_plan *pl)
{
	struct restart_control *c = (struct restart_control *)pl->control;

	if (c->magic != RESTART_CONTROL_MAGIC)
		fail(pl, "find libckpt at", pl->control, -ENOENT);
	c->restarted = 1;
	c->blob_start = pl->region_start;
	c->blob_len = pl->region_len;
	c->drop_caps = pl->drop_caps;
	c->vdso_start = pl->vdso_start;
	c->vdso_len = pl->vdso_len;
	c->log_fd = pl->log_fd;
	c->main_exited = c->main_word = pl->main_exited;
	str_copy(c->socket, pl->socket, sizeof(c->socket));
}

static void thread_make(struct restore_plan *pl, const struct plan_thread *t)
{
	pid_t tid = t->tid;
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM | CLONE_SETTLS,
		.tls = t->fs_base,
		.set_tid = (uint64_t)&tid,
		.set_tid_size = 1,
	};
	long r = thread_start(&a, sizeof(a), &t->context);

	if (r < 0)
		fail(pl, "make the thread with the id (hex)", tid, r);
}

void restorer_main(struct restore_plan *pl)
{
	const struct plan_thread *self = NULL;

	sys_call2(__NR_arch_prctl, ARCH_SET_FS, pl->tls);
	special_move(pl, false);
	unmap_rest(pl);
	for (uint32_t i = 0; i < pl->nvmas; i++)
		area_map(pl, &pl->vmas[i]);
	load_all(pl);
	for (uint32_t i = 0; i < pl->npatches; i++)
		__builtin_memcpy((void *)pl->patches[i].addr, pl->patches[i].code, pl->patches[i].len);
	for (uint32_t i = 0; i < pl->nvmas; i++)
		area_finish(pl, &pl->vmas[i]);
	for (uint32_t i = 0; i < pl->nguards; i++)
		sys_madvise((void *)pl->guards[i].start, pl->guards[i].end - pl->guards[i].start,
			    MADV_GUARD_INSTALL);
	seal_all(pl);
	special_move(pl, true);
	mm_set(pl);
	control_fill(pl);
	sys_call3(__NR_close_range, pl->log_fd + 1, ~0u, 0);
	for (uint32_t i = 0; i < pl->nthreads; i++) {
		if (pl->threads[i].tid == pl->pid)
			self = &pl->threads[i];
		else
			thread_make(pl, &pl->threads[i]);
	}
	if (!self) { /* the main thread had ended: so does this one */
		sys_call1(__NR_set_tid_address, &((struct restart_control *)pl->control)->main_word);
		for (;;)
			sys_call1(__NR_exit, 0);
	}
	sys_call2(__NR_arch_prctl, ARCH_SET_FS, self->fs_base);
	context_resume(&self->context);
}
