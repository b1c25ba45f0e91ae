/*
 * The memory of one process: what is to be mapped where, from which file, which bytes the image must give,
 * its threads and descriptors. Everything that can be checked and opened is, before anything is made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "plan.h"

void *plan_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

/* ---- mapped files ---- */

/* A mapped file that is open already: processes of a job map the same ones. */
struct open_file {
	struct open_file *next;
	uint64_t dev, ino, size;
	int64_t mtime_ns;
	bool shared;
	char *path;
	int fd; /* -1: can't be opened, for err */
	int err;
};

static struct open_file *open_files;

/*
 * A file is what it was when it was mapped; what is mapped shared may have been written since. A copy of the same size
 * and time is the same, too; but text that is in the image needs none.
 */
static bool file_same(const struct rec_vma *v, const struct stat *st)
{
	bool inode = st->st_dev == v->dev && st->st_ino == v->ino;

	if (!S_ISREG(st->st_mode) || (!inode && v->flags & VMA_HAS_TEXT))
		return false;
	if (inode && v->flags & VMA_SHARED)
		return true;
	return (uint64_t)st->st_size == v->file_size &&
	       st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec == v->file_mtime_ns;
}

static bool is_open_file(const struct open_file *f, const struct rec_vma *v, const char *path)
{
	return f->dev == v->dev && f->ino == v->ino && f->size == v->file_size &&
	       f->mtime_ns == v->file_mtime_ns && f->shared == !!(v->flags & VMA_SHARED) &&
	       !strcmp(f->path, path);
}

static int file_open_new(struct restart *r, const struct rec_vma *v, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !file_same(v, &st)) {
		close(fd);
		return -ESTALE;
	}
	return fd_raise(r, fd);
}

/* A descriptor of the file as it was, or -errno. */
static int file_open(struct restart *r, const struct rec_vma *v, const char *path)
{
	struct open_file *f = open_files;
	int fd;

	while (f && !is_open_file(f, v, path))
		f = f->next;
	if (f)
		return f->fd;
	fd = file_open_new(r, v, path);
	f = plan_alloc(1, sizeof(*f));
	*f = (struct open_file){open_files, v->dev, v->ino, v->file_size, v->file_mtime_ns,
				v->flags & VMA_SHARED, (char *)path, fd, 0};
	open_files = f;
	return fd;
}

/* ---- areas ---- */

static void plan_file(struct planner *pl, uint32_t i)
{
	struct plan_vma *p = &pl->plan.vmas[i];
	const struct rec_vma *v = &pl->vma[i];

	if (v->flags & VMA_DELETED && !(v->flags & VMA_SHARED))
		return;
	p->fd = file_open(pl->r, v, pl->path[i]);
	if (p->fd >= 0)
		return;
	if (v->flags & VMA_HAS_TEXT) {
		/* Another file is under that name now: what was mapped for reading becomes memory. */
		pl->need_text[i] = true;
		pl->vma[i].flags &= ~VMA_SHARED;
		p->flags &= ~VMA_SHARED;
	} else if (v->prot & PROT_READ || v->flags & VMA_SHARED) {
		die("%s, which the program has mapped, %s", pl->path[i],
		    p->fd == -ESTALE ? "has changed since the checkpoint" : strerror(-p->fd));
	}
	p->fd = -1;
}

/* Huge pages that the areas planned so far will have reserved, by the logarithm of their size in KiB. */
static uint64_t huge_needed[32];

static uint64_t huge_number(uint32_t page_kb, const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/%s", page_kb, name);
	return io_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* The kernel has a pool of huge pages: are there enough for this area, too? */
static void huge_need(const struct rec_vma *v)
{
	uint64_t n = huge_needed[__builtin_ctz(v->page_kb)] += (v->end - v->start) / 1024 / v->page_kb;
	uint64_t have = huge_number(v->page_kb, "free_hugepages") - huge_number(v->page_kb, "resv_hugepages") +
			huge_number(v->page_kb, "nr_overcommit_hugepages") -
			huge_number(v->page_kb, "surplus_hugepages");

	if ((int64_t)have < (int64_t)n)
		die("the program has huge pages of %u KiB, area %lx: %lu are needed, %ld are free (vm.nr_hugepages)",
		    v->page_kb, (long)v->start, (long)n, (long)have);
}

static void plan_area(struct planner *pl, uint32_t i)
{
	struct plan_vma *p = &pl->plan.vmas[i];
	const struct rec_vma *v = &pl->vma[i];

	*p = (struct plan_vma){
		.start = v->start,
		.end = v->end,
		.offset = v->offset,
		.prot = v->prot,
		.flags = v->flags,
		.fd = -1,
	};
	if (v->flags & VMA_OBJECT) {
		p->fd = object_fd(pl->descriptors, v->object);
		if (p->fd < 0)
			exit(STATUS_OWN);
	} else if (v->flags & VMA_SYSV) {
		p->shmid = v->object;
	} else if (v->flags & VMA_HUGETLB) {
		p->page_kb = v->page_kb;
		if (!(v->flags & VMA_NORESERVE))
			huge_need(v);
	} else if (v->flags & VMA_FILE) {
		plan_file(pl, i);
	}
}

/* Sort the records of areas: those to be mapped, guards, and the kernel's own. */
static void areas_read(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->p->records, pl->p->nrecords);
	const struct rec *rec;
	uint32_t n = 0;

	while (rec_next_type(&it, REC_VMA))
		n++;
	pl->vma = plan_alloc(n, sizeof(*pl->vma));
	pl->path = plan_alloc(n, sizeof(*pl->path));
	pl->need_text = plan_alloc(n, sizeof(*pl->need_text));
	pl->plan.vmas = plan_alloc(n, sizeof(*pl->plan.vmas));
	pl->plan.guards = plan_alloc(n, sizeof(*pl->plan.guards));
	it = rec_iter(pl->p->records, pl->p->nrecords);
	while ((rec = rec_next_type(&it, REC_VMA))) {
		struct rec_vma v;
		size_t len;

		rec_get(rec, &v, sizeof(v));
		if (v.flags & VMA_GUARD) {
			pl->plan.guards[pl->plan.nguards++] = (struct plan_range){v.start, v.end};
			continue;
		}
		if (v.flags & (VMA_VDSO | VMA_VVAR)) {
			if (!pl->special.other_kernel || v.flags & VMA_VVAR)
				continue;
			v.flags = 0; /* ordinary memory from now on */
		}
		pl->vma[pl->plan.nvmas] = v;
		pl->path[pl->plan.nvmas++] = (char *)path_now(pl->r->opt.moves, rec_extra(rec, sizeof(v), &len));
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
	struct image_extent *out = plan_alloc(pl->p->nextents, sizeof(*out));
	uint32_t n = 0;

	for (size_t i = 0; i < pl->p->nextents; i++) {
		const struct image_extent *e = &pl->p->extents[i];

		if (e->stream == STREAM_FILE_TEXT ? !text_needed(pl, e->start) : e->stream != STREAM_MEMORY)
			continue;
		if (special_has(&pl->special, e->start))
			continue;
		if (!inside_areas(pl, e->start, e->len))
			die("%s: damaged: contents outside of memory at %lx", pl->r->path, (long)e->start);
		out[n++] = *e;
	}
	qsort(out, n, sizeof(*out), by_chunk);
	pl->plan.extents = out;
	pl->plan.nextents = n;
}

/* ---- threads ---- */

static void plan_threads(struct planner *pl)
{
	struct rec_iter it = rec_iter(pl->p->records, pl->p->nrecords);
	const struct rec *rec;

	pl->plan.threads = plan_alloc(pl->p->rec.nthreads, sizeof(*pl->plan.threads));
	while ((rec = rec_next_type(&it, REC_THREAD)) && pl->plan.nthreads < pl->p->rec.nthreads) {
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		pl->plan.threads[pl->plan.nthreads++] =
			(struct plan_thread){t.tid, t.flags, t.fs_base, t.gs_base, t.context};
	}
}

/* ---- the process ---- */

/* A directory that is gone is made anew and removed again, where that can be done. */
static int cwd_open(const struct saved *p, const char *moves)
{
	char path[CKPT_PATH_MAX];
	const char *cwd = path_now(moves, state_string(p, STRING_CWD, NULL));
	const char *gone = " (deleted)";
	size_t n = strlen(cwd);
	int fd;

	if (!cwd[0])
		return -1;
	fd = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (n < 10 || n >= sizeof(path) || strcmp(cwd + n - 10, gone))
		die("cannot enter the program's directory %s:", cwd);
	str_copy(path, cwd, n - 10 + 1);
	if (mkdir(path, 0700) < 0 || (fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 || rmdir(path) < 0)
		die("cannot make the program's deleted directory %s again:", path);
	return fd;
}

static void plan_identity(struct planner *pl)
{
	const struct saved *p = pl->p;
	size_t len;
	int fd;

	pl->plan.pid = p->rec.pid;
	pl->plan.mm = p->rec.mm;
	pl->plan.main_exited = p->rec.main_exited;
	str_copy(pl->plan.comm, state_string(p, STRING_COMM, NULL), sizeof(pl->plan.comm));
	pl->plan.control = p->rec.control;
	pl->plan.auxv = (uint8_t *)state_string(p, STRING_AUXV, &len);
	pl->plan.auxv_len = len;
	fd = open(path_now(pl->r->opt.moves, state_string(p, STRING_EXE, NULL)), O_RDONLY | O_CLOEXEC);
	pl->plan.exe_fd = fd < 0 ? -1 : fd_raise(pl->r, fd);
	fd = cwd_open(p, pl->r->opt.moves);
	pl->plan.cwd_fd = fd < 0 ? -1 : fd_raise(pl->r, fd);
}

void plan_process(struct planner *pl)
{
	areas_read(pl);
	for (uint32_t i = 0; i < pl->plan.nvmas; i++)
		plan_area(pl, i);
	pl->plan.maps = pl->plan.vmas;
	pl->plan.nmaps = pl->plan.nvmas;
	plan_contents(pl);
	plan_threads(pl);
	plan_identity(pl);
	pl->plan.numbers = descriptors_numbers(pl->descriptors, pl->p->index, &pl->plan.nnumbers);
	if (!pl->plan.numbers)
		die("out of memory");
}
