/*
 * From the image's records to structures. Extents are sorted by stream and start, so that what an
 * area has in the image is found without looking at all of them.
 *
 * Open files and objects have ids that hold for the whole image: a descriptor may refer to a file that
 * was saved with another process, and an object's bytes may be among several processes' extents. So these
 * are looked up when all processes are there.
 */
#include <ckpt/file_use.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "inspect.h"
#include "keys.h"

/* One more element of size bytes, zeroed, at the end of *array. */
static void *array_add(void *array, size_t *n, size_t size)
{
	char **base = array;
	char *grown = *base;

	if ((*n & (*n - 1)) == 0) { /* full at each power of two */
		grown = reallocarray(*base, *n ? *n * 2 : 1, size);
		if (!grown)
			die("out of memory");
	}
	*base = grown;
	return memset(grown + (*n)++ * size, 0, size);
}

static const char *extra(const struct rec *r, size_t n)
{
	size_t len;

	return rec_extra(r, n, &len);
}

/* ---- what the image holds of a range ---- */

static int extent_order(const void *x, const void *y)
{
	const struct image_extent *a = x, *b = y;

	if (a->stream != b->stream)
		return a->stream < b->stream ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

size_t extents_find(const struct extents *x, uint32_t stream, uint64_t start)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct image_extent *e = &x->e[mid];

		if (e->stream < stream || (e->stream == stream && e->start + e->len <= start))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void share_add(struct share *s, const struct image *img, const struct image_extent *e)
{
	const struct image_chunk *c = &img->chunks[e->chunk];

	s->saved += e->len;
	s->stored += (double)c->stored * e->len / c->raw;
}

static void share_add_range(struct share *s, const struct image *img, const struct extents *x,
			    uint32_t stream, uint64_t start, uint64_t end)
{
	for (size_t i = extents_find(x, stream, start); i < x->n; i++) {
		if (x->e[i].stream != stream || x->e[i].start >= end)
			break;
		share_add(s, img, &x->e[i]);
	}
}

/* Did the process's own writer write the chunk? */
static bool is_own(const struct image_section *chunks, const struct image_extent *e)
{
	return chunks && e->chunk >= chunks->first &&
	       e->chunk - chunks->first < chunks->raw / sizeof(struct image_chunk);
}

static void find_shares(const struct image *img, uint32_t index, struct process *p,
			const struct extents *x)
{
	const struct image_section *chunks = image_find(img, SECTION_CHUNKS, index);

	for (size_t i = 0; i < x->n; i++)
		share_add(is_own(chunks, &x->e[i]) ? &p->own : &p->shared, img, &x->e[i]);
	for (size_t i = 0; i < p->nareas; i++) {
		struct area *a = &p->areas[i];

		if (a->rec.flags & VMA_GUARD)
			continue;
		share_add_range(&a->share, img, x, STREAM_MEMORY, a->rec.start, a->rec.end);
		share_add_range(&a->share, img, x, STREAM_FILE_TEXT, a->rec.start, a->rec.end);
	}
}

/* ---- records ---- */

static void add_string(struct process *p, const struct rec *r)
{
	struct rec_string s;
	size_t len;
	const char *text = rec_extra(r, sizeof(s), &len);

	rec_get(r, &s, sizeof(s));
	switch (s.kind) {
	case STRING_COMM:
		p->comm = text;
		break;
	case STRING_EXE:
		p->exe = text;
		break;
	case STRING_CWD:
		p->cwd = text;
		break;
	case STRING_CMDLINE:
		p->cmdline = text;
		p->cmdline_len = len;
		break;
	case STRING_AUXV:
		p->auxv = text;
		p->auxv_len = len;
		break;
	case STRING_WARNING:
		*(const char **)array_add(&p->warnings, &p->nwarnings, sizeof(text)) = text;
		break;
	}
}

static void add_process(struct process *p, const struct rec *r)
{
	rec_get(r, &p->rec, sizeof(p->rec));
}

static void add_thread(struct process *p, const struct rec *r)
{
	struct rec_thread *t = array_add(&p->threads, &p->nthreads, sizeof(*t));

	rec_get(r, t, sizeof(*t));
	t->comm[sizeof(t->comm) - 1] = 0;
}

static void add_area(struct process *p, const struct rec *r)
{
	struct area *a = array_add(&p->areas, &p->nareas, sizeof(*a));

	rec_get(r, &a->rec, sizeof(a->rec));
	a->path = extra(r, sizeof(a->rec));
}

static void add_descriptor(struct process *p, const struct rec *r)
{
	struct descriptor *d = array_add(&p->fds, &p->nfds, sizeof(*d));

	rec_get(r, &d->rec, sizeof(d->rec));
}

static void add_file(struct process *p, const struct rec *r)
{
	struct file *f = array_add(&p->files, &p->nfiles, sizeof(*f));

	rec_get(r, &f->rec, sizeof(f->rec));
	f->rec.plugin[sizeof(f->rec.plugin) - 1] = 0;
	f->link = extra(r, sizeof(f->rec));
}

/* How a regular file was used is among what its plugin keeps. */
static void add_plugin(struct process *p, const struct rec *r)
{
	struct {
		struct rec_plugin plugin;
		struct regular_state state;
	} kept;

	rec_get(r, &kept, sizeof(kept));
	if (kept.plugin.len == sizeof(kept.state) && kept.state.magic == REGULAR_MAGIC)
		*(struct file_used *)array_add(&p->used, &p->nused, sizeof(*p->used)) =
			(struct file_used){kept.plugin.file, kept.state.use};
}

static void add_object(struct process *p, const struct rec *r)
{
	struct object *o = array_add(&p->objects, &p->nobjects, sizeof(*o));

	rec_get(r, &o->rec, sizeof(o->rec));
	o->name = extra(r, sizeof(o->rec));
}

static void add_ipc(struct process *p, const struct rec *r)
{
	rec_get(r, array_add(&p->ipc, &p->nipc, sizeof(*p->ipc)), sizeof(*p->ipc));
}

static void add_child(struct process *p, const struct rec *r)
{
	struct child *c = array_add(&p->children, &p->nchildren, sizeof(*c));

	rec_get(r, &c->rec, sizeof(c->rec));
	c->rec.comm[sizeof(c->rec.comm) - 1] = 0;
}

static void (*const adders[])(struct process *p, const struct rec *r) = {
	[REC_PROCESS] = add_process, [REC_STRING] = add_string, [REC_THREAD] = add_thread,
	[REC_VMA] = add_area,	     [REC_FD] = add_descriptor, [REC_FILE] = add_file,
	[REC_OBJECT] = add_object,   [REC_CHILD] = add_child,	[REC_IPC] = add_ipc,
	[REC_PLUGIN] = add_plugin,
};

/* ---- what holds for all processes ---- */

static int file_order(const void *x, const void *y)
{
	const struct file *a = *(struct file *const *)x, *b = *(struct file *const *)y;

	return a->rec.id < b->rec.id ? -1 : a->rec.id > b->rec.id;
}

static struct file *file_find(struct file **all, size_t n, uint32_t id)
{
	struct file key = {.rec.id = id}, *k = &key, **found = n ? bsearch(&k, all, n, sizeof(*all), file_order) : NULL;

	return found ? *found : NULL;
}

/* Let descriptors, and what is known of files' use, lead to the files, whichever process those were saved with. */
static void find_files(struct report *r)
{
	struct file **all = NULL, *f;
	size_t n = 0;

	for (size_t i = 0; i < r->nprocesses; i++)
		for (size_t j = 0; j < r->processes[i].nfiles; j++)
			*(struct file **)array_add(&all, &n, sizeof(*all)) = &r->processes[i].files[j];
	if (n)
		qsort(all, n, sizeof(*all), file_order);
	for (size_t i = 0; i < r->nprocesses; i++) {
		struct process *p = &r->processes[i];

		for (size_t j = 0; j < p->nfds; j++)
			p->fds[j].file = file_find(all, n, p->fds[j].rec.file);
		for (size_t j = 0; j < p->nused; j++)
			if ((f = file_find(all, n, p->used[j].file)))
				f->restart = file_use_name(p->used[j].use);
	}
	free(all);
}

static void find_objects(struct report *r)
{
	struct extents *all = &r->objects;

	if (all->n)
		qsort(all->e, all->n, sizeof(*all->e), extent_order);
	for (size_t i = 0; i < r->nprocesses; i++)
		for (size_t j = 0; j < r->processes[i].nobjects; j++) {
			struct object *o = &r->processes[i].objects[j];

			share_add_range(&o->share, &r->image, all, STREAM_OBJECT + o->rec.id, 0, UINT64_MAX);
			o->beside = beside_find(&r->beside, o->rec.id);
		}
}

/* ---- the image ---- */

static int area_order(const void *x, const void *y)
{
	const struct area *a = x, *b = y;

	return a->rec.start < b->rec.start ? -1 : a->rec.start > b->rec.start;
}

static void load_process(struct report *r, uint32_t index, struct text *why)
{
	const struct image_section *s = image_find(&r->image, SECTION_PROCESS, index);
	struct process *p = &r->processes[index];
	const struct rec *rec;
	struct extents *x = &p->extents;
	struct rec_iter it;
	void *data;
	size_t n;

	p->comm = p->exe = p->cwd = p->cmdline = p->auxv = "";
	if (image_read_section(&r->image, s, &data, &n, why) < 0 ||
	    image_extents(&r->image, index, &x->e, &x->n, why) < 0)
		die("%s: %s", r->path, why->buf);
	it = rec_iter(data, n);
	while ((rec = rec_next(&it)))
		if (rec->type < ARRAY_SIZE(adders) && adders[rec->type])
			adders[rec->type](p, rec);
	if (it.err)
		die("%s: damaged: records of process %u", r->path, index);
	if (x->n)
		qsort(x->e, x->n, sizeof(*x->e), extent_order);
	if (p->nareas)
		qsort(p->areas, p->nareas, sizeof(*p->areas), area_order);
	find_shares(&r->image, index, p, x);
	for (size_t i = extents_find(x, STREAM_OBJECT, 0); i < x->n; i++)
		*(struct image_extent *)array_add(&r->objects.e, &r->objects.n, sizeof(*x->e)) = x->e[i];
}

static void load_processes(struct report *r, struct text *why)
{
	r->nprocesses = r->image.nprocesses;
	r->processes = calloc(r->nprocesses ? r->nprocesses : 1, sizeof(*r->processes));
	if (!r->processes)
		die("out of memory");
	for (uint32_t i = 0; i < r->nprocesses; i++)
		load_process(r, i, why);
	find_files(r);
	find_objects(r);
}

int report_job(struct report *r, struct text *why)
{
	const struct image_section *s = image_find(&r->image, SECTION_JOB, 0);
	const struct rec *rec;
	struct rec_iter it;
	void *data;
	size_t n;
	int err = s ? image_read_section(&r->image, s, &data, &n, why) : 0;

	if (err < 0)
		return err;
	if (s)
		it = rec_iter(data, n);
	rec = s ? rec_next_type(&it, REC_JOB) : NULL;
	if (!rec) {
		text_put(why, "damaged: no description of the job");
		return -EBADMSG;
	}
	rec_get(rec, &r->job, sizeof(r->job));
	r->job.job[sizeof(r->job.job) - 1] = 0;
	r->job.name[sizeof(r->job.name) - 1] = 0;
	r->job.host[sizeof(r->job.host) - 1] = 0;
	r->job.kernel[sizeof(r->job.kernel) - 1] = 0;
	return 0;
}

const struct process *report_process(const struct report *r, int pid)
{
	for (size_t i = 0; i < r->nprocesses; i++)
		if (pid == 0 || r->processes[i].rec.pid == pid)
			return &r->processes[i];
	if (pid)
		die("%s: it has no process %d", r->path, pid);
	die("%s: it has no processes", r->path);
}

void report_load(struct report *r, const char *path, const char *key)
{
	struct image_keys keys = keys_of(key);
	char buf[256] = "";
	struct text why = TEXT(buf);
	/* Not blocking: a FIFO is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*r = (struct report){.path = path, .key = key};
	if (fd < 0)
		die("cannot open %s:", path);
	if (image_open_sealed(&r->image, fd, &keys, &why) < 0)
		die("%s: %s", path, buf);
	for (uint64_t i = 0; i < r->image.nchunks; i++)
		r->raw += r->image.chunks[i].raw;
	if (report_job(r, &why) < 0)
		die("%s: %s", path, buf);
	if (beside_open(&r->beside, &r->image, path, &why) < 0)
		die("%s: %s", path, buf);
	load_processes(r, &why);
}
