/*
 * The memory of the process, in the pause: which areas there are, and copies of those that a forked
 * snapshot would share with the running program or would not have at all. Everything else is read
 * later, from the snapshot.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include "preload.h"
#include "image.h"
#include "frozen.h"

bool memory_fork_advice;

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
	{"/SYSV", AREA_SYSV, AREA_FILE, NULL},
	{"/[aio]", AREA_AIO, AREA_AIO, NULL},
	{"/anon_hugepage", AREA_REFUSED, AREA_HUGE, "shared huge pages (MAP_HUGETLB) can't be restored yet"},
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
	memory_find_names(m, cap);
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

/* What is not readable for the program is for us, in /proc. */
static void copy_unreadable(void *to, uint64_t start, uint64_t n)
{
	int fd = sys_open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	for (uint64_t at = 0; at < n;) {
		long r = sys_call4(__NR_pread64, fd, (uint8_t *)to + at, n - at, start + at);

		at += r < CKPT_PAGE ? CKPT_PAGE : ALIGN_DOWN((uint64_t)r, CKPT_PAGE);
	}
	sys_close(fd);
}

/* Copy [start, end) of an area as bytes of stream from offset on. */
static void copy_run(struct save *s, const struct map_line *m, uint32_t stream, uint64_t offset, uint64_t start,
		     uint64_t end)
{
	void *to = save_piece(s, stream, offset, end - start);

	if (to && m->prot & PROT_READ)
		memory_copy(to, start, end - start);
	else if (to)
		copy_unreadable(to, start, end - start);
}

/* Nothing is swapped out, so what mincore(2) does not find in memory is nowhere. */
static bool nothing_swapped(void)
{
	struct sysinfo si = {0};

	sys_call1(__NR_sysinfo, &si);
	return si.totalswap == si.freeswap;
}

/* An object of which a part is to be copied from an area. */
struct copy {
	struct save *save;
	const struct map_line *m;
	uint32_t id;
	bool pieces; /* others may save pages of this area */
	bool all;    /* also pages that are not in memory */
};

/* Copy pages [page, page + n) of the area. */
static void copy_pages(const struct copy *c, uint64_t page, uint64_t n)
{
	uint64_t at = page * CKPT_PAGE;

	copy_run(c->save, c->m, STREAM_OBJECT + c->id, c->m->offset + at, c->m->start + at,
		 c->m->start + at + n * CKPT_PAGE);
}

/* The same, but for those that another process saves: 64 pages of the object at a time. */
static void copy_pages_taken(const struct copy *c, uint64_t page, uint64_t n)
{
	uint64_t shift = c->m->offset / CKPT_PAGE;

	while (n) {
		uint64_t first = (page + shift) % 64, count = n < 64 - first ? n : 64 - first, taken, run;
		uint64_t mask = (count < 64 ? (1ull << count) - 1 : ~0ull) << first;

		taken = object_take_pages(c->save->shared, c->id, (page + shift) / 64, mask) >> first;
		for (uint64_t i = 0; i < count; i += run) {
			bool ours = taken >> i & 1;

			for (run = 1; i + run < count && (taken >> (i + run) & 1) == ours; run++)
				;
			if (ours)
				copy_pages(c, page + i, run);
		}
		page += count;
		n -= count;
	}
}

/* Copy the pages of a shared mapping: all, or those that exist in memory. */
static void copy_shared(const struct copy *c)
{
	enum { STEP = 4096 }; /* pages */
	const struct map_line *m = c->m;
	uint64_t npages = (m->end - m->start) / CKPT_PAGE;
	uint8_t core[STEP];

	for (uint64_t at = 0; at < npages; at += STEP) {
		uint64_t n = npages - at < STEP ? npages - at : STEP, run;
		bool known = !c->all && sys_call3(__NR_mincore, m->start + at * CKPT_PAGE, n * CKPT_PAGE, core) == 0;

		for (uint64_t i = 0; i < n; i += run) {
			bool in = !known || core[i] & 1;

			for (run = 1; i + run < n && (!known || core[i + run] & 1) == in; run++)
				;
			if (in && c->pieces)
				copy_pages_taken(c, at + i, run);
			else if (in)
				copy_pages(c, at + i, run);
		}
	}
}

void memory_copy_shared(struct save *s, const struct map_line *m, uint32_t object)
{
	struct copy c = {.save = s, .m = m, .id = object, .all = !nothing_swapped()};

	copy_shared(&c);
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

static bool path_stat(const char *name, uint64_t ino, struct stat *st)
{
	return sys_call4(__NR_newfstatat, AT_FDCWD, name, st, 0) == 0 && st->st_ino == ino && S_ISREG(st->st_mode);
}

/*
 * The object behind a mapping: its size is that which the mapping shows, or the file's own. A large file that
 * can be read by its name is saved whole, from there.
 */
static struct shared_object object_of(const struct save *s, const struct map_line *m, enum area a, const char *name)
{
	struct shared_object o = {.dev = m->dev, .ino = m->ino, .map_dev = m->dev,
				  .size = m->offset + (m->end - m->start)};
	struct stat st;

	if (a != AREA_SHARED || !path_stat(name, m->ino, &st))
		return o;
	o.dev = st.st_dev;
	o.size = st.st_size;
	if (contents_beside(s, st.st_size) &&
	    sys_call4(__NR_faccessat2, AT_FDCWD, name, R_OK, AT_EACCESS) == 0)
		o.reader = s->shared->index + 1;
	return o;
}

/* Shared memory whose content is in the image: what a file holds that nobody writes by a mapping is not. */
static bool is_object(const struct map_line *m, enum area a)
{
	return a == AREA_OBJECT || (a == AREA_SHARED && m->prot & PROT_WRITE);
}

static bool name_get(struct save *s, const struct map_line *m, char *name, size_t n)
{
	if (m->name_len >= n) {
		save_refuse(s, "area %lx: the path is too long", (unsigned long)m->start);
		return false;
	}
	__builtin_memcpy(name, m->name, m->name_len);
	name[m->name_len] = 0;
	return true;
}

void memory_list(struct memory *m, struct save *s)
{
	const char *p = m->maps, *end = m->maps + m->maps_len, *what;
	char name[CKPT_PATH_MAX];
	struct shared_object of;
	struct map_line line;
	int r = 0;

	while (r == 0 && maps_next(&p, end, &line) > 0) {
		enum area a = line.shared ? area_kind(&line, &what) : AREA_ANON;

		if (!is_object(&line, a) || !name_get(s, &line, name, sizeof(name)))
			continue;
		of = object_of(s, &line, a, name);
		r = object_add_range(s->shared, &of, line.offset, line.end - line.start);
	}
	if (r < 0)
		s->err = r;
}

/*
 * The name to make it again with. The kernel adds to a memfd's when it shows it: that must not become part of it,
 * or it would be longer with each restart.
 */
static char *object_name(char *name, uint32_t kind)
{
	static const char prefix[] = "/memfd:", suffix[] = " (deleted)";

	if (kind != OBJECT_MEMFD && kind != OBJECT_SHMEM)
		return name;
	if (str_ends(name, suffix))
		name[str_len(name) - str_len(suffix)] = 0;
	return name + (str_starts(name, prefix) ? str_len(prefix) : 0);
}

static void put_object(struct save *s, const struct shared_object *o, uint32_t id, uint32_t kind, char *name)
{
	struct rec_object rec = {id, kind, o->dev, o->ino, o->size, 0600, 0};

	name = object_name(name, kind);
	rec_put(&s->rec, REC_OBJECT, REC_REQUIRED, &rec, sizeof(rec), name, str_len(name) + 1);
}

/*
 * A file whole, by its name. When the program has it open, by that descriptor: closing another one would
 * release its locks (fcntl(2)).
 */
static void save_whole(struct save *s, const struct shared_object *o, uint32_t id, char *name)
{
	int known = descriptors_find(s, o->dev, o->ino);
	int fd = known >= 0 ? known : sys_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

	if (fd < 0) {
		save_refuse(s, "file %s: it is mapped for writing, but can't be opened: %s", name, errno_name(fd));
		return;
	}
	put_object(s, o, id, OBJECT_MAPPED, name);
	contents_save(s, id, fd, true, name);
	if (known < 0)
		sys_close(fd);
}

static void save_shared(struct save *s, const struct map_line *m, enum area a)
{
	char name[CKPT_PATH_MAX];
	uint64_t len = m->end - m->start;
	uint32_t id = save_find_object(s, m->dev, m->ino);
	struct shared_object *o = object_get(s->shared, id);
	struct copy c = {s, m, id, o && o->nranges > 1, a == AREA_SHARED || !nothing_swapped()};

	if (!o || o->whole || !name_get(s, m, name, sizeof(name)))
		return;
	if (o->reader) {
		if (o->reader == s->shared->index + 1 && object_record(o))
			save_whole(s, o, id, name);
		return;
	}
	if (!object_take_range(s->shared, id, m->offset, len))
		return;
	if (object_record(o))
		put_object(s, o, id, object_kind(m, a), name);
	copy_shared(&c);
}

static void refuse_area(struct save *s, const struct map_line *m, const char *what)
{
	char name[256];
	struct text t = TEXT(name);

	for (size_t i = 0; i < m->name_len; i++)
		text_put(&t, "%c", m->name[i]);
	save_refuse(s, "area %lx (%s): %s", (unsigned long)m->start, name, what);
}

/*
 * The program may run out of huge pages when it writes to one that a copy has, too, and then the kernel
 * takes it from the copy. So those that exist are copied in the pause.
 */
static void save_huge(struct save *s, const struct map_line *m)
{
	enum { STEP = 4096 }; /* pages of the common size */
	uint8_t core[STEP];

	for (uint64_t at = m->start, n, run; at < m->end; at += n * CKPT_PAGE) {
		n = (m->end - at) / CKPT_PAGE < STEP ? (m->end - at) / CKPT_PAGE : STEP;
		if (sys_call3(__NR_mincore, at, n * CKPT_PAGE, core) < 0)
			__builtin_memset(core, 1, sizeof(core));
		for (uint64_t i = 0; i < n; i += run) {
			for (run = 1; i + run < n && !((core[i + run] ^ core[i]) & 1); run++)
				;
			if (core[i] & 1)
				copy_run(s, m, STREAM_MEMORY, at + i * CKPT_PAGE, at + i * CKPT_PAGE,
					 at + (i + run) * CKPT_PAGE);
		}
	}
}

static int copy_own(void *arg, uint64_t start, uint64_t end, enum page_kind kind)
{
	const struct copy *c = arg;

	if (kind == PAGE_OWN)
		copy_run(c->save, c->m, STREAM_MEMORY, start, start, end);
	return c->save->err;
}

/*
 * What the copy will not have. Reservations of many GiB are among it, of which little has been touched. An empty piece at
 * the beginning says that the area has been seen.
 */
static void save_not_inherited(struct save *s, const struct map_line *m)
{
	struct copy c = {.save = s, .m = m};
	struct page_scan scan;
	int r;

	if (m->ino) {
		copy_run(s, m, STREAM_MEMORY, m->start, m->start, m->end);
		return;
	}
	save_piece(s, STREAM_MEMORY, m->start, 0);
	r = page_scan_open(&scan);
	if (r == 0) {
		r = page_scan(&scan, m->start, m->end, copy_own, &c);
		sys_close(scan.fd);
	}
	if (r < 0)
		s->err = r;
}

void memory_save(struct memory *m, struct save *s, const struct process_state *ps)
{
	const char *p = m->maps, *end = m->maps + m->maps_len;
	const char *sp, *what = "";
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
		else if (is_object(&line, a))
			save_shared(s, &line, a);
		else if (a == AREA_HUGE)
			save_huge(s, &line);
		else if (!vmflag(flags, "dp") && (vmflag(flags, "dc") || vmflag(flags, "wf")))
			save_not_inherited(s, &line);
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
