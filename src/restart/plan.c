/*
 * Memory: what is to be mapped where, from which file, and which bytes the image must give. The plan and
 * the restorer lie together in one region that neither this process nor the program uses; once
 * everything of ours is checked and open, control goes there and does not come back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "descriptors.h"
#include "die.h"
#include "region.h"
#include "restart.h"
#include "vdso.h"

enum {
	STACK_SIZE = 256 << 10,
	LOADER_STACK = 64 << 10,
	LOADERS_MAX = 8,
};

/* What is known while the plan is made. */
struct planner {
	struct restart *r;
	struct plugin_ctx *descriptors;
	struct restore_plan plan;
	struct rec_vma *vma; /* as recorded, one for each plan.vmas; guards are not among them */
	char **path;
	bool *need_text; /* the file is not what it was: its bytes come from the image */
	struct special {
		uint64_t start, len;
		bool is_vdso; /* code, not data */
	} old_special[8], own_special[8];
	uint32_t nold, nown;
	bool other_kernel; /* the vdso recorded is not this kernel's */
};

static void *alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

int fd_raise(struct restart *r, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, r->log_fd + 1);

	if (high < 0)
		die("cannot have another descriptor:");
	close(fd);
	return high;
}

/* ---- areas ---- */

/* A file is what it was when it was mapped; what is mapped shared may have been written since. */
static bool file_same(const struct rec_vma *v, const struct stat *st)
{
	if (st->st_dev != v->dev || st->st_ino != v->ino)
		return false;
	if (v->flags & VMA_SHARED)
		return true;
	return (uint64_t)st->st_size == v->file_size &&
	       st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec == v->file_mtime_ns;
}

/* A descriptor of the file, shared with the area before when that maps the same file. */
static int file_open(struct planner *pl, uint32_t i, int flags)
{
	struct stat st;
	int fd;

	if (i > 0 && pl->plan.vmas[i - 1].fd >= 0 && pl->vma[i - 1].ino == pl->vma[i].ino &&
	    pl->vma[i - 1].dev == pl->vma[i].dev && !((pl->vma[i - 1].flags ^ pl->vma[i].flags) & VMA_SHARED))
		return pl->plan.vmas[i - 1].fd;
	fd = open(pl->path[i], flags | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (flags == O_RDONLY && (fstat(fd, &st) < 0 || !file_same(&pl->vma[i], &st))) {
		close(fd);
		errno = ESTALE;
		return -1;
	}
	return fd_raise(pl->r, fd);
}

static void plan_file(struct planner *pl, uint32_t i)
{
	struct plan_vma *p = &pl->plan.vmas[i];
	const struct rec_vma *v = &pl->vma[i];

	if (v->flags & VMA_DELETED && !(v->flags & VMA_SHARED))
		return;
	p->fd = file_open(pl, i, O_RDONLY);
	if (p->fd >= 0)
		return;
	if (v->flags & VMA_HAS_TEXT) {
		/* Another file is under that name now: what was mapped for reading becomes memory. */
		pl->need_text[i] = true;
		pl->vma[i].flags &= ~VMA_SHARED;
		p->flags &= ~VMA_SHARED;
	} else if (v->prot & PROT_READ || v->flags & VMA_SHARED)
		die("%s, which the program has mapped, %s", pl->path[i],
		    errno == ESTALE ? "has changed since the checkpoint" : strerror(errno));
}

static void plan_area(struct planner *pl, uint32_t i)
{
	struct plan_vma *p = &pl->plan.vmas[i];
	const struct rec_vma *v = &pl->vma[i];

	*p = (struct plan_vma){v->start, v->end, v->offset, v->prot, v->flags, -1, 0};
	if (v->flags & VMA_OBJECT) {
		p->fd = object_fd(pl->descriptors, v->object);
		if (p->fd < 0)
			exit(STATUS_OWN);
	} else if (v->flags & VMA_FILE) {
		plan_file(pl, i);
	}
}

static bool area_plausible(const struct rec_vma *v, uint64_t above)
{
	return v->start < v->end && v->start >= above && v->end <= TASK_END &&
	       v->start % CKPT_PAGE == 0 && v->end % CKPT_PAGE == 0;
}

/* Sort the records of areas: those to be mapped, guards, and the kernel's own. */
static void areas_read(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->r->records, pl->r->records_len);
	uint64_t above = 0;
	const struct rec *rec;
	uint32_t n = 0;

	while (rec_next_type(&it, REC_VMA))
		n++;
	pl->vma = alloc(n, sizeof(*pl->vma));
	pl->path = alloc(n, sizeof(*pl->path));
	pl->need_text = alloc(n, sizeof(*pl->need_text));
	pl->plan.vmas = alloc(n, sizeof(*pl->plan.vmas));
	pl->plan.guards = alloc(n, sizeof(*pl->plan.guards));
	it = rec_iter(pl->r->records, pl->r->records_len);
	while ((rec = rec_next_type(&it, REC_VMA))) {
		struct rec_vma v;
		size_t len;

		rec_get(rec, &v, sizeof(v));
		if (!area_plausible(&v, v.flags & VMA_GUARD ? 0 : above))
			die("%s: damaged: area %lx-%lx", pl->r->path, (long)v.start, (long)v.end);
		if (v.flags & VMA_GUARD) {
			pl->plan.guards[pl->plan.nguards++] = (struct plan_range){v.start, v.end};
			continue;
		}
		above = v.end;
		if (v.flags & (VMA_VDSO | VMA_VVAR)) {
			if (!pl->other_kernel || v.flags & VMA_VVAR)
				continue;
			v.flags = 0; /* ordinary memory from now on */
		}
		pl->vma[pl->plan.nvmas] = v;
		pl->path[pl->plan.nvmas++] = (char *)rec_extra(rec, sizeof(v), &len);
	}
}

/* ---- vdso ---- */

static void special_add(struct special *list, uint32_t *n, uint64_t start, uint64_t end, bool is_vdso)
{
	if (*n == 8)
		die("too many vdso areas");
	list[(*n)++] = (struct special){start, end - start, is_vdso};
}

static void own_special_read(struct planner *pl, uint64_t *hash)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[CKPT_PATH_MAX + 128];

	if (!f)
		die("cannot read /proc/self/maps:");
	while (fgets(line, sizeof(line), f)) {
		bool is_vdso = strstr(line, "[vdso]");
		uint64_t start, end;

		if ((!is_vdso && !strstr(line, "[vvar")) || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		special_add(pl->own_special, &pl->nown, start, end, is_vdso);
		if (is_vdso)
			*hash = image_checksum((void *)start, end - start);
	}
	fclose(f);
}

static void old_special_read(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->r->records, pl->r->records_len);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_VMA))) {
		struct rec_vma v;

		rec_get(rec, &v, sizeof(v));
		if (!(v.flags & (VMA_VDSO | VMA_VVAR)))
			continue;
		if (!area_plausible(&v, 0))
			die("%s: damaged: area %lx-%lx", pl->r->path, (long)v.start, (long)v.end);
		special_add(pl->old_special, &pl->nold, v.start, v.end, v.flags & VMA_VDSO);
	}
}

/* The kernel's areas, recorded and of this process: is it the same kernel? */
static void specials_read(struct planner *pl)
{
	uint64_t hash = 0;

	own_special_read(pl, &hash);
	old_special_read(pl);
	pl->other_kernel = pl->nold != pl->nown || hash != pl->r->process.vdso_hash;
	for (uint32_t i = 0; i < pl->nold && !pl->other_kernel; i++)
		pl->other_kernel = pl->old_special[i].len != pl->own_special[i].len;
}

/* The areas go to `to` and above, with the distances they have; at the same places where to is 0. */
static void specials_place(struct planner *pl, uint64_t to)
{
	for (uint32_t i = 0; i < pl->nown; i++) {
		const struct special *own = &pl->own_special[i];

		pl->plan.special[i].from = own->start;
		pl->plan.special[i].len = own->len;
		pl->plan.special[i].to = to ? to + (own->start - pl->own_special[0].start)
					    : pl->old_special[i].start;
	}
	pl->plan.nspecial = pl->nown;
}

/* Copy what extent e has of the area into buf; bytes copied. */
static uint64_t extent_read(struct planner *pl, const struct image_extent *e, const struct special *area,
			    uint8_t *buf)
{
	const struct image_chunk *c = &pl->r->image.chunks[e->chunk];
	uint64_t area_end = area->start + area->len;
	uint64_t from = e->start > area->start ? e->start : area->start;
	uint64_t end = e->start + e->len < area_end ? e->start + e->len : area_end;
	uint8_t *stored = alloc(2, IMAGE_CHUNK_MAX), *raw = stored + IMAGE_CHUNK_MAX;
	void *dctx = alloc(1, image_dctx_size());
	int r = image_verify_chunk(pl->r->image_fd, c, stored);

	if (r == 0)
		r = image_unpack(image_dctx(dctx, image_dctx_size()), c, stored, raw);
	if (r < 0)
		die("%s: the vdso can't be read: %s", pl->r->path, errno_name(r));
	memcpy(buf + (from - area->start), raw + e->chunk_offset + (from - e->start), end - from);
	free(dctx);
	free(stored);
	return end - from;
}

/* The recorded vdso, from the image. Dies where that does not have it. */
static void *old_vdso_read(struct planner *pl, const struct special *area)
{
	uint8_t *image = alloc(1, area->len);
	uint64_t found = 0;

	for (size_t i = 0; i < pl->r->nextents; i++) {
		const struct image_extent *e = &pl->r->extents[i];

		if (e->stream == STREAM_MEMORY && e->start < area->start + area->len &&
		    e->start + e->len > area->start)
			found += extent_read(pl, e, area, image);
	}
	if (found != area->len)
		die("%s: made under another kernel (%s), and without its vdso", pl->r->path,
		    pl->r->job.kernel);
	return image;
}

/* A thread in the middle of the old vdso can't go on: the data it reads is not there any more. */
static void threads_outside(struct planner *pl, const struct special *area)
{
	struct rec_iter it = rec_iter(pl->r->records, pl->r->records_len);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_THREAD))) {
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		if (t.app_rip - area->start < area->len)
			die("%s: thread %d was inside of the vdso of %s, which is not this kernel's: another "
			    "generation will do", pl->r->path, t.tid, pl->r->job.kernel);
	}
}

/* The program's way from the functions that it knows to those of this kernel. */
static void redirect_functions(struct planner *pl)
{
	struct vdso old = {NULL, 0, 0}, now = {NULL, 0, 0};
	char buf[256];
	struct text why = TEXT(buf);
	int n;

	for (uint32_t i = 0; i < pl->nown; i++)
		if (pl->own_special[i].is_vdso)
			now = (struct vdso){(void *)pl->own_special[i].start, pl->own_special[i].len,
					    pl->plan.special[i].to};
	for (uint32_t i = 0; i < pl->nold; i++) {
		const struct special *area = &pl->old_special[i];

		if (!area->is_vdso)
			continue;
		threads_outside(pl, area);
		old = (struct vdso){old_vdso_read(pl, area), area->len, area->start};
	}
	if (!old.len)
		return; /* the program knows of none */
	pl->plan.patches = alloc(VDSO_PATCHES_MAX, sizeof(*pl->plan.patches));
	n = vdso_redirect(&old, &now, pl->plan.patches, &why);
	if (n < 0)
		die("%s: made under another kernel (%s): %s", pl->r->path, pl->r->job.kernel, buf);
	pl->plan.npatches = n;
	free((void *)old.image);
}

/* Addresses that nothing else will have, for this kernel's areas beside those of the other. */
static uint64_t specials_hole(struct planner *pl, struct region *g)
{
	const struct special *first = &pl->own_special[0], *last = &pl->own_special[pl->nown - 1];
	uint64_t span = last->start + last->len - first->start;
	uint64_t to = region_hole(g, span);

	region_avoid(g, to, to + span);
	return to;
}

static void plan_special(struct planner *pl, struct region *g)
{
	specials_place(pl, pl->other_kernel && pl->nown ? specials_hole(pl, g) : 0);
	if (pl->other_kernel)
		redirect_functions(pl);
	for (uint32_t i = 0; i < pl->nown; i++) {
		if (!pl->own_special[i].is_vdso)
			continue;
		pl->plan.vdso_start = pl->plan.special[i].to;
		pl->plan.vdso_len = pl->plan.special[i].len;
	}
}

/* ---- contents ---- */

/* True when [start, start + len) lies in an area that needs its text. */
static bool text_needed(const struct planner *pl, uint64_t start)
{
	uint32_t lo = 0, hi = pl->plan.nvmas;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (pl->vma[mid].end <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < pl->plan.nvmas && pl->vma[lo].start <= start && pl->need_text[lo];
}

/* The vdso is saved for other kernels; under the same one it is there. */
static bool is_own_vdso(const struct planner *pl, uint64_t start)
{
	for (uint32_t i = 0; i < pl->nold && !pl->other_kernel; i++)
		if (start - pl->old_special[i].start < pl->old_special[i].len)
			return true;
	return false;
}

/* Every byte must go into an area: the restorer writes where it is told. */
static bool inside_areas(const struct planner *pl, uint64_t start, uint64_t len)
{
	uint64_t end = start + len;

	if (end < start)
		return false;
	for (uint32_t i = 0; i < pl->plan.nvmas && start < end; i++)
		if (pl->vma[i].start <= start && start < pl->vma[i].end &&
		    !(pl->vma[i].flags & VMA_SHARED))
			start = pl->vma[i].end;
	return start >= end;
}

static int by_chunk(const void *a, const void *b)
{
	const struct image_extent *x = a, *y = b;

	return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

static void plan_contents(struct planner *pl)
{
	struct image_extent *out = alloc(pl->r->nextents, sizeof(*out));
	uint32_t n = 0;

	for (size_t i = 0; i < pl->r->nextents; i++) {
		const struct image_extent *e = &pl->r->extents[i];

		if (e->stream == STREAM_FILE_TEXT ? !text_needed(pl, e->start) : e->stream != STREAM_MEMORY)
			continue;
		if (is_own_vdso(pl, e->start))
			continue;
		if (!inside_areas(pl, e->start, e->len))
			die("%s: damaged: contents outside of memory at %lx", pl->r->path, (long)e->start);
		out[n++] = *e;
	}
	qsort(out, n, sizeof(*out), by_chunk);
	pl->plan.extents = out;
	pl->plan.nextents = n;
	pl->plan.chunks = pl->r->image.chunks;
	pl->plan.nchunks = pl->r->image.nchunks;
}

/* ---- threads ---- */

static void plan_threads(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->r->records, pl->r->records_len);
	const struct rec *rec;

	pl->plan.threads = alloc(pl->r->process.nthreads, sizeof(*pl->plan.threads));
	while ((rec = rec_next_type(&it, REC_THREAD)) && pl->plan.nthreads < pl->r->process.nthreads) {
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		pl->plan.threads[pl->plan.nthreads++] =
			(struct plan_thread){t.tid, t.flags, t.fs_base, t.gs_base, t.context};
	}
	if (pl->plan.nthreads != pl->r->process.nthreads)
		die("%s: damaged: threads are missing", pl->r->path);
}

/* Sealed memory is sealed again when its areas are mapped: a seal may forbid mapping it for writing. */
static void plan_seals(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->r->records, pl->r->records_len);
	const struct rec *rec;
	struct rec_object o;
	uint32_t n = 0;

	while ((rec = rec_next_type(&it, REC_OBJECT)))
		n++;
	pl->plan.seals = alloc(n, sizeof(*pl->plan.seals));
	it = rec_iter(pl->r->records, pl->r->records_len);
	while ((rec = rec_next_type(&it, REC_OBJECT))) {
		rec_get(rec, &o, sizeof(o));
		if (o.kind == OBJECT_MEMFD && o.seals)
			pl->plan.seals[pl->plan.nseals++] =
				(struct plan_seal){object_fd(pl->descriptors, o.id), o.seals};
	}
}

/* ---- the process ---- */

static void plan_process(struct planner *pl)
{
	struct restart *r = pl->r;
	size_t len;
	int fd;

	pl->plan.image_fd = r->image_fd;
	pl->plan.log_fd = r->log_fd;
	pl->plan.pid = r->process.pid;
	pl->plan.mm = r->process.mm;
	pl->plan.main_exited = r->process.main_exited;
	pl->plan.drop_caps = r->in_userns;
	pl->plan.control = r->process.control;
	pl->plan.task_size = TASK_END;
	pl->plan.auxv = (uint8_t *)state_string(r, STRING_AUXV, &len);
	pl->plan.auxv_len = len;
	str_copy(pl->plan.socket, r->socket, sizeof(pl->plan.socket));
	fd = open(state_string(r, STRING_EXE, NULL), O_RDONLY | O_CLOEXEC);
	pl->plan.exe_fd = fd < 0 ? -1 : fd_raise(r, fd);
}

/* A directory that is gone is made anew and removed again, where that can be done. */
static void cwd_restore(struct restart *r)
{
	char path[CKPT_PATH_MAX];
	const char *cwd = state_string(r, STRING_CWD, NULL);
	size_t n = strlen(cwd);
	const char *gone = " (deleted)";

	if (!cwd[0] || chdir(cwd) == 0)
		return;
	if (n < 10 || n >= sizeof(path) || strcmp(cwd + n - 10, gone))
		die("cannot enter the program's directory %s:", cwd);
	str_copy(path, cwd, n - 10 + 1);
	if (mkdir(path, 0700) < 0 || chdir(path) < 0 || rmdir(path) < 0)
		die("cannot make the program's deleted directory %s again:", path);
}

static int count_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < LOADERS_MAX ? n : LOADERS_MAX;
}

/* ---- the jump ---- */

/* Stop what libc has registered with the kernel for this thread. */
static void leave_libc(void)
{
	unsigned int len = __rseq_size <= 32 ? 32 : __rseq_size;

	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, len, 1, RSEQ_SIG);
	syscall(SYS_set_robust_list, NULL, sizeof(void *) * 3);
	syscall(SYS_set_tid_address, NULL);
}

/* Where this process has something now, the region can't be. */
static void own_areas_avoid(struct region *g)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[CKPT_PATH_MAX + 128];
	uint64_t start, end;

	if (!f)
		die("cannot read /proc/self/maps:");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			region_avoid(g, start, end);
	fclose(f);
}

static struct restore_plan *plan_place(struct planner *pl, struct region *g)
{
	struct restore_plan *p = &pl->plan, *out;
	size_t special = 0, work;

	for (uint32_t i = 0; i < p->nspecial; i++)
		special += p->special[i].len;
	p->nworkers = count_cpus();
	work = ALIGN_UP(image_dctx_size() + 2 * IMAGE_CHUNK_MAX + LOADER_STACK, CKPT_PAGE);
	p->work_size = work;
	region_reserve(g, sizeof(*p) + p->nvmas * sizeof(*p->vmas) + p->nguards * sizeof(*p->guards) +
				  p->nthreads * sizeof(*p->threads) + p->nextents * sizeof(*p->extents) +
				  p->nchunks * sizeof(*p->chunks) + p->nseals * sizeof(*p->seals) +
				  p->npatches * sizeof(*p->patches) + p->auxv_len + special + p->nworkers * work + STACK_SIZE + 64 * CKPT_PAGE);
	p->region_start = g->start;
	p->region_len = g->len;
	p->vmas = region_put(g, p->vmas, p->nvmas * sizeof(*p->vmas));
	p->guards = region_put(g, p->guards, p->nguards * sizeof(*p->guards));
	p->threads = region_put(g, p->threads, p->nthreads * sizeof(*p->threads));
	p->extents = region_put(g, p->extents, p->nextents * sizeof(*p->extents));
	p->chunks = region_put(g, p->chunks, p->nchunks * sizeof(*p->chunks));
	p->seals = region_put(g, p->seals, p->nseals * sizeof(*p->seals));
	p->patches = region_put(g, p->patches, p->npatches * sizeof(*p->patches));
	p->auxv = region_put(g, p->auxv, p->auxv_len);
	p->tls = (uint64_t)region_put(g, NULL, 256);
	p->staging = (uint64_t)region_put_pages(g, special);
	p->work = region_put_pages(g, p->nworkers * work);
	out = region_put(g, p, sizeof(*p));
	g->stack_top = (uint8_t *)region_put_pages(g, STACK_SIZE) + STACK_SIZE;
	return out;
}

static void descriptors_prepare(struct planner *pl)
{
	struct restart *r = pl->r;
	struct descriptors_params *params = alloc(1, sizeof(*params));

	*params = (struct descriptors_params){
		.image = &r->image,
		.records = r->records,
		.nrecords = r->records_len,
		.extents = r->extents,
		.nextents = r->nextents,
		.base = r->log_fd,
		.log_fd = r->log_fd,
		.force = r->opt.force_files,
	};
	pl->descriptors = descriptors_open(params);
	if (!pl->descriptors)
		die("%s: damaged: records of descriptors", r->path);
	if (descriptors_restore(pl->descriptors) < 0)
		exit(STATUS_OWN);
}

/* Descriptors of ours begin above all that the program has; the first is for messages. */
static void log_open(struct restart *r)
{
	int base = descriptors_base(r->records, r->records_len);
	struct rlimit l;

	if (base < 0)
		die("%s: damaged: records of descriptors", r->path);
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	r->image_fd = r->image.fd = fcntl(r->image_fd, F_DUPFD_CLOEXEC, base + 1);
	if (r->image_fd < 0)
		die("cannot have descriptor %d:", base + 1);
	close(base);
	r->log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, base);
	if (r->log_fd < 0)
		r->log_fd = fcntl(open("/dev/null", O_WRONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, base);
	if (r->log_fd < 0)
		die("cannot have descriptor %d:", base);
}

void plan_and_jump(struct restart *r)
{
	struct planner pl = {.r = r};
	struct region g = {0};
	struct restore_plan *plan;
	uint64_t all = ~0ull; /* libc's sets lack the signals it keeps for itself */

	log_open(r);
	descriptors_prepare(&pl);
	specials_read(&pl);
	areas_read(&pl);
	for (uint32_t i = 0; i < pl.plan.nvmas; i++)
		plan_area(&pl, i);
	plan_contents(&pl);
	if (!inside_areas(&pl, r->process.control, sizeof(struct restart_control)))
		die("%s: damaged: libckpt is not in it", r->path);
	plan_threads(&pl);
	plan_seals(&pl);
	plan_process(&pl);
	cwd_restore(r);
	own_areas_avoid(&g);
	for (uint32_t i = 0; i < pl.plan.nvmas; i++)
		region_avoid(&g, pl.vma[i].start, pl.vma[i].end);
	for (uint32_t i = 0; i < pl.nold; i++)
		region_avoid(&g, pl.old_special[i].start, pl.old_special[i].start + pl.old_special[i].len);
	plan_special(&pl, &g);
	plan = plan_place(&pl, &g);
	if (descriptors_place(pl.descriptors) < 0)
		exit(STATUS_OWN);
	sys_sigprocmask(SIG_SETMASK, &all, NULL);
	leave_libc();
	region_enter(&g, plan);
}
