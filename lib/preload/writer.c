/*
 * The writer of an image. Runs in the snapshot, without libc. As many workers as there are CPUs take
 * chunks from a common counter, read their bytes, compress and append them; then come the tables and the
 * footer. What becomes of the file is image_file.c's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "preload.h"
#include "image.h"
#include "cpu.h"
#include "image_file.h"
#include "writer.h"
#include "frozen.h"

enum { WORKERS_MAX = 16, WORKER_STACK = 64 << 10, PROGRESS_EVERY = 32 << 20 };

/* Shared by all workers. */
struct writer {
	struct snapshot *sn;
	struct image_writer image;
	struct extent_list list;
	uint32_t *chunk_first; /* index of the first extent of each chunk, and one past the last */
	struct image_chunk *chunks;
	uint32_t next;	       /* chunk to be taken next; relaxed */
	uint64_t done;	       /* raw bytes written; relaxed */
	uint64_t told;	       /* of which the coordinator knows */
	int mem_fd;	       /* /proc/self/mem, for what PROT_READ forbids */
	struct image_file file;
	char why[512];
};

struct worker {
	struct writer *w;
	struct image_scratch scratch;
	uint8_t *raw; /* IMAGE_CHUNK_MAX */
	uint8_t *stack;
	long pid;
};

static int fail(struct writer *w, int err, const char *what, const char *name)
{
	struct text t = TEXT(w->why);

	if (!w->why[0])
		text_put(&t, "cannot %s %s: %s", what, name, errno_name(err));
	return err;
}

static void *map(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

/* ---- chunks ---- */

/*
 * One extent that can't simply be read: PROT_READ is missing, or a file may be shorter than its mapping.
 * Page by page; what is not there is zeros if it may be. Not by process_vm_readv(2), which pins pages
 * and for that makes the kernel copy each one that is still shared with the program.
 */
static int gather_careful(struct writer *w, const struct extent_src *src, const struct image_extent *e,
			  uint8_t *to)
{
	for (uint32_t at = 0; at < e->len; at += CKPT_PAGE) {
		uint32_t n = e->len - at < CKPT_PAGE ? e->len - at : CKPT_PAGE;

		if (io_pread(w->mem_fd, to + at, n, src->addr + at) == 0)
			continue;
		if (!src->soft)
			return -EFAULT;
		__builtin_memset(to + at, 0, n);
	}
	return 0;
}

/*
 * The bytes of extents [from, to), one behind the other, in *raw: those of a single extent where they
 * are, else copied to buf.
 */
static int gather(struct writer *w, uint32_t from, uint32_t to, uint8_t *buf, const uint8_t **raw)
{
	const struct image_extent *e = (struct image_extent *)w->list.ext.data;
	const struct extent_src *src = (struct extent_src *)w->list.src.data;

	*raw = buf;
	if (to - from == 1 && !src[from].soft && !src[from].unreadable) {
		*raw = (const uint8_t *)src[from].addr;
		return 0;
	}
	for (uint32_t i = from; i < to; i++) {
		int r = 0;

		if (src[i].soft || src[i].unreadable)
			r = gather_careful(w, &src[i], &e[i], buf + e[i].chunk_offset);
		else
			__builtin_memcpy(buf + e[i].chunk_offset, (void *)src[i].addr, e[i].len);
		if (r < 0)
			return r;
	}
	return 0;
}

static void tell_progress(struct writer *w)
{
	uint64_t done = __atomic_load_n(&w->done, __ATOMIC_RELAXED);
	uint64_t told = __atomic_load_n(&w->told, __ATOMIC_RELAXED);
	struct msg_progress p = {.done = done, .total = w->list.bytes};

	if (done - told < PROGRESS_EVERY ||
	    !__atomic_compare_exchange_n(&w->told, &told, done, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	MSG_INIT(&p, MSG_PROGRESS);
	msg_send(w->sn->save->conn, &p.m);
}

static int write_chunks(void *arg)
{
	struct worker *wk = arg;
	struct writer *w = wk->w;

	for (;;) {
		uint32_t i = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED);
		const uint8_t *bytes;
		uint32_t last, raw;
		int r;

		if (i >= w->list.nchunks || __atomic_load_n(&w->image.err, __ATOMIC_RELAXED))
			return 0;
		last = w->chunk_first[i + 1] - 1;
		raw = ((struct image_extent *)w->list.ext.data)[last].chunk_offset +
		      ((struct image_extent *)w->list.ext.data)[last].len;
		r = gather(w, w->chunk_first[i], last + 1, wk->raw, &bytes);
		if (r == 0)
			r = image_put_chunk(&w->image, &wk->scratch, bytes, raw, &w->chunks[i]);
		if (r < 0) {
			__atomic_store_n(&w->image.err, r, __ATOMIC_RELAXED);
			return 0;
		}
		__atomic_fetch_add(&w->done, raw, __ATOMIC_RELAXED);
		tell_progress(w);
	}
}

static int index_chunks(struct writer *w)
{
	const struct image_extent *e = (struct image_extent *)w->list.ext.data;
	uint32_t n = w->list.ext.len / sizeof(*e);

	w->chunk_first = map((w->list.nchunks + 2) * sizeof(*w->chunk_first));
	w->chunks = map((w->list.nchunks + 1) * sizeof(*w->chunks));
	if (!w->chunk_first || !w->chunks)
		return -ENOMEM;
	for (uint32_t i = n; i-- > 0;)
		w->chunk_first[e[i].chunk] = i;
	w->chunk_first[w->list.nchunks] = n;
	return 0;
}

static uint32_t count_cpus(void)
{
	uint64_t set[16] = {0};
	uint32_t n = 0;

	sys_call3(__NR_sched_getaffinity, 0, sizeof(set), set);
	for (size_t i = 0; i < ARRAY_SIZE(set); i++)
		n += __builtin_popcountll(set[i]);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

static int worker_init(struct worker *wk, struct writer *w)
{
	wk->w = w;
	wk->raw = map(IMAGE_CHUNK_MAX);
	wk->stack = map(WORKER_STACK);
	if (!wk->raw || !wk->stack)
		return -ENOMEM;
	return image_scratch_init(&wk->scratch, w->image.level, IMAGE_CHUNK_MAX);
}

/* Workers are tasks that share everything; this one is the first of them. */
static int run_workers(struct writer *w)
{
	struct worker wk[WORKERS_MAX] = {{0}};
	uint32_t n = count_cpus(), started = 1;
	int status;

	if (n > w->list.nchunks)
		n = w->list.nchunks ? w->list.nchunks : 1;
	if (worker_init(&wk[0], w) < 0)
		return -ENOMEM;
	for (; started < n && worker_init(&wk[started], w) == 0; started++) {
		wk[started].pid = clone_on_stack(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND,
						 wk[started].stack + WORKER_STACK, write_chunks,
						 &wk[started]);
		if (wk[started].pid < 0)
			break;
	}
	write_chunks(&wk[0]);
	for (uint32_t i = 1; i < started; i++)
		while (sys_call4(__NR_wait4, wk[i].pid, &status, __WALL, NULL) == -EINTR)
			;
	return w->image.err;
}

/* ---- sections ---- */

static void put_job(struct writer *w)
{
	const struct msg_params *p = w->sn->params;
	struct rec_job job = {
		.generation = p->generation,
		.nprocesses = p->nprocesses,
		.uid = w->sn->ps->rec.uid,
		.pause_ns = w->sn->pause_ns,
	};
	char uts[6][65];
	struct rec_cpu cpu;
	struct blob b = {0};

	str_copy(job.job, p->job, sizeof(job.job));
	str_copy(job.name, preload.config.name, sizeof(job.name));
	if (sys_call1(__NR_uname, uts) == 0) {
		str_copy(job.host, uts[1], sizeof(job.host));
		str_copy(job.kernel, uts[2], sizeof(job.kernel));
	}
	cpu_describe(&cpu);
	rec_put(&b, REC_JOB, REC_REQUIRED, &job, sizeof(job), NULL, 0);
	rec_put(&b, REC_CPU, REC_REQUIRED, &cpu, sizeof(cpu), NULL, 0);
	if (b.err)
		w->image.err = b.err;
	else
		image_put_section(&w->image, SECTION_JOB, SECTION_REQUIRED, 0, b.data, b.len);
}

static int put_sections(struct writer *w)
{
	struct blob *rec = &w->sn->save->rec;
	uint32_t owner = w->sn->params->process_index;
	int r;

	put_job(w);
	blob_put(rec, w->list.vma.data, w->list.vma.len);
	if (rec->err)
		return rec->err;
	r = image_put_section(&w->image, SECTION_PROCESS, SECTION_REQUIRED | SECTION_ZSTD, owner,
			      rec->data, rec->len);
	if (r == 0)
		r = image_put_section(&w->image, SECTION_EXTENTS, SECTION_REQUIRED | SECTION_ZSTD,
				      owner, w->list.ext.data, w->list.ext.len);
	if (r == 0)
		r = image_put_section(&w->image, SECTION_CHUNKS, SECTION_REQUIRED | SECTION_ZSTD, 0,
				      w->chunks, w->list.nchunks * sizeof(*w->chunks));
	return r;
}

static int write_image(struct writer *w)
{
	const char *what = "";
	int r = memory_plan(w->sn->memory, w->sn->save, &w->list);

	if (r < 0) {
		str_copy(w->why, w->list.why, sizeof(w->why));
		return r;
	}
	r = image_begin(&w->image, w->image.fd, w->sn->params->level, w->sn->ps->rec.realtime_ns);
	if (r == 0)
		r = index_chunks(w);
	if (r == 0)
		r = run_workers(w);
	if (r == 0)
		r = put_sections(w);
	if (r == 0)
		r = image_end(&w->image);
	if (r < 0)
		return fail(w, r, "write", w->file.part);
	r = image_file_commit(&w->file, w->image.fd, &what);
	return r < 0 ? fail(w, r, what, w->file.part) : 0;
}

static void tell_done(struct writer *w, int err)
{
	struct msg_done d;

	__builtin_memset(&d, 0, sizeof(d));
	MSG_INIT(&d, MSG_DONE);
	d.err = err;
	d.nthreads = w->sn->nthreads;
	d.raw_bytes = w->list.bytes;
	d.image_bytes = w->image.tail;
	str_copy(d.text, w->why, sizeof(d.text));
	msg_send(w->sn->save->conn, &d.m);
}

void writer_run(struct snapshot *sn)
{
	struct writer *w = map(sizeof(*w));
	int r;

	if (!w)
		return;
	w->sn = sn;
	w->mem_fd = sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	w->image.fd = r = image_file_open(&w->file, sn->params);
	if (r < 0) {
		fail(w, r, "create", w->file.part);
	} else {
		r = write_image(w);
		if (r < 0)
			sys_call1(__NR_unlink, w->file.part);
		sys_close(w->image.fd);
	}
	tell_done(w, r < 0 ? r : 0);
	if (r >= 0) /* last: to remove a large file takes its time */
		image_file_prune(&w->file);
	sys_munmap(w, sizeof(*w));
}
