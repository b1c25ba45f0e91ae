/*
 * The report for people. Tables have a line a thing, whose last column is as long as it is.
 */
#include <stdio.h>
#include <string.h>
#include "diff.h"
#include "files.h"
#include "generations.h"
#include "inspect.h"
#include "text.h"
#include "tree.h"
#include "units.h"

void put_safe(const char *s)
{
	for (; *s; s++) {
		unsigned char c = *s;

		if (c < ' ' || c == 127)
			printf("\\%03o", c);
		else
			putchar(c);
	}
}

static void put_field(const char *name, const char *value)
{
	if (!value[0])
		return;
	printf("  %-10s ", name);
	put_safe(value);
	putchar('\n');
}

/* Arguments with blanks between them. */
static void put_cmdline(const struct process *p)
{
	if (!p->cmdline_len)
		return;
	printf("  %-10s", "command");
	for (const char *s = p->cmdline; s < p->cmdline + p->cmdline_len; s += str_len(s) + 1) {
		putchar(' ');
		put_safe(s);
	}
	putchar('\n');
}

static void put_image(const struct report *r)
{
	const struct image *img = &r->image;
	const struct rec_job *j = &r->job;
	char a[UNITS_MAX], b[UNITS_MAX];

	put_safe(r->path);
	printf("\n  %-10s ", "job");
	put_safe(j->job);
	printf(" (");
	put_safe(j->name);
	printf("), checkpoint %lu, of user %u\n", j->generation, j->uid);
	printf("  %-10s %s, %s ago, on ", "taken", units_time(a, img->header.created_ns),
	       units_age(b, img->header.created_ns));
	put_safe(j->host);
	printf(", Linux ");
	put_safe(j->kernel);
	if (r->nprocesses != 1)
		printf("\n  %-10s %lu", "processes", r->nprocesses);
	printf("\n  %-10s %s\n", "pause", units_duration(a, j->pause_ns));
	printf("  %-10s %s, of %s, in %lu chunks and %u sections of format %u%s\n", "size",
	       units_bytes(a, img->size), units_bytes(b, r->raw), img->nchunks, img->nsections,
	       img->header.version, img->keyfile ? ", encrypted" : "");
	if (beside_bytes(&r->beside))
		printf("  %-10s %s beside the image\n", "files", units_bytes(a, beside_bytes(&r->beside)));
	printf("  %-10s %s\n", "verified",
	       r->verified ? "every byte is as it was written"
			   : "tables only (--verify: all of it)");
}

static void put_line(const struct process *p, int depth, void *arg)
{
	char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];

	(void)arg;
	printf("%10d %10d %10s %10s %10s  %*s", p->rec.pid, p->rec.ppid, units_memory(a, p->own.saved),
	       units_memory(b, p->own.stored), units_memory(c, p->shared.saved), 2 * depth, "");
	put_safe(p->comm);
	printf("%s\n", p->rec.flags & PROCESS_STOPPED ? " (stopped)" : "");
}

/* A line for each process, when there are more than one. */
static void put_processes(const struct report *r)
{
	if (r->nprocesses < 2)
		return;
	printf("\nprocesses\n%10s %10s %10s %10s %10s  NAME\n", "PID", "PARENT", "SAVED", "ON DISK", "SHARED");
	tree_walk(r, put_line, NULL);
}

static void put_children(const struct process *p)
{
	if (!p->nchildren)
		return;
	printf("\n  children not yet waited for\n%10s  NAME\n", "PID");
	for (size_t i = 0; i < p->nchildren; i++) {
		char state[64];

		printf("%10d  ", p->children[i].rec.pid);
		put_safe(p->children[i].rec.comm);
		printf(", %s\n", child_state(&p->children[i], state));
	}
}

static void put_threads(const struct process *p)
{
	printf("\n  threads\n%10s  NAME\n", "TID");
	for (size_t i = 0; i < p->nthreads; i++) {
		printf("%10d  ", p->threads[i].tid);
		put_safe(p->threads[i].comm);
		printf("%s\n", p->threads[i].flags & THREAD_LEADER ? " (took the checkpoint)" : "");
	}
}

static void put_shares(const struct share *s)
{
	char a[UNITS_MAX], b[UNITS_MAX];

	if (s->saved)
		printf(" %10s %10s ", units_memory(a, s->saved), units_memory(b, s->stored));
	else
		printf(" %10s %10s ", "-", "-");
}

static void put_area(const struct area *a)
{
	char size[UNITS_MAX], perm[5];

	printf("  %16lx %16lx %s %10s", a->rec.start, a->rec.end, area_permissions(a, perm),
	       units_memory(size, a->rec.end - a->rec.start));
	put_shares(&a->share);
	put_safe(area_name(a));
	for (const struct vma_flag_name *f = vma_flag_names; f->name; f++)
		if (a->rec.flags & f->flag)
			printf(" %s", f->name);
	putchar('\n');
}

static void put_areas(const struct process *p)
{
	printf("\n  memory\n  %16s %16s %s %10s %10s %10s WHAT\n", "START", "END", "PERM", "SIZE",
	       "SAVED", "ON DISK");
	for (size_t i = 0; i < p->nareas; i++)
		put_area(&p->areas[i]);
}

static void put_beside(const struct beside_file *b)
{
	char bytes[UNITS_MAX];

	if (b->file)
		printf(" (%s beside the image%s)", units_memory(bytes, b->file->bytes),
		       b->file->how == CONTENTS_CLONE ? ", a clone" : "");
}

static void put_objects(const struct process *p)
{
	if (!p->nobjects)
		return;
	printf("\n  objects\n%10s %10s %10s %10s WHAT\n", "ID", "SIZE", "SAVED", "ON DISK");
	for (size_t i = 0; i < p->nobjects; i++) {
		const struct object *o = &p->objects[i];
		char size[UNITS_MAX];

		printf("%10u %10s", o->rec.id, units_memory(size, o->rec.size));
		put_shares(&o->share);
		printf("%s ", object_kind_name(o->rec.kind));
		put_safe(o->name);
		put_beside(&o->beside);
		putchar('\n');
	}
}

static void put_ipc(const struct process *p)
{
	if (!p->nipc)
		return;
	printf("\n  SysV objects\n%10s %10s %6s %10s KIND\n", "ID", "KEY", "MODE", "SIZE");
	for (size_t i = 0; i < p->nipc; i++) {
		const struct rec_ipc *o = &p->ipc[i];

		printf("%10d 0x%08x %6o %10llu %s", o->id, o->key, o->mode & 0777, (unsigned long long)o->size,
		       ipc_kind_name(o->kind));
		if (o->kind == IPC_MSG)
			printf(", %u messages", o->nmessages);
		putchar('\n');
	}
}

/* What becomes of it at a restart, and what the user said of it (--files). */
static void put_file(const struct file *f)
{
	printf("%-7s %12ld %12lu %-12s %-13s ", file_access(f), f->rec.pos, f->rec.size, f->rec.plugin,
	       f->restart ? f->restart : "-");
	put_safe(f->link);
	if (f->rec.policy != FILES_BY_USE)
		printf(" (--files=%s)", files_policy_name(f->rec.policy));
}

static void put_descriptors(const struct process *p)
{
	printf("\n  descriptors\n%10s %6s %-7s %12s %12s %-12s %-13s WHAT\n", "FD", "FILE", "ACCESS", "POSITION", "SIZE",
	       "KIND", "AT A RESTART");
	for (size_t i = 0; i < p->nfds; i++) {
		const struct descriptor *d = &p->fds[i];

		printf("%10d %6u ", d->rec.fd, d->rec.file);
		if (d->file)
			put_file(d->file);
		printf("%s\n", d->rec.cloexec ? " (close on exec)" : "");
	}
	for (size_t i = 0; i < p->nfiles; i++) {
		if (!p->files[i].rec.closed)
			continue;
		printf("%10s %6u ", "closed", p->files[i].rec.id);
		put_file(&p->files[i]);
		putchar('\n');
	}
}

static void put_environment(const struct report *r, const struct process *p)
{
	if (p->nenvironment)
		printf("\n  environment\n");
	for (size_t i = 0; i < p->nenvironment; i++) {
		printf("  ");
		put_safe(p->environment[i].name);
		putchar('=');
		put_safe(variable_value(r, &p->environment[i]));
		putchar('\n');
	}
}

static void put_process(const struct report *r, const struct process *p)
{
	printf("\nprocess %d (", p->rec.pid);
	put_safe(p->comm);
	printf("), parent %d, group %d, session %d, user %u:%u\n", p->rec.ppid, p->rec.pgid,
	       p->rec.sid, p->rec.uid, p->rec.gid);
	put_cmdline(p);
	put_field("executable", p->exe);
	put_field("directory", p->cwd);
	for (size_t i = 0; i < p->nwarnings; i++)
		put_field("warning", p->warnings[i]);
	put_threads(p);
	put_areas(p);
	put_objects(p);
	put_ipc(p);
	put_descriptors(p);
	put_children(p);
	put_environment(r, p);
}

void report_text(const struct report *r)
{
	put_image(r);
	put_processes(r);
	for (size_t i = 0; i < r->nprocesses; i++)
		put_process(r, &r->processes[i]);
}

/* ---- differences ---- */

static void put_change(const struct change *c)
{
	char perm[5];

	printf("  %16lx %16lx %s %10lu %10lu %10lu %10lu ", c->area->rec.start, c->area->rec.end,
	       area_permissions(c->area, perm), (c->area->rec.end - c->area->rec.start) / CKPT_PAGE, c->changed, c->added,
	       c->removed);
	put_safe(area_name(c->area));
	putchar('\n');
}

static void put_changes(const struct difference *d)
{
	struct change sum = {0};

	printf("\n  %16s %16s %s %10s %10s %10s %10s WHAT\n", "START", "END", "PERM", "PAGES", "CHANGED", "ADDED",
	       "REMOVED");
	for (size_t i = 0; i < d->nchanges; i++) {
		const struct change *c = &d->changes[i];

		sum.changed += c->changed;
		sum.added += c->added;
		sum.removed += c->removed;
		if (c->changed || c->added || c->removed)
			put_change(c);
	}
	printf("  %49s %10lu %10lu %10lu\n", "all areas", sum.changed, sum.added, sum.removed);
}

void diff_text(const struct report *a, const struct report *b, const struct difference *d, size_t n)
{
	char t[UNITS_MAX];

	printf("before  %s, %s\n", a->path, units_time(t, a->image.header.created_ns));
	printf("after   %s, %s\n", b->path, units_time(t, b->image.header.created_ns));
	for (size_t i = 0; i < n; i++) {
		const struct process *p = d[i].after ? d[i].after : d[i].before;

		printf("\nprocess %d (", p->rec.pid);
		put_safe(p->comm);
		printf(")%s\n", !d[i].before ? ", only after" : !d[i].after ? ", only before" : "");
		if (d[i].before && d[i].after)
			put_changes(&d[i]);
	}
}

/* ---- generations ---- */

static void put_generation(const struct generation *g)
{
	char taken[UNITS_MAX], old[UNITS_MAX], size[UNITS_MAX], files[UNITS_MAX], pause[UNITS_MAX];

	put_safe(g->job.job);
	printf("%*s %10lu %19s %14s %10s %10s %10s %9u  ",
	       (int)(strlen(g->job.job) < 10 ? 10 - strlen(g->job.job) : 0), "", g->job.generation, units_time(taken, g->created_ns),
	       units_age(old, g->created_ns), units_bytes(size, g->bytes),
	       g->beside ? units_bytes(files, g->beside) : "-", units_duration(pause, g->job.pause_ns),
	       g->nprocesses);
	put_safe(g->file);
	putchar('\n');
}

void generations_text(const struct generation *g, size_t n)
{
	printf("%-10s %10s %19s %14s %10s %10s %10s %9s  FILE\n", "JOB", "GENERATION", "TAKEN", "AGE", "SIZE", "BESIDE",
	       "PAUSE", "PROCESSES");
	for (size_t i = 0; i < n; i++) {
		if (!g[i].problem) {
			put_generation(&g[i]);
			continue;
		}
		put_safe(g[i].file);
		printf(": %s\n", g[i].problem);
	}
}
