/*
 * The memory of the process, in the pause: which areas there are, and copies of those that a forked
 * snapshot would share with the running program or would not have at all. Everything else is read
 * later, from the snapshot.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include "preload.h"
#include "image.h"
#include "frozen.h"

bool memory_fork_advice;

enum { WHOLE_MAX = 64 << 20 }; /* a file mapped for writing is kept whole up to this size */

/* ---- what an area is ---- */

static bool name_starts(const struct map_line *m, const char *prefix)
{
	size_t n = str_len(prefix);

	return m->name_len >= n && __builtin_memcmp(m->name, prefix, n) == 0;
}

static bool name_deleted(const struct map_line *m)
{
	static const char suffix[] = " (deleted)";
	size_t n = sizeof(suffix) - 1;

	return m->name_len > n && __builtin_memcmp(m->name + m->name_len - n, suffix, n) == 0;
}

/* Names that are no path of a file, most telling first. */
static const struct {
	const char *prefix;
	enum area shared, private;
	const char *what; /* why refused */
} area_names[] = {
	{"[vsyscall]", AREA_SKIP, AREA_SKIP, NULL},
	{"[vdso]", AREA_SPECIAL, AREA_SPECIAL, NULL},
	{"[vvar", AREA_SPECIAL, AREA_SPECIAL, NULL},
	{"[anon_shmem:", AREA_OBJECT, AREA_OBJECT, NULL},
	{"/dev/zero", AREA_OBJECT, AREA_ANON, NULL},
	{"/memfd:", AREA_OBJECT, AREA_GONE, NULL},
	{"/SYSV", AREA_REFUSED, AREA_REFUSED, "SysV shared memory can't be restored yet"},
	{"/[aio]", AREA_AIO, AREA_AIO, NULL},
	{"/anon_hugepage", AREA_REFUSED, AREA_REFUSED, "huge pages (MAP_HUGETLB) can't be restored yet"},
	{"anon_inode:", AREA_REFUSED, AREA_REFUSED, "memory of a kernel object can't be restored"},
	{"/dev/shm/", AREA_SHARED, AREA_FILE, NULL},
	{"/dev/hugepages/", AREA_REFUSED, AREA_REFUSED, "huge pages can't be restored yet"},
	{"/dev/", AREA_REFUSED, AREA_REFUSED, "memory of a device can't be restored"},
	{"[", AREA_ANON, AREA_ANON, NULL},
};

enum area area_kind(const struct map_line *m, const char **what)
{
	bool gone = name_deleted(m);

	if (m->name_len == 0)
		return AREA_ANON;
	for (size_t i = 0; i < ARRAY_SIZE(area_names); i++) {
		enum area a;

		if (!name_starts(m, area_names[i].prefix))
			continue;
		a = m->shared ? area_names[i].shared : area_names[i].private;
		*what = area_names[i].what;
		if (gone && a == AREA_SHARED)
			return AREA_OBJECT;
		return gone && a == AREA_FILE ? AREA_GONE : a;
	}
	if (m->shared)
		return gone ? AREA_OBJECT : AREA_SHARED;
	return gone ? AREA_GONE : AREA_FILE;
}

/* ---- reading ---- */

int memory_read(struct memory *m)
{
	size_t cap = preload.maps_cap;
	ssize_t n;

	*m = (struct memory){.maps = preload.maps_buf};
	for (;;) {
		n = io_read_file("/proc/thread-self/maps", m->maps, cap);
		if (n != -EFBIG)
			break;
		cap *= 4;
		m->maps = sys_mmap(NULL, cap, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (sys_is_err(m->maps))
			return -ENOMEM;
	}
	if (n < 0)
		return n;
	m->maps_len = n;
	return 0;
}

static int smaps_read(struct memory *m, struct save *s)
{
	size_t cap = 32 * m->maps_len + (64 << 10);
	ssize_t n;

	m->smaps = arena_alloc(&s->arena, cap);
	if (!m->smaps)
		return -ENOMEM;
	n = io_read_file("/proc/thread-self/smaps", m->smaps, cap);
	m->smaps_len = n < 0 ? 0 : n;
	return n < 0 ? n : 0;
}

const char *smaps_flags(const char **p, const char *end, uint64_t start)
{
	while (*p < end) {
		const char *line = *p, *q = *p;
		uint64_t at = parse_hex(&q);
		bool header = q != line && *q == '-';
		const char *flags;

		if (header && at > start)
			return "";
		while (*p < end && **p != '\n')
			++*p;
		++*p;
		if (!header || at != start)
			continue;
		flags = proc_field(*p, "VmFlags:");
		return flags ? flags : "";
	}
	return "";
}

bool vmflag(const char *flags, const char *name)
{
	for (; *flags && *flags != '\n'; flags++)
		if (flags[0] == name[0] && flags[1] == name[1] &&
		    (flags[2] == ' ' || flags[2] == '\n' || flags[2] == 0))
			return true;
	return false;
}

size_t memory_copy(void *to, uint64_t addr, size_t n)
{
	size_t done = 0;

	while (done < n) {
		struct iovec local = {(uint8_t *)to + done, n - done};
		struct iovec remote = {(void *)(addr + done), n - done};
		long r = sys_call6(__NR_process_vm_readv, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0);

		if (r <= 0)
			break;
		done += r;
	}
	return done;
}

/* ---- copies ---- */

/* Copy [start, end) as bytes of stream from offset on. */
static void copy_run(struct save *s, uint32_t stream, uint64_t offset, uint64_t start, uint64_t end)
{
	void *to = save_piece(s, stream, offset, end - start);

	if (to)
		memory_copy(to, start, end - start);
}

/* Nothing is swapped out, so what mincore(2) does not find in memory is nowhere. */
static bool nothing_swapped(void)
{
	struct sysinfo si = {0};

	sys_call1(__NR_sysinfo, &si);
	return si.totalswap == si.freeswap;
}

/* The same for an object: it may be mapped more than once, and each byte is kept once. */
static void copy_object_run(struct save *s, uint32_t stream, uint64_t offset, uint64_t start,
			    uint64_t end)
{
	uint64_t last = offset + (end - start);

	for (struct save_piece *p = s->pieces; p; p = p->next) {
		uint64_t piece_end = p->start + p->len;

		if (p->stream != stream || p->start >= last || piece_end <= offset)
			continue;
		if (offset < p->start)
			copy_object_run(s, stream, offset, start, start + (p->start - offset));
		if (piece_end < last)
			copy_object_run(s, stream, piece_end, start + (piece_end - offset), end);
		return;
	}
	copy_run(s, stream, offset, start, end);
}

/* Copy the pages of a shared mapping: all, or those that exist in memory. */
static void copy_shared(struct save *s, const struct map_line *m, uint32_t stream, bool all)
{
	enum { STEP = 4096 }; /* pages */
	uint8_t core[STEP];

	for (uint64_t at = m->start; at < m->end; at += STEP * CKPT_PAGE) {
		uint64_t end = m->end - at < STEP * CKPT_PAGE ? m->end : at + STEP * CKPT_PAGE;
		uint64_t n = (end - at) / CKPT_PAGE, run;
		bool known = !all && sys_call3(__NR_mincore, at, end - at, core) == 0;

		for (uint64_t i = 0; i < n; i += run) {
			bool in = !known || core[i] & 1;

			for (run = 1; i + run < n && (!known || core[i + run] & 1) == in; run++)
				;
			if (in)
				copy_object_run(s, stream, m->offset + (at - m->start) + i * CKPT_PAGE,
						at + i * CKPT_PAGE, at + (i + run) * CKPT_PAGE);
		}
	}
}

static uint32_t object_kind(const struct map_line *m, enum area a)
{
	if (a == AREA_SHARED)
		return OBJECT_MAPPED_PART;
	if (name_starts(m, "/memfd:"))
		return OBJECT_MEMFD;
	if (name_starts(m, "/dev/zero") || name_starts(m, "["))
		return OBJECT_SHMEM;
	return OBJECT_FILE;
}

/* Bytes of an object that its mapping shows; the file may be shorter than the mapping. */
static uint64_t object_size(const struct map_line *m, const char *name)
{
	uint64_t st[18]; /* struct stat of x86-64: size is the seventh word */

	if (sys_call2(__NR_stat, name, st) == 0)
		return st[6];
	return m->offset + (m->end - m->start);
}

/*
 * Of a large mapping of a file the pages in memory are kept. The others hold what the file holds; if the
 * program writes to them after the checkpoint, a restart does not take that back.
 */
static void warn_partly(struct save *s, uint64_t start, const char *name)
{
	char line[CKPT_PATH_MAX + 128];
	struct text t = TEXT(line);

	text_put(&t, "area %lx (%s): mapped for writing and larger than %d MiB: only its pages in memory "
		 "are in the image", (unsigned long)start, name, WHOLE_MAX >> 20);
	rec_put_string(&s->rec, STRING_WARNING, line, t.len);
}

static void save_shared(struct save *s, const struct map_line *m, enum area a, uint32_t known)
{
	char name[CKPT_PATH_MAX];
	uint32_t id;
	bool is_new;

	if (a == AREA_SHARED && !(m->prot & PROT_WRITE))
		return;
	if (m->name_len >= sizeof(name)) {
		save_refuse(s, "area %lx: the path is too long", (unsigned long)m->start);
		return;
	}
	__builtin_memcpy(name, m->name, m->name_len);
	name[m->name_len] = 0;
	id = save_object(s, object_kind(m, a), m->dev, m->ino,
			 a == AREA_SHARED ? object_size(m, name) : m->offset + (m->end - m->start),
			 0600, 0, name, &is_new);
	if (id <= known)
		return;
	if (a != AREA_SHARED) {
		copy_shared(s, m, STREAM_OBJECT + id, !nothing_swapped());
		return;
	}
	copy_shared(s, m, STREAM_OBJECT + id, m->end - m->start <= WHOLE_MAX);
	if (m->end - m->start > WHOLE_MAX)
		warn_partly(s, m->start, name);
}

static void refuse_area(struct save *s, const struct map_line *m, const char *what)
{
	char name[256];
	struct text t = TEXT(name);

	for (size_t i = 0; i < m->name_len; i++)
		text_put(&t, "%c", m->name[i]);
	save_refuse(s, "area %lx (%s): %s", (unsigned long)m->start, name, what);
}

void memory_save(struct memory *m, struct save *s, const struct process_state *ps)
{
	const char *p = m->maps, *end = m->maps + m->maps_len;
	const char *sp, *what = "";
	uint32_t known = s->nobjects; /* their content came from descriptors, whole */
	struct map_line line;
	int r = 0;

	if (ps->vmlck_kb || memory_fork_advice)
		r = smaps_read(m, s);
	sp = m->smaps;
	while (r == 0 && maps_next(&p, end, &line) > 0) {
		enum area a = area_kind(&line, &what);
		const char *flags = m->smaps ? smaps_flags(&sp, m->smaps + m->smaps_len, line.start) : "";

		if (a == AREA_REFUSED)
			refuse_area(s, &line, what);
		else if (a == AREA_OBJECT || a == AREA_SHARED)
			save_shared(s, &line, a, known);
		else if (!vmflag(flags, "dp") && (vmflag(flags, "dc") || vmflag(flags, "wf")))
			copy_run(s, STREAM_MEMORY, line.start, line.start, line.end);
	}
	if (r < 0)
		s->err = r;
}

/* ---- giving back ---- */

/* Unmap [start, end) but for what the old text, from *p on, has there. */
static void drop_between(const char *p, const char *end, uint64_t start, uint64_t stop)
{
	struct map_line old;

	while (start < stop && maps_next(&p, end, &old) > 0) {
		if (old.end <= start)
			continue;
		if (old.start >= stop)
			break;
		if (old.start > start)
			sys_munmap((void *)start, old.start - start);
		start = old.end;
	}
	if (start < stop)
		sys_munmap((void *)start, stop - start);
}

void memory_drop_new(struct memory *m)
{
	const char *old_end = m->maps + m->maps_len;
	char *now = m->maps + ALIGN_UP(m->maps_len + 1, CKPT_PAGE);
	const char *p = now;
	struct map_line line;
	ssize_t n;

	/* The second text goes behind the first; a program with so many areas that it can't stays as it is. */
	if (m->maps != preload.maps_buf || 2 * m->maps_len + 64 * CKPT_PAGE > preload.maps_cap)
		return;
	n = io_read_file("/proc/thread-self/maps", now, preload.maps_cap - (now - m->maps));
	if (n <= 0)
		return;
	while (maps_next(&p, now + n, &line) > 0)
		if (!(line.name_len && line.name[0] == '['))
			drop_between(m->maps, old_end, line.start, line.end);
}
