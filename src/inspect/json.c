/*
 * The report for programs: one object, whose names ckpt_inspect(1) documents.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "die.h"
#include "diff.h"
#include "files.h"
#include "generations.h"
#include "inspect.h"
#include "python.h"

/* jansson frees what it can't add, so that only a failure needs to be looked for. */
static void put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		die("out of memory");
}

static void add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		die("out of memory");
}

/* Paths need not be UTF-8; bytes that are not become '?'. */
static json_t *string(const char *s)
{
	json_t *j = json_string(s);
	char *copy;

	if (j)
		return j;
	copy = strdup(s);
	if (!copy)
		die("out of memory");
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p > 126)
			*p = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

static json_t *address(uint64_t a)
{
	return json_sprintf("0x%lx", a);
}

static void put_share(json_t *object, const struct share *s)
{
	put(object, "saved", json_integer(s->saved));
	put(object, "stored", json_integer(s->stored + 0.5));
}

static json_t *job_json(const struct rec_job *j)
{
	json_t *o = json_object();

	put(o, "id", string(j->job));
	put(o, "name", string(j->name));
	put(o, "host", string(j->host));
	put(o, "kernel", string(j->kernel));
	put(o, "uid", json_integer(j->uid));
	put(o, "generation", json_integer(j->generation));
	put(o, "pause_ms", json_real(j->pause_ns / 1e6));
	return o;
}

static json_t *cmdline_json(const struct process *p)
{
	json_t *list = json_array();

	if (p->cmdline_len)
		for (const char *s = p->cmdline; s < p->cmdline + p->cmdline_len;
		     s += strlen(s) + 1)
			add(list, string(s));
	return list;
}

static json_t *warnings_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nwarnings; i++)
		add(list, string(p->warnings[i]));
	return list;
}

static json_t *stack_json(const struct stack *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nframes; i++) {
		const struct frame *f = &s->frames[i];
		json_t *o = json_object();

		put(o, "pc", address(f->pc));
		put(o, "function", f->function ? string(f->function) : json_null());
		put(o, "offset", json_integer(f->offset));
		put(o, "object", string(f->object));
		add(list, o);
	}
	return list;
}

static json_t *locals_json(const struct python_frame *f)
{
	json_t *o = json_object();

	for (size_t i = 0; i < f->nlocals; i++) {
		json_t *name = string(f->locals[i].name);

		put(o, json_string_value(name), string(f->locals[i].value));
		json_decref(name);
	}
	return o;
}

static json_t *python_frames_json(const struct python_thread *t, bool locals)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->nframes; i++) {
		const struct python_frame *f = &t->frames[i];
		json_t *o = json_object();

		put(o, "file", string(f->file));
		put(o, "line", f->line ? json_integer(f->line) : json_null());
		put(o, "function", string(f->function));
		if (locals)
			put(o, "locals", locals_json(f));
		add(list, o);
	}
	return list;
}

static json_t *python_json(const struct report *r, const struct process *p)
{
	json_t *o = json_object(), *threads = json_array();
	char version[PYTHON_VERSION_MAX];

	put(o, "version", string(python_version(p->python, version)));
	put(o, "problem", p->python->problem ? string(p->python->problem) : json_null());
	for (size_t i = 0; i < p->python->nthreads; i++) {
		const struct python_thread *t = &p->python->threads[i];
		int tid = python_tid(p, t);
		json_t *thread = json_object();

		put(thread, "tid", tid ? json_integer(tid) : json_null());
		put(thread, "interpreter", json_integer(t->interpreter));
		put(thread, "frames", python_frames_json(t, r->locals));
		add(threads, thread);
	}
	put(o, "threads", threads);
	return o;
}

static json_t *threads_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nthreads; i++) {
		json_t *o = json_object();

		put(o, "tid", json_integer(p->threads[i].tid));
		put(o, "name", string(p->threads[i].comm));
		if (p->stacks)
			put(o, "stack", stack_json(&p->stacks[i]));
		add(list, o);
	}
	return list;
}

static json_t *area_json(const struct area *a)
{
	json_t *o = json_object(), *flags = json_array();
	char perm[5];

	put(o, "start", address(a->rec.start));
	put(o, "end", address(a->rec.end));
	put(o, "permissions", string(area_permissions(a, perm)));
	put(o, "name", string(area_name(a)));
	put(o, "offset", json_integer(a->rec.offset));
	put_share(o, &a->share);
	for (const struct vma_flag_name *f = vma_flag_names; f->name; f++)
		if (a->rec.flags & f->flag)
			add(flags, string(f->name));
	put(o, "flags", flags);
	return o;
}

static json_t *areas_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nareas; i++)
		add(list, area_json(&p->areas[i]));
	return list;
}

static json_t *objects_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nobjects; i++) {
		const struct object *x = &p->objects[i];
		json_t *o = json_object();

		put(o, "id", json_integer(x->rec.id));
		put(o, "kind", string(object_kind_name(x->rec.kind)));
		put(o, "name", string(x->name));
		put(o, "size", json_integer(x->rec.size));
		put_share(o, &x->share);
		put(o, "beside", json_integer(x->beside.file ? x->beside.file->bytes : 0));
		put(o, "clone", json_boolean(x->beside.file && x->beside.file->how == CONTENTS_CLONE));
		add(list, o);
	}
	return list;
}

static json_t *ipc_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nipc; i++) {
		const struct rec_ipc *x = &p->ipc[i];
		json_t *o = json_object();

		put(o, "id", json_integer(x->id));
		put(o, "kind", string(ipc_kind_name(x->kind)));
		put(o, "key", json_integer((uint32_t)x->key));
		put(o, "mode", json_integer(x->mode & 0777));
		put(o, "size", json_integer(x->size));
		put(o, "messages", json_integer(x->nmessages));
		add(list, o);
	}
	return list;
}

static void put_file(json_t *o, const struct file *f)
{
	put(o, "kind", string(f->rec.plugin));
	put(o, "name", string(f->link));
	put(o, "access", string(file_access(f)));
	put(o, "flags", json_integer(f->rec.flags));
	put(o, "position", json_integer(f->rec.pos));
	put(o, "size", json_integer(f->rec.size));
	put(o, "object", json_integer(f->rec.object));
	put(o, "restart", f->restart ? string(f->restart) : json_null());
	put(o, "policy", string(files_policy_name(f->rec.policy)));
}

static json_t *descriptors_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nfds; i++) {
		const struct descriptor *d = &p->fds[i];
		json_t *o = json_object();

		put(o, "fd", json_integer(d->rec.fd));
		put(o, "file", json_integer(d->rec.file));
		put(o, "cloexec", json_boolean(d->rec.cloexec));
		if (d->file)
			put_file(o, d->file);
		add(list, o);
	}
	return list;
}

/* Files that it has written to and closed. */
static json_t *closed_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nfiles; i++) {
		json_t *o;

		if (!p->files[i].rec.closed)
			continue;
		o = json_object();
		put_file(o, &p->files[i]);
		add(list, o);
	}
	return list;
}

static json_t *children_json(const struct process *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->nchildren; i++) {
		json_t *o = json_object();
		char state[64];

		put(o, "pid", json_integer(p->children[i].rec.pid));
		put(o, "name", string(p->children[i].rec.comm));
		put(o, "state", string(child_state(&p->children[i], state)));
		add(list, o);
	}
	return list;
}

/* What its writer has written, and what it has in common with others, who have. */
static void put_size(json_t *o, const struct process *p)
{
	put_share(o, &p->own);
	put(o, "shared", json_integer(p->shared.saved));
}

static json_t *environment_json(const struct report *r, const struct process *p)
{
	json_t *o = json_object();

	for (size_t i = 0; i < p->nenvironment; i++) {
		json_t *name = string(p->environment[i].name);

		put(o, json_string_value(name), string(variable_value(r, &p->environment[i])));
		json_decref(name);
	}
	return o;
}

static json_t *process_json(const struct report *r, const struct process *p)
{
	json_t *o = json_object();

	put(o, "pid", json_integer(p->rec.pid));
	put(o, "ppid", json_integer(p->rec.ppid));
	put(o, "parent", json_integer(p->rec.parent));
	put(o, "pgid", json_integer(p->rec.pgid));
	put(o, "sid", json_integer(p->rec.sid));
	put(o, "uid", json_integer(p->rec.uid));
	put(o, "gid", json_integer(p->rec.gid));
	put(o, "name", string(p->comm));
	put(o, "stopped", json_boolean(p->rec.flags & PROCESS_STOPPED));
	put_size(o, p);
	put(o, "executable", string(p->exe));
	put(o, "directory", string(p->cwd));
	put(o, "command", cmdline_json(p));
	put(o, "warnings", warnings_json(p));
	put(o, "threads", threads_json(p));
	if (r->python)
		put(o, "python", p->python ? python_json(r, p) : json_null());
	put(o, "memory", areas_json(p));
	put(o, "objects", objects_json(p));
	put(o, "ipc", ipc_json(p));
	put(o, "descriptors", descriptors_json(p));
	put(o, "closed_files", closed_json(p));
	put(o, "children", children_json(p));
	if (p->nenvironment)
		put(o, "environment", environment_json(r, p));
	return o;
}

static void print(json_t *o)
{
	if (json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15)))
		die("cannot write to standard output");
	putchar('\n');
	json_decref(o);
}

void report_json(const struct report *r)
{
	json_t *o = json_object(), *processes = json_array();

	put(o, "image", string(r->path));
	put(o, "version", json_integer(r->image.header.version));
	put(o, "bytes", json_integer(r->image.size));
	put(o, "raw_bytes", json_integer(r->raw));
	put(o, "beside", json_integer(beside_bytes(&r->beside)));
	put(o, "chunks", json_integer(r->image.nchunks));
	put(o, "sections", json_integer(r->image.nsections));
	put(o, "created", json_real(r->image.header.created_ns / 1e9));
	put(o, "encrypted", json_boolean(r->image.keyfile));
	put(o, "verified", json_boolean(r->verified));
	put(o, "job", job_json(&r->job));
	for (size_t i = 0; i < r->nprocesses; i++)
		add(processes, process_json(r, &r->processes[i]));
	put(o, "processes", processes);
	print(o);
}

/* ---- differences ---- */

static json_t *change_json(const struct change *c)
{
	json_t *o = json_object();
	char perm[5];

	put(o, "start", address(c->area->rec.start));
	put(o, "end", address(c->area->rec.end));
	put(o, "permissions", string(area_permissions(c->area, perm)));
	put(o, "name", string(area_name(c->area)));
	put(o, "pages", json_integer((c->area->rec.end - c->area->rec.start) / CKPT_PAGE));
	put(o, "changed", json_integer(c->changed));
	put(o, "added", json_integer(c->added));
	put(o, "removed", json_integer(c->removed));
	return o;
}

static json_t *difference_json(const struct difference *d)
{
	const struct process *p = d->after ? d->after : d->before;
	json_t *o = json_object(), *list = json_array();

	put(o, "pid", json_integer(p->rec.pid));
	put(o, "name", string(p->comm));
	put(o, "before", json_boolean(d->before));
	put(o, "after", json_boolean(d->after));
	for (size_t i = 0; i < d->nchanges; i++)
		add(list, change_json(&d->changes[i]));
	put(o, "memory", list);
	return o;
}

static json_t *diff_image_json(const struct report *r)
{
	json_t *o = json_object();

	put(o, "image", string(r->path));
	put(o, "created", json_real(r->image.header.created_ns / 1e9));
	put(o, "job", job_json(&r->job));
	return o;
}

void diff_json(const struct report *a, const struct report *b, const struct difference *d, size_t n)
{
	json_t *o = json_object(), *list = json_array();

	put(o, "before", diff_image_json(a));
	put(o, "after", diff_image_json(b));
	for (size_t i = 0; i < n; i++)
		add(list, difference_json(&d[i]));
	put(o, "processes", list);
	print(o);
}

/* ---- generations ---- */

static json_t *generation_json(const struct generation *g)
{
	json_t *o = json_object();

	put(o, "file", string(g->file));
	put(o, "bytes", json_integer(g->bytes));
	put(o, "problem", g->problem ? string(g->problem) : json_null());
	if (g->problem)
		return o;
	put(o, "beside", json_integer(g->beside));
	put(o, "created", json_real(g->created_ns / 1e9));
	put(o, "processes", json_integer(g->nprocesses));
	put(o, "job", job_json(&g->job));
	return o;
}

void generations_json(const char *directory, const struct generation *g, size_t n)
{
	json_t *o = json_object(), *list = json_array();

	put(o, "directory", string(directory));
	for (size_t i = 0; i < n; i++)
		add(list, generation_json(&g[i]));
	put(o, "images", list);
	print(o);
}
