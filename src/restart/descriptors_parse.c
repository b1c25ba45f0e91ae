/*
 * What an image has of open files, as tables: files by id and by inode, what their plugins keep of them, and
 * their numbers.
 */
#define _GNU_SOURCE
#include "descriptors_parts.h"
#include "files.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FD_LIMIT = 1 << 30 };

uint32_t records_count_type(const struct saved *p, uint16_t type)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	uint32_t n = 0;

	while (rec_next_type(&it, type))
		n++;
	return n;
}

static size_t count_all(const struct descriptors_params *p, uint16_t type)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->nprocesses; i++)
		n += records_count_type(&p->processes[i], type);
	return n;
}

static const struct plugin *plugin_by_name(const char *name)
{
	const struct plugin *const *p = plugin_table;

	while (*p && !str_eq((*p)->name, name))
		p++;
	return *p;
}

static int file_parse(const struct descriptors_params *params, const struct saved *p, const struct rec *r,
		      struct plugin_file *f)
{
	struct rec_file rec;
	const char *before, *now;
	size_t len;

	rec_get(r, &rec, sizeof(rec));
	before = rec_extra(r, sizeof(rec), &len);
	now = path_now(params->moves, before);
	rec.plugin[sizeof(rec.plugin) - 1] = 0;
	*f = (struct plugin_file){
		.plugin = plugin_by_name(rec.plugin),
		.link = now,
		.moved = now != before,
		.fd = -1,
		.number = -1,
		.process = p->index,
		.pid = p->rec.pid,
		.id = rec.id,
		.flags = rec.flags,
		.mode = rec.mode,
		.nlink = rec.nlink,
		.pos = rec.pos,
		.dev = rec.dev,
		.ino = rec.ino,
		.rdev = rec.rdev,
		.size = rec.size,
		.mtime_ns = rec.mtime_ns,
		.object = rec.object,
		.owner = rec.owner,
		.owner_type = rec.owner_type,
		.sig = rec.sig,
		.closed = rec.closed,
		.policy = files_policy(params->files, now),
	};
	if (f->policy == FILES_BY_USE)
		f->policy = rec.policy;
	return f->plugin && f->plugin->restore ? 0 : -ENOTSUP;
}

int file_by_id(const void *a, const void *b)
{
	const struct plugin_file *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

uint32_t rec_file_id(const struct rec *r)
{
	struct rec_plugin rec;

	rec_get(r, &rec, sizeof(rec));
	return rec.file;
}

/* By file; records of one file in the order of the image, which is that of their addresses. */
static int by_file(const void *a, const void *b)
{
	const struct rec *x = *(const struct rec *const *)a, *y = *(const struct rec *const *)b;
	uint32_t i = rec_file_id(x), j = rec_file_id(y);

	return i != j ? (i < j ? -1 : 1) : x < y ? -1 : x > y;
}

/* By inode, then by id. */
int file_by_inode(const void *a, const void *b)
{
	const struct plugin_file *x = *(struct plugin_file *const *)a,
				 *y = *(struct plugin_file *const *)b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return file_by_id(x, y);
}

/* Link the open files of each inode to a ring. */
static int rings_make(struct plugin_ctx *c)
{
	struct plugin_file **sorted = calloc(c->nfiles + 1, sizeof(*sorted));
	uint32_t i, first = 0;

	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < c->nfiles; i++)
		sorted[i] = &c->files[i];
	qsort(sorted, c->nfiles, sizeof(*sorted), file_by_inode);
	for (i = 0; i < c->nfiles; i++) {
		if (!plugin_same_inode(sorted[first], sorted[i]))
			first = i;
		sorted[i]->twin = sorted[first];
		if (i > first)
			sorted[i - 1]->twin = sorted[i];
	}
	c->sorted = sorted;
	return 0;
}

static int files_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;
	int err;

	while ((r = rec_next_type(&it, REC_FILE))) {
		err = file_parse(&c->params, p, r, &c->files[c->nfiles]);
		if (err)
			return plugin_fail(c, &c->files[c->nfiles], 0,
					   "this version can't restore it");
		c->nfiles++;
	}
	return it.err;
}

static int ids_check(const struct plugin_ctx *c)
{
	for (uint32_t i = 0; i + 1 < c->nfiles; i++)
		if (c->files[i].id == c->files[i + 1].id)
			return -EBADMSG;
	return 0;
}

int number_parse(struct plugin_ctx *c, const struct rec *r, struct plugin_file **f)
{
	struct rec_fd rec;

	rec_get(r, &rec, sizeof(rec));
	if (!rec.file)
		return 0;
	*f = plugin_file_by_id(c, rec.file);
	return rec.fd < 0 || rec.fd >= c->params.base || !*f ? -EBADMSG : 1;
}

/* Find the lowest number of each file in the process that saved it. */
static int numbers_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_FD))) {
		struct plugin_file *f;
		struct rec_fd rec;
		int err = number_parse(c, r, &f);

		if (err < 0)
			return err;
		rec_get(r, &rec, sizeof(rec));
		if (err && f->process == (int)p->index && (f->number < 0 || rec.fd < f->number))
			f->number = rec.fd;
	}
	return it.err;
}

static int plugin_recs_parse(struct plugin_ctx *c, const struct saved *p)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *r;

	while ((r = rec_next_type(&it, REC_PLUGIN)))
		c->plugin_recs[c->nplugin_recs++] = r;
	return it.err;
}

static int tables_alloc(struct plugin_ctx *c)
{
	const struct descriptors_params *p = &c->params;

	c->files = calloc(count_all(p, REC_FILE) + 1, sizeof(*c->files));
	c->plugin_recs = calloc(count_all(p, REC_PLUGIN) + 1, sizeof(*c->plugin_recs));
	return c->files && c->plugin_recs ? 0 : -ENOMEM;
}

/* Call parse for every process. */
static int parse_each(struct plugin_ctx *c, int (*parse)(struct plugin_ctx *, const struct saved *))
{
	int err = 0;

	for (uint32_t i = 0; !err && i < c->params.nprocesses; i++)
		err = parse(c, &c->params.processes[i]);
	return err;
}

static int tables_parse(struct plugin_ctx *c)
{
	int err = objects_init(&c->objects, &c->params);

	if (!err)
		err = parse_each(c, files_parse);
	if (err)
		return err;
	qsort(c->files, c->nfiles, sizeof(*c->files), file_by_id);
	err = ids_check(c);
	if (!err)
		err = rings_make(c);
	if (!err)
		err = parse_each(c, numbers_parse);
	if (!err)
		err = parse_each(c, plugin_recs_parse);
	if (!err)
		outputs_take(c);
	qsort(c->plugin_recs, c->nplugin_recs, sizeof(*c->plugin_recs), by_file);
	return err;
}

struct plugin_ctx *descriptors_open(const struct descriptors_params *p)
{
	struct plugin_ctx *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return NULL;
	c->params = *p;
	memset(c->std, 0xff, sizeof(c->std));
	err = tables_alloc(c);
	if (!err)
		err = tables_parse(c);
	if (!err)
		return c;
	descriptors_fail(c, err, "the descriptors in the image");
	descriptors_close(c);
	return NULL;
}

int descriptors_base(const void *records, size_t n)
{
	struct rec_iter it = rec_iter(records, n);
	const struct rec *r;
	struct rec_fd fd;
	int base = 3;

	while ((r = rec_next_type(&it, REC_FD))) {
		rec_get(r, &fd, sizeof(fd));
		if (fd.fd < 0 || fd.fd >= FD_LIMIT)
			return -EBADMSG;
		if (fd.fd >= base)
			base = fd.fd + 1;
	}
	return it.err ? it.err : base;
}
