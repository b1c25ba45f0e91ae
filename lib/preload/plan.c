/*
 * In the snapshot writer: from the areas read in the pause to records of areas and lists of the bytes
 * that the image needs. The writer's memory is a copy of the frozen program, so there is time here to
 * read smaps, scan page tables and look at files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "writer.h"
#include "frozen.h"

enum {
	TEXT_MAX = 32 << 20, /* a mapped file without code is in the image up to this size */
};

/* A file of which some mapping is executable. */
struct code_file {
	uint64_t dev, ino;
};

struct planner {
	struct memory *memory;
	struct save *save;
	struct plan *plan;
	struct page_scan scan;
	struct blob code; /* struct code_file[] */
	const char *smaps, *smaps_end;
	/* the area under way: */
	struct rec_vma vma;
	char path[CKPT_PATH_MAX];
	uint64_t text_from; /* bytes of the file from here on are not yet in the list */
	uint64_t text_end;  /* where they end; text_from: none wanted */
	bool whole;	    /* every page is content, touched or not */
};

static void add_range(struct planner *pl, uint64_t start, uint64_t end, bool soft)
{
	struct memory_range r = {start, end, soft, !(pl->vma.prot & PROT_READ)};

	if (start < end)
		blob_put(&pl->plan->memory, &r, sizeof(r));
}

/* Without the stack that the writer is on: nobody needs what was there, and it works with keys. */
static void add_memory(struct planner *pl, uint64_t start, uint64_t end, bool soft)
{
	uint64_t hide = (uint64_t)preload.snapshot_stack, hide_end = hide + preload.snapshot_stack_len;

	if (hide_end <= start || end <= hide) {
		add_range(pl, start, end, soft);
		return;
	}
	add_range(pl, start, hide, soft);
	add_range(pl, hide_end, end, soft);
}

/* The file's own bytes of [text_from, until), which a changed file would no longer have. */
static void add_text(struct planner *pl, uint64_t until)
{
	const struct rec_vma *v = &pl->vma;
	struct text_range t = {
		.start = pl->text_from,
		.end = until < pl->text_end ? until : pl->text_end,
		.offset = v->offset + (pl->text_from - v->start),
		.file = {v->dev, v->ino, v->file_size, v->file_mtime_ns},
	};

	if (t.start < t.end)
		blob_put(&pl->plan->text, &t, sizeof(t));
	if (pl->text_from < until)
		pl->text_from = until;
}

static void add_guard(struct planner *pl, uint64_t start, uint64_t end)
{
	struct rec_vma g = {.start = start, .end = end, .flags = VMA_GUARD};

	rec_put(&pl->plan->vma, REC_VMA, 0, &g, sizeof(g), "", 1);
}

static int on_pages(void *arg, uint64_t start, uint64_t end, enum page_kind kind)
{
	struct planner *pl = arg;

	if (kind == PAGE_OF_FILE)
		return 0;
	add_text(pl, start);
	if (kind == PAGE_GUARD)
		add_guard(pl, start, end);
	else
		add_memory(pl, start, end, false);
	if (pl->text_from < end)
		pl->text_from = end;
	return 0;
}

static const struct {
	char name[3];
	uint32_t flag;
} vm_flags[] = {
	{"gd", VMA_GROWSDOWN}, {"nr", VMA_NORESERVE},  {"lo", VMA_LOCKED},	{"hg", VMA_HUGEPAGE},
	{"nh", VMA_NOHUGEPAGE}, {"dc", VMA_DONTFORK},	{"wf", VMA_WIPEONFORK}, {"dd", VMA_DONTDUMP},
	{"sr", VMA_SEQUENTIAL}, {"rr", VMA_RANDOM},	{"mg", VMA_MERGEABLE},	{"ht", VMA_HUGETLB},
	{"lf", VMA_LOCKONFAULT}, {"dp", VMA_DROPPABLE},
};

static bool name_is(const struct map_line *m, const char *name)
{
	size_t n = str_len(name);

	return m->name_len == n && __builtin_memcmp(m->name, name, n) == 0;
}

static void vma_begin(struct planner *pl, const struct map_line *m, const char *flags)
{
	struct rec_vma *v = &pl->vma;

	*v = (struct rec_vma){
		.start = m->start,
		.end = m->end,
		.offset = m->offset,
		.prot = m->prot,
		.flags = m->shared ? VMA_SHARED : 0,
		.dev = m->dev,
		.ino = m->ino,
	};
	for (size_t i = 0; i < ARRAY_SIZE(vm_flags); i++)
		if (vmflag(flags, vm_flags[i].name))
			v->flags |= vm_flags[i].flag;
	if (name_is(m, "[heap]"))
		v->flags |= VMA_HEAP;
	else if (name_is(m, "[stack]"))
		v->flags |= VMA_STACK | VMA_GROWSDOWN;
	else if (name_is(m, "[vdso]"))
		v->flags |= VMA_VDSO;
	else if (m->name_len > 5 && __builtin_memcmp(m->name, "[vvar", 5) == 0)
		v->flags |= VMA_VVAR;
	str_copy(pl->path, m->name, m->name_len < sizeof(pl->path) ? m->name_len + 1 : sizeof(pl->path));
	pl->text_from = pl->text_end = m->start;
	pl->whole = false;
}

static bool is_code(const struct planner *pl, uint64_t dev, uint64_t ino)
{
	const struct code_file *c = (const struct code_file *)pl->code.data;

	for (size_t i = 0; i < pl->code.len / sizeof(*c); i++)
		if (c[i].dev == dev && c[i].ino == ino)
			return true;
	return false;
}

/*
 * A private mapping of a file: is the file under that name still the one that is mapped? Then its
 * identity is recorded, and its bytes where an update could take them away; else every page is ours.
 */
static void look_at_file(struct planner *pl)
{
	struct rec_vma *v = &pl->vma;
	struct stat st;
	uint64_t seen;

	v->flags |= VMA_FILE;
	if (sys_call4(__NR_newfstatat, AT_FDCWD, pl->path, &st, 0) < 0 || st.st_ino != v->ino ||
	    st.st_dev != v->dev) {
		v->flags |= VMA_DELETED;
		pl->whole = !(v->flags & VMA_SHARED);
		return;
	}
	v->file_size = st.st_size;
	v->file_mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	if (!(v->prot & PROT_READ) || (v->flags & VMA_SHARED && v->prot & PROT_WRITE))
		return;
	seen = v->file_size > v->offset ? ALIGN_UP(v->file_size - v->offset, CKPT_PAGE) : 0;
	if (!is_code(pl, v->dev, v->ino) && v->file_size > TEXT_MAX)
		return;
	v->flags |= VMA_HAS_TEXT;
	pl->text_end = v->start + (seen < v->end - v->start ? seen : v->end - v->start);
}

/* True when the bytes of an area without a copy in the snapshot were copied in the pause. */
static bool has_piece(const struct planner *pl, uint64_t start)
{
	for (struct save_piece *p = pl->save->pieces; p; p = p->next)
		if (p->stream == STREAM_MEMORY && p->start == start)
			return true;
	return false;
}

static int plan_private(struct planner *pl)
{
	struct rec_vma *v = &pl->vma;

	/* The kernel may drop such pages when it likes; libc keeps random state in them, never to be twice. */
	if (v->flags & VMA_DROPPABLE)
		return 0;
	if (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK)) {
		struct text why = TEXT(pl->plan->why);

		if (has_piece(pl, v->start) || v->start == (uint64_t)preload.fork_page)
			return 0;
		text_put(&why, "area %lx is not inherited by fork and was not seen in time",
			 (unsigned long)v->start);
		return -ENOTSUP;
	}
	if (pl->whole) {
		add_memory(pl, v->start, v->end, true);
		return 0;
	}
	return page_scan(&pl->scan, v->start, v->end, on_pages, pl);
}

/* Of the area whose flags have just been found: smaps stands in it. */
static uint32_t page_kb(const struct planner *pl)
{
	const char *p = pl->smaps < pl->smaps_end ? proc_field(pl->smaps, "KernelPageSize:") : NULL;

	return p ? parse_dec(&p) : 0;
}

static int plan_area(struct planner *pl, const struct map_line *m)
{
	const char *what = "", *flags;
	enum area a = area_kind(m, &what);
	int r = 0;

	if (a == AREA_SKIP)
		return 0;
	flags = smaps_flags(&pl->smaps, pl->smaps_end, m->start);
	vma_begin(pl, m, flags);
	if (a == AREA_AIO) /* the ring's bytes are mapped as ordinary memory, until libckpt makes a ring */
		pl->vma.flags = VMA_AIO;
	if (a == AREA_FILE || a == AREA_SHARED)
		look_at_file(pl);
	else if (a == AREA_GONE)
		pl->whole = true;
	/* A read-only mapping of a file that is mapped for writing elsewhere is of the same object. */
	if (a == AREA_OBJECT || a == AREA_SHARED)
		pl->vma.object = save_find_object(pl->save, pl->vma.dev, pl->vma.ino);
	if (pl->vma.object)
		pl->vma.flags |= VMA_OBJECT;
	if (a == AREA_HUGE)
		pl->vma.page_kb = page_kb(pl);
	if (a == AREA_SYSV) {
		pl->vma.flags |= VMA_SYSV | (vmflag(flags, "mw") ? 0 : VMA_READONLY);
		pl->vma.object = m->ino;
	}
	rec_put(&pl->plan->vma, REC_VMA, REC_REQUIRED, &pl->vma, sizeof(pl->vma), pl->path,
		str_len(pl->path) + 1);
	if (a == AREA_ANON || a == AREA_FILE || a == AREA_GONE)
		r = plan_private(pl);
	else if (pl->vma.flags & VMA_VDSO) /* another kernel does not have it */
		add_memory(pl, m->start, m->end, false);
	add_text(pl, m->end);
	return r;
}

static void find_code(struct planner *pl)
{
	const char *p = pl->memory->maps, *end = p + pl->memory->maps_len;
	struct map_line m;

	while (maps_next(&p, end, &m) > 0) {
		struct code_file c = {m.dev, m.ino};

		if (m.ino && m.prot & PROT_EXEC && !is_code(pl, m.dev, m.ino))
			blob_put(&pl->code, &c, sizeof(c));
	}
}

/* smaps of the snapshot, unless those of the program had to be read. */
static int find_smaps(struct planner *pl)
{
	struct memory *m = pl->memory;
	struct blob b = {0};
	ssize_t n;
	int fd;

	if (!m->smaps) {
		fd = sys_open("/proc/self/smaps", O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0)
			return fd;
		do {
			char *to = blob_grow(&b, 64 << 10);

			n = to ? io_read(fd, to, 64 << 10) : -ENOMEM;
			if (n >= 0)
				b.len -= (64 << 10) - n;
		} while (n == 64 << 10);
		sys_close(fd);
		if (n < 0)
			return n;
		blob_put(&b, "", 1);
		m->smaps = (char *)b.data;
		m->smaps_len = b.len - 1;
	}
	pl->smaps = m->smaps;
	pl->smaps_end = m->smaps + m->smaps_len;
	return 0;
}

int memory_plan(struct memory *m, struct save *s, struct plan *plan)
{
	struct planner pl = {.memory = m, .save = s, .plan = plan};
	const char *p = m->maps, *end = m->maps + m->maps_len;
	struct text why = TEXT(plan->why);
	struct map_line line;
	int r = find_smaps(&pl);

	if (r == 0)
		r = page_scan_open(&pl.scan);
	if (r < 0) {
		text_put(&why, "the snapshot can't look at itself: %s", errno_name(r));
		return r;
	}
	find_code(&pl);
	while (r == 0 && maps_next(&p, end, &line) > 0)
		r = plan_area(&pl, &line);
	sys_close(pl.scan.fd);
	if (r == 0)
		r = plan->vma.err ? plan->vma.err : plan->memory.err ? plan->memory.err : plan->text.err;
	if (r < 0 && !why.buf[0])
		text_put(&why, "areas can't be listed: %s", errno_name(r));
	return r;
}
