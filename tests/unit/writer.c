/*
 * Writers of several processes make one image, in which each page and each piece of a file's text is
 * there once. What is to be written is said by each test (memory_plan()), not found out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "writer.h"
#include "ipc.h"
#include "sample.h"
#include "unit.h"

struct preload preload;

/* ---- the memory of the processes ---- */

enum { PROCESSES_MAX = 8, PAGES = 1500, TEXT_PAGES = 200 };

/* Each process has these ranges of pages, and writes what they hold by itself. */
static uint8_t *pages;
static uint8_t *text;
static struct memory_range ranges[8];
static struct text_range texts[8];
static size_t nranges, ntexts;
static int plan_err;

int memory_plan(struct memory *m, struct save *s, struct plan *p)
{
	(void)m;
	(void)s;
	blob_put(&p->memory, ranges, nranges * sizeof(ranges[0]));
	blob_put(&p->text, texts, ntexts * sizeof(texts[0]));
	return plan_err;
}

/* There are no attachments here. */
void ipc_detach(const struct memory *m)
{
	(void)m;
}

static void range_add(size_t from, size_t to)
{
	ranges[nranges++] = (struct memory_range){(uint64_t)pages + from * CKPT_PAGE,
						  (uint64_t)pages + to * CKPT_PAGE, 0, 0};
}

static void text_add(size_t from, size_t to, uint64_t ino, uint64_t offset)
{
	texts[ntexts++] = (struct text_range){
		.start = (uint64_t)text + from * CKPT_PAGE,
		.end = (uint64_t)text + to * CKPT_PAGE,
		.offset = offset * CKPT_PAGE,
		.file = {.dev = 1, .ino = ino, .size = 1 << 20, .mtime_ns = 7},
	};
}

static void fill(size_t from, size_t to, uint32_t salt)
{
	for (size_t i = from; i < to; i++)
		for (size_t j = 0; j < CKPT_PAGE; j += 4)
			*(uint32_t *)(pages + i * CKPT_PAGE + j) = (i * 7919 + salt) * 2654435761u + j;
}

static void memory_make(void)
{
	pages = mmap(NULL, PAGES * CKPT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	text = mmap(NULL, TEXT_PAGES * CKPT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < TEXT_PAGES * CKPT_PAGE; i++)
		text[i] = i / 9 * 31;
	fill(0, PAGES, 1);
	nranges = ntexts = 0;
	plan_err = 0;
}

/* ---- a job ---- */

struct job {
	struct shared_head *shared;
	int shared_fd;
	int level;
	char path[64];
	int conn[PROCESSES_MAX][2];
	pid_t pid[PROCESSES_MAX];
	struct image image;
	int fd;
};

static void job_make(struct job *j, uint32_t n)
{
	size_t head = sizeof(struct shared_head) + n * sizeof(struct shared_process);
	char dir[UNIT_DIR_MAX];

	*j = (struct job){.shared_fd = memfd_create("shared", MFD_CLOEXEC), .level = 1};
	ck_assert_int_eq(ftruncate(j->shared_fd, SHARED_SIZE), 0);
	j->shared = mmap(NULL, 2 * CKPT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, j->shared_fd, 0);
	j->shared->nprocesses = n;
	j->shared->barrier[SHARED_FORKED] = n;
	j->shared->sections_offset = ALIGN_UP(head, 8);
	j->shared->sections_max = 64;
	j->shared->top = j->shared->head_len = 2 * CKPT_PAGE;
	for (uint32_t i = 0; i < n; i++) {
		j->shared->process[i].parent = (int)i - 1;
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, j->conn[i]), 0);
	}
	unit_dir(dir);
	snprintf(j->path, sizeof(j->path), "%s/image.ckpt", dir);
	memory_make();
}

static void job_write(struct job *j, uint32_t index)
{
	static struct process_state ps;
	static struct msg_params params;
	struct save save = {.conn = j->conn[index][0]};
	struct snapshot sn = {
		.save = &save,
		.ps = &ps,
		.params = &params,
		.shared = j->shared,
		.shared_fd = j->shared_fd,
		.index = index,
		.nthreads = 1,
	};

	str_copy(params.path, j->path, sizeof(params.path));
	params.level = j->level;
	rec_put(&save.rec, REC_PROCESS, 0, &ps.rec, sizeof(ps.rec), NULL, 0);
	writer_run(&sn);
}

/* What the writer of a process has told; err and text are those of MSG_DONE. */
static struct msg_done job_told(struct job *j, uint32_t index)
{
	union any_msg m;

	do
		ck_assert_int_eq(msg_recv(j->conn[index][1], &m, 30000), 1);
	while (m.m.type == MSG_PROGRESS);
	ck_assert_int_eq(m.m.type, MSG_DONE);
	return m.done;
}

/*
 * Process i of a chain, each the child of the one before: `differ` changes its memory. Returns in the
 * first one, when all have ended.
 */
static void job_run(struct job *j, void (*differ)(uint32_t index))
{
	uint32_t n = j->shared->nprocesses, i = 0;
	int status;

	differ(0);
	while (i + 1 < n && fork() == 0)
		differ(++i);
	job_write(j, i);
	if (i + 1 < n) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	if (i)
		_exit(0);
}

static void job_open(struct job *j)
{
	for (uint32_t i = 0; i < j->shared->nprocesses; i++) {
		struct msg_done d = job_told(j, i);

		ck_assert_msg(d.err == 0, "writer %u: %s: %s", i, errno_name(d.err), d.text);
	}
	j->fd = open(j->path, O_RDONLY);
	ck_assert_int_eq(sample_read(j->fd, NULL), 0);
	ck_assert_int_eq(image_open(&j->image, j->fd, NULL), 0);
	ck_assert_uint_eq(j->image.nprocesses, j->shared->nprocesses);
}

static void job_end(struct job *j)
{
	char part[80];

	snprintf(part, sizeof(part), "%s.part", j->path);
	ck_assert_int_eq(access(part, F_OK), -1);
	unlink(j->path);
	image_close(&j->image);
}

/* Bytes of chunks. */
static uint64_t job_raw(const struct job *j)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < j->image.nchunks; i++)
		n += j->image.chunks[i].raw;
	return n;
}

/* The memory of one process as the image has it must be what ours is; returns the bytes. */
static uint64_t assert_content(struct job *j, uint32_t index)
{
	size_t size = image_dctx_size(), n;
	void *mem = malloc(size), *dctx = image_dctx(mem, size);
	uint8_t *in = malloc(IMAGE_STORED_MAX), *out = malloc(IMAGE_CHUNK_MAX);
	struct image_extent *e;
	uint64_t total = 0;

	ck_assert_int_eq(image_extents(&j->image, index, &e, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		const struct image_chunk *c = &j->image.chunks[e[i].chunk];

		ck_assert_int_eq(image_load_chunk(j->fd, &j->image.key, c, dctx, in, out), 0);
		ck_assert_msg(memcmp(out + e[i].chunk_offset, (void *)e[i].start, e[i].len) == 0,
			      "process %u, address %lx", index, e[i].start);
		total += e[i].len;
	}
	free(mem);
	free(in);
	free(out);
	return total;
}

/* ---- tests ---- */

static void differ_not(uint32_t index)
{
	(void)index;
}

UNIT_TEST(writer_of_one_process_makes_an_image)
{
	struct job j;

	job_make(&j, 1);
	range_add(0, 10);
	range_add(100, 700);
	text_add(0, 20, 5, 0);
	job_run(&j, differ_not);
	job_open(&j);
	ck_assert_uint_eq(assert_content(&j, 0), 630 * CKPT_PAGE);
	ck_assert_uint_eq(job_raw(&j), 630 * CKPT_PAGE);
	job_end(&j);
}

UNIT_TEST(writers_store_what_children_have_of_their_parents_once)
{
	struct job j;

	job_make(&j, 5);
	range_add(0, 10);
	range_add(100, PAGES);
	job_run(&j, differ_not);
	job_open(&j);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(assert_content(&j, i), (PAGES - 90) * CKPT_PAGE);
	ck_assert_uint_eq(job_raw(&j), (PAGES - 90) * CKPT_PAGE);
	job_end(&j);
}

/* Pages that a process of the chain changes, and so do not equal its parent's. */
static void differ_some(uint32_t index)
{
	if (index == 0)
		return;
	fill(index * 3, index * 3 + 1, 1000 + index);
	fill(200 + index * 70, 200 + index * 70 + 300, 1000 + index);
}

UNIT_TEST(writers_store_pages_that_differ)
{
	struct job j;

	job_make(&j, 4);
	range_add(0, 50);
	range_add(50, PAGES);
	job_run(&j, differ_some);
	job_open(&j);
	for (uint32_t i = 0; i < 4; i++) {
		differ_some(i);
		ck_assert_uint_eq(assert_content(&j, i), PAGES * CKPT_PAGE);
	}
	ck_assert_uint_eq(job_raw(&j), (PAGES + 3 * 301) * CKPT_PAGE);
	job_end(&j);
}

/* The parent has less memory than the child, and in other ranges. */
static void differ_in_ranges(uint32_t index)
{
	nranges = 0;
	if (index == 0) {
		range_add(10, 700);
		range_add(700, 800);
		range_add(1200, 1400);
	} else {
		range_add(0, 600);
		range_add(600, 750);
		range_add(800, PAGES);
	}
}

UNIT_TEST(writers_compare_what_both_processes_have)
{
	struct job j;

	job_make(&j, 2);
	job_run(&j, differ_in_ranges);
	job_open(&j);
	ck_assert_uint_eq(assert_content(&j, 0), 990 * CKPT_PAGE);
	ck_assert_uint_eq(assert_content(&j, 1), 1450 * CKPT_PAGE);
	ck_assert_uint_eq(job_raw(&j), (990 + 10 + 400 + 100) * CKPT_PAGE);
	job_end(&j);
}

UNIT_TEST(writers_of_strangers_share_nothing_but_text)
{
	struct job j;

	job_make(&j, 3);
	j.shared->process[0].lineage = 1;
	j.shared->process[1].lineage = 2;
	j.shared->process[2].parent = -1;
	range_add(0, 100);
	text_add(0, 150, 5, 3);
	text_add(150, 160, 6, 0);
	job_run(&j, differ_not);
	job_open(&j);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(assert_content(&j, i), 260 * CKPT_PAGE);
	ck_assert_uint_eq(job_raw(&j), (3 * 100 + 160) * CKPT_PAGE);
	job_end(&j);
}

/* The same file at other addresses; one that is not the same; the same part of it twice. */
static void differ_in_text(uint32_t index)
{
	if (index == 1)
		texts[0].file.mtime_ns++;
	if (index == 2)
		text_add(20, 30, 5, 20);
}

UNIT_TEST(writers_store_text_of_other_files_again)
{
	struct job j;

	job_make(&j, 3);
	text_add(0, 10, 5, 0);
	job_run(&j, differ_in_text);
	job_open(&j);
	ck_assert_uint_eq(assert_content(&j, 1), 10 * CKPT_PAGE);
	ck_assert_uint_eq(assert_content(&j, 2), 20 * CKPT_PAGE);
	ck_assert_uint_eq(job_raw(&j), 30 * CKPT_PAGE);
	job_end(&j);
}

/* ---- failures ---- */

static void fail_in_the_last(uint32_t index)
{
	if (index == 2)
		plan_err = -ENOMEM;
}

static void fail_in_the_first(uint32_t index)
{
	plan_err = index == 0 ? -EIO : 0;
}

/* One tells why, the others that it was called off, or that their part was written; there is no file. */
static void assert_failed(struct job *j, uint32_t who, int err)
{
	for (uint32_t i = 0; i < j->shared->nprocesses; i++) {
		int told = job_told(j, i).err;

		if (i == who)
			ck_assert_int_eq(told, err);
		else
			ck_assert(told == -ECANCELED || (told == 0 && i > 0));
	}
	ck_assert_int_eq(access(j->path, F_OK), -1);
	job_end(j);
}

UNIT_TEST(writers_fail_together)
{
	struct job j;

	job_make(&j, 3);
	range_add(0, 100);
	job_run(&j, fail_in_the_last);
	assert_failed(&j, 2, -ENOMEM);
	job_make(&j, 3);
	range_add(0, 100);
	job_run(&j, fail_in_the_first);
	assert_failed(&j, 0, -EIO);
}

UNIT_TEST(writers_end_when_the_checkpoint_is_called_off)
{
	struct job j;

	job_make(&j, 3);
	range_add(0, 100);
	shared_call_off(j.shared, -ETIMEDOUT);
	job_run(&j, differ_not);
	assert_failed(&j, 99, 0);
}
