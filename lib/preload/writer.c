/*
 * The writer of a process's part of the image. Runs in the snapshot, without libc. As many workers as
 * there are CPUs take chunks from a common counter, read their bytes, compress and append them; then
 * come the tables.
 *
 * All processes of the job write into one file at the same time. The writer of the first one makes
 * it, and when all parts are in, writes the footer and gives it its name (image_file.c); nobody else
 * waits for anybody at the end. They meet in the memory that the checkpoint has (shared.h). Whoever
 * fails sets `abort` there, as does the coordinator when a writer is gone: then all give up.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "ipc.h"
#include "cpu.h"
#include "fault.h"
#include "writer.h"
#include "frozen.h"

enum { WORKERS_MAX = 16, WORKER_STACK = 64 << 10, PROGRESS_EVERY = 32 << 20 };

static int fail(struct writer *w, int err, const char *what, const char *name)
{
	struct text t = TEXT(w->why);

	if (!w->why[0])
		text_put(&t, "cannot %s %s: %s", what, name, errno_name(err));
	return err;
}

void *writer_map(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

void *writer_map_at(struct writer *w, uint64_t offset, size_t n)
{
	void *p = sys_mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE, MAP_SHARED, w->sn->shared_fd, offset);

	return sys_is_err(p) ? NULL : p;
}

/* Allocated at once: a file that can't have its pages later would end us (SIGBUS). */
void *writer_map_shared(struct writer *w, size_t n, uint64_t *offset)
{
	size_t len = ALIGN_UP(n ? n : 1, (size_t)CKPT_PAGE);
	uint64_t at = __atomic_fetch_add(&w->shared->top, len, __ATOMIC_RELAXED);

	if (at + len > SHARED_TABLE || sys_call4(__NR_fallocate, w->sn->shared_fd, 0, at, len) < 0)
		return NULL;
	*offset = at;
	return writer_map_at(w, at, len);
}

/* ---- with the other writers ---- */

static struct shared_process *self(struct writer *w)
{
	return &w->shared->process[w->index];
}

static int is_off(const struct writer *w)
{
	return shared_is_off(w->shared);
}

static void call_off(struct writer *w, int err)
{
	if (shared_call_off(w->shared, err))
		w->failed = true;
}

static bool writer_is_gone(const struct shared_process *p)
{
	int32_t pid = __atomic_load_n(&p->writer, __ATOMIC_ACQUIRE);

	return pid > 0 && sys_call2(__NR_kill, pid, 0) == -ESRCH &&
	       __atomic_load_n(&p->writer, __ATOMIC_ACQUIRE) == pid;
}

/* A process is missed, too, until it has told that its copy is made. */
static bool process_is_gone(const struct writer *w, const struct shared_process *p)
{
	return sys_call2(__NR_kill, p->pid, 0) == -ESRCH &&
	       __atomic_load_n(&w->shared->barrier[SHARED_FORKED], __ATOMIC_ACQUIRE) < w->shared->nprocesses;
}

/* The coordinator sees processes and writers die. When there is none any more, we look ourselves. */
static void look_after_others(struct writer *w)
{
	struct pollfd p = {.fd = w->sn->save->conn};
	struct text why = TEXT(w->why);

	if (sys_call3(__NR_poll, &p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR)))
		return;
	for (uint32_t i = 0; i < w->shared->nprocesses; i++) {
		const struct shared_process *q = &w->shared->process[i];

		if (!writer_is_gone(q) && !process_is_gone(w, q))
			continue;
		text_put(&why, "pid %d or its writer is gone", q->pid);
		call_off(w, -ESRCH);
	}
}

int writer_await(struct writer *w, uint32_t *word, uint32_t least)
{
	const struct timespec second = {.tv_sec = 1};

	for (;;) {
		uint32_t is = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		if (is_off(w))
			return is_off(w);
		if (is >= least)
			return is;
		if (sys_futex(word, FUTEX_WAIT, is, &second) == -ETIMEDOUT)
			look_after_others(w);
	}
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
	const struct image_extent *e = (struct image_extent *)w->list.own.data;
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

/* The chunk with number i among ours: 0 or -errno. */
static int write_chunk(struct writer *w, uint32_t i, struct image_scratch *s, uint8_t *buf)
{
	const struct image_extent *e = (struct image_extent *)w->list.own.data;
	uint32_t last = w->chunk_first[i + 1] - 1;
	uint32_t raw = e[last].chunk_offset + e[last].len;
	const uint8_t *bytes;
	int r = gather(w, w->chunk_first[i], last + 1, buf, &bytes);

	if (r == 0)
		r = fault(FAULT_WRITER_CHUNK);
	if (r == 0)
		r = image_put_chunk(&w->image, s, bytes, raw, &w->chunks[i]);
	if (r == 0)
		__atomic_fetch_add(&w->done, raw, __ATOMIC_RELAXED);
	return r;
}

static int write_chunks(void *arg)
{
	struct writer *w = arg;
	struct image_scratch scratch;
	uint8_t *buf = writer_map(IMAGE_CHUNK_MAX);
	int r = buf ? image_scratch_init(&scratch, w->image.level, IMAGE_CHUNK_MAX) : -ENOMEM;

	while (r == 0 && !is_off(w)) {
		uint32_t i = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED);

		if (i >= w->list.nchunks)
			return 0;
		r = write_chunk(w, i, &scratch, buf);
		if (r < 0)
			call_off(w, r);
		tell_progress(w);
	}
	return r;
}

static int index_chunks(struct writer *w)
{
	const struct image_extent *e = (struct image_extent *)w->list.own.data;
	uint32_t n = w->list.own.len / sizeof(*e);

	w->chunk_first = writer_map((w->list.nchunks + 2) * sizeof(*w->chunk_first));
	w->chunks = writer_map((w->list.nchunks + 1) * sizeof(*w->chunks));
	if (!w->chunk_first || !w->chunks)
		return -ENOMEM;
	for (uint32_t i = n; i-- > 0;)
		w->chunk_first[e[i].chunk - w->first_id] = i;
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

/* How many workers for n pieces of work. Where there are more processes than CPUs, few for one that has little. */
static uint32_t count_workers(const struct writer *w, uint32_t n)
{
	enum { ENOUGH = 16 };
	uint32_t cpus = count_cpus();

	if (w->shared->nprocesses > cpus)
		n = n / ENOUGH + 1;
	return n < cpus ? n : cpus;
}

/* Workers are tasks that share everything; this one is the first of them, and what it returns counts. */
int writer_work(struct writer *w, uint32_t n, int (*fn)(void *w))
{
	uint8_t *stack[WORKERS_MAX];
	long pid[WORKERS_MAX];
	uint32_t started = 1;
	int status = 0, r;

	for (n = count_workers(w, n); started < n; started++) {
		stack[started] = writer_map(WORKER_STACK);
		if (!stack[started])
			break;
		pid[started] = clone_on_stack(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND,
					      stack[started] + WORKER_STACK, fn, w);
		if (pid[started] < 0)
			break;
	}
	r = fn(w);
	for (uint32_t i = 1; i < started; i++) {
		while (sys_call4(__NR_wait4, pid[i], &status, __WALL, NULL) == -EINTR)
			;
		if (WIFSIGNALED(status)) /* with a piece of work in its hands */
			call_off(w, -EIO);
		sys_munmap(stack[i], WORKER_STACK);
	}
	return is_off(w) ? is_off(w) : r;
}

/* ---- sections ---- */

static int put_job(struct writer *w)
{
	const struct msg_params *p = w->sn->params;
	struct rec_job job = {
		.generation = p->generation,
		.nprocesses = w->shared->nprocesses,
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
	if (preload.owned != preload.sigbit)
		rec_put(&b, REC_ON_SIGNAL, 0, preload.config.on_signal, ON_SIGNAL_MAX, NULL, 0);
	if (b.err)
		return b.err;
	return image_put_section(&w->image, SECTION_JOB, SECTION_REQUIRED, 0, b.data, b.len);
}

/* All extents in one table: what is in our chunks and what is in others'. */
static int put_extents(struct writer *w)
{
	struct blob *all = &w->list.own;

	blob_put(all, w->list.refs.data, w->list.refs.len);
	if (all->err)
		return all->err;
	return image_put_section(&w->image, SECTION_EXTENTS, SECTION_REQUIRED | SECTION_ZSTD, w->index,
				 all->data, all->len);
}

/* What lies beside the image. */
static int put_contents(struct writer *w)
{
	size_t n;
	void *list = contents_list(w->sn->save, w->sn->ps->rec.realtime_ns, &n);

	if (!n)
		return 0;
	return list ? image_put_section(&w->image, SECTION_CONTENTS, SECTION_REQUIRED | SECTION_ZSTD, w->index,
					list, n)
		    : -ENOMEM;
}

static int put_sections(struct writer *w)
{
	struct blob *rec = &w->sn->save->rec;
	int r;

	blob_put(rec, w->plan.vma.data, w->plan.vma.len);
	if (rec->err)
		return rec->err;
	r = fault(FAULT_WRITER_SECTIONS);
	if (r < 0)
		return r;
	r = image_put_section(&w->image, SECTION_PROCESS, SECTION_REQUIRED | SECTION_ZSTD, w->index,
			      rec->data, rec->len);
	if (r == 0)
		r = put_contents(w);
	if (r == 0)
		r = put_extents(w);
	if (r == 0)
		r = image_put_chunks(&w->image, w->index, w->first_id, w->chunks, w->list.nchunks);
	return r;
}

/* ---- encryption ---- */

/*
 * Read the key from the file that this process knows, or else from the one that the coordinator does: after a restart
 * that was told another place, one that executes a new program finds the old place in its environment, and so does a
 * coordinator that was started since. Neither knows one: "" in w->keyfile, and images are plain.
 */
static int key_read(struct writer *w, uint8_t *master)
{
	const char *paths[] = {preload.config.keyfile, w->sn->params->keyfile};
	int r = 0;

	w->keyfile = "";
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct text why = TEXT(w->why);

		if (!paths[i][0] || str_eq(paths[i], w->keyfile))
			continue;
		w->keyfile = paths[i];
		w->why[0] = 0;
		r = image_key_read(w->keyfile, master, &why);
		if (r == 0)
			break;
	}
	return r;
}

/* The key is here only, for as long as this writer works; nobody else has it or passes it on. */
static int key_take(struct writer *w)
{
	uint8_t master[IMAGE_KEY_BYTES];
	struct text why = TEXT(w->why);
	int r = key_read(w, master);

	if (r == 0 && w->index != 0 && !w->shared->encrypted != !w->keyfile[0]) {
		text_put(&why, "only some of its processes know a key file (CKPT_KEYFILE)");
		r = -ENOKEY;
	}
	if (r == 0 && w->keyfile[0])
		r = image_encrypt(&w->image, master, w->index == 0);
	image_key_wipe(master, sizeof(master));
	if (r == -EKEYREJECTED)
		text_put(&why, "the key in %s is not that of the job's first process", w->keyfile);
	return r;
}

/* So that a restart finds the key again. */
static int put_keyfile(struct writer *w)
{
	if (!w->image.key.on)
		return 0;
	return image_put_section(&w->image, SECTION_KEYFILE, 0, 0, w->keyfile, str_len(w->keyfile) + 1);
}

/* ---- the file ---- */

/* The first process's writer makes the file, when all copies are made; the others open it when it is there. */
static int file_open(struct writer *w)
{
	uint32_t *ready = &w->shared->image_ready;
	int r;

	if (w->index != 0) {
		r = writer_await(w, ready, 1);
		if (r < 0)
			return r;
		w->image.fd = r = image_file_join(&w->file, w->sn->params);
		return r < 0 ? fail(w, r, "open", w->file.part) : key_take(w);
	}
	r = writer_await(w, &w->shared->barrier[SHARED_FORKED], w->shared->nprocesses);
	if (r < 0)
		return r;
	r = key_take(w);
	if (r < 0)
		return r;
	w->image.fd = r = image_file_open(&w->file, w->sn->params);
	if (r < 0)
		return fail(w, r, "create", w->file.part);
	w->made = true;
	r = fault(FAULT_WRITER_HEADER);
	if (r == 0)
		r = image_begin(&w->image, w->sn->ps->rec.realtime_ns);
	if (r == 0)
		r = put_keyfile(w);
	if (r == 0)
		r = put_job(w);
	if (r < 0)
		return fail(w, r, "write", w->file.part);
	sys_call3(__NR_getrandom, &w->shared->hash_seed, sizeof(w->shared->hash_seed), 0);
	texts_begin(w);
	__atomic_store_n(ready, 1, __ATOMIC_RELEASE); /* pairs with writer_await() */
	shared_wake(ready);
	return 0;
}

/* What to write, what to refer to, and the ids of our chunks, which others may wait for. */
static int prepare(struct writer *w)
{
	int r = memory_plan(w->sn->memory, w->sn->save, &w->plan);

	if (sys_getpid() != w->sn->ps->rec.pid) /* a copy */
		ipc_detach(w->sn->memory);
	if (r < 0) {
		str_copy(w->why, w->plan.why, sizeof(w->why));
		return r;
	}
	r = pages_compare(w);
	if (r == 0)
		r = fault(FAULT_WRITER_PLAN);
	if (r == 0)
		r = texts_claim(w);
	if (r == 0)
		r = extents_cut(w);
	if (r == 0)
		r = image_take_chunks(&w->image, w->list.nchunks, &w->first_id);
	if (r < 0)
		return fail(w, r, "prepare", w->file.part);
	extents_number(w, w->first_id);
	r = pages_refer(w);
	if (r == 0)
		r = texts_refer(w);
	return r < 0 ? fail(w, r, "prepare", w->file.part) : 0;
}

static int write_part(struct writer *w)
{
	int r = index_chunks(w);

	if (r == 0)
		r = writer_work(w, w->list.nchunks, write_chunks);
	if (r == 0)
		r = put_sections(w);
	if (r == 0)
		r = contents_sync(w->sn->save);
	if (r < 0)
		return fail(w, r, "write", w->file.part);
	fault(FAULT_WRITER_WRITTEN);
	__atomic_fetch_add(&w->shared->nwritten, 1, __ATOMIC_RELEASE); /* pairs with writer_await() */
	shared_wake(&w->shared->nwritten);
	return 0;
}

/* In the first process's writer: wait for the parts of all others. */
static int file_finish(struct writer *w)
{
	const char *what = "write";
	int r;

	if (w->index != 0)
		return 0;
	r = writer_await(w, &w->shared->nwritten, w->shared->nprocesses);
	if (r < 0)
		return r;
	r = fault(FAULT_WRITER_FOOTER);
	if (r == 0)
		r = image_end(&w->image);
	if (r == 0)
		r = image_file_commit(&w->file, w->image.fd, w->shared->contents_seed != 0, &what);
	return r < 0 ? fail(w, r, what, w->file.part) : 0;
}

static int write_image(struct writer *w)
{
	int r = file_open(w);

	if (r == 0)
		r = prepare(w);
	if (r == 0)
		r = write_part(w);
	if (r == 0)
		r = file_finish(w);
	return r;
}

/* Of a checkpoint that somebody else has called off there is nothing to tell: he has told why. */
static void tell_done(struct writer *w, int err)
{
	struct msg_done d;

	__builtin_memset(&d, 0, sizeof(d));
	MSG_INIT(&d, MSG_DONE);
	d.err = err == 0 || w->failed ? err : -ECANCELED;
	d.nthreads = w->sn->nthreads;
	d.raw_bytes = w->list.bytes;
	d.image_bytes = w->index == 0 ? w->shared->tail : 0;
	contents_figures(w->sn->save, &d.files_bytes, &d.files_fresh_bytes);
	if (err == 0 || w->failed)
		str_copy(d.text, w->why, sizeof(d.text));
	msg_send(w->sn->save->conn, &d.m);
}

void writer_run(struct snapshot *sn)
{
	struct writer *w = writer_map(sizeof(*w));
	int r;

	if (!w)
		return;
	w->sn = sn;
	w->file.dir = -1;
	w->shared = sn->shared;
	w->index = sn->index;
	w->image = (struct image_writer){.fd = -1, .level = sn->params->level, .shared = sn->shared};
	w->mem_fd = sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	__atomic_store_n(&self(w)->writer, sys_getpid(), __ATOMIC_RELEASE);
	fault(FAULT_WRITER_BEGIN);
	r = write_image(w);
	image_key_wipe(&w->image.key, sizeof(w->image.key));
	if (r < 0)
		call_off(w, r);
	if (r < 0 && w->made)
		image_file_remove(&w->file, w->image.fd);
	if (w->image.fd >= 0)
		sys_close(w->image.fd);
	__atomic_store_n(&self(w)->writer, -1, __ATOMIC_RELEASE);
	fault(FAULT_WRITER_ANSWER);
	tell_done(w, r);
	if (r >= 0 && w->index == 0) /* last: to remove a large file takes its time */
		image_file_prune(&w->file);
	image_file_close(&w->file);
	sys_munmap(w, sizeof(*w));
}
