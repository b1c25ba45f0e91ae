/* What the image says, read and checked before anything is started. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cpu.h"
#include "die.h"
#include "restart.h"

static const void *section_read(struct restart *r, uint32_t type, uint32_t owner, size_t *len)
{
	const struct image_section *s = image_find(&r->image, type, owner);
	char buf[256];
	struct text why = TEXT(buf);
	void *data;

	if (!s)
		die("%s: damaged: a section is missing", r->path);
	if (image_read_section(&r->image, s, &data, len, &why) < 0)
		die("%s: %s", r->path, buf);
	return data;
}

static void job_read(struct restart *r)
{
	size_t len;
	const void *data = section_read(r, SECTION_JOB, 0, &len);
	struct rec_iter it = rec_iter(data, len);
	const struct rec *rec;
	struct rec_cpu here;
	const char *missing;

	while ((rec = rec_next(&it))) {
		if (rec->type == REC_JOB)
			rec_get(rec, &r->job, sizeof(r->job));
		else if (rec->type == REC_CPU)
			rec_get(rec, &r->cpu, sizeof(r->cpu));
		else if (rec->type == REC_ON_SIGNAL)
			rec_get(rec, r->on_signal, sizeof(r->on_signal));
	}
	if (it.err || !on_signal_valid(r->on_signal))
		die("%s: damaged: records of the job", r->path);
	cpu_describe(&here);
	missing = cpu_missing(&r->cpu, &here);
	if (missing)
		die("%s: this machine's CPU lacks %s, which the program may be using", r->path, missing);
}

const char *state_string(const struct saved *p, uint32_t kind, size_t *len)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;

	while ((rec = rec_next_type(&it, REC_STRING))) {
		struct rec_string s;
		size_t n;
		const char *text = rec_extra(rec, sizeof(s), &n);

		rec_get(rec, &s, sizeof(s));
		if (s.kind != kind)
			continue;
		if (len)
			*len = n;
		return text;
	}
	if (len)
		*len = 0;
	return "";
}

static void process_read(struct restart *r, uint32_t index)
{
	struct saved *p = &r->processes[index];
	char buf[256];
	struct text why = TEXT(buf);
	struct rec_iter it;
	const struct rec *rec;
	bool found = false;

	p->index = index;
	p->records = section_read(r, SECTION_PROCESS, index, &p->nrecords);
	it = rec_iter(p->records, p->nrecords);
	while ((rec = rec_next(&it))) {
		if (rec->type == REC_PROCESS) {
			rec_get(rec, &p->rec, sizeof(p->rec));
			found = true;
		}
	}
	if (it.err || !found)
		die("%s: damaged: records of process %u", r->path, index);
	if (p->rec.pid <= 0 || p->rec.nthreads < 1 || p->rec.parent >= (int32_t)index)
		die("%s: damaged: pid %d", r->path, p->rec.pid);
	if (image_extents(&r->image, index, &p->extents, &p->nextents, &why) < 0)
		die("%s: %s", r->path, buf);
}

static void user_check(const struct restart *r, const struct rec_process *p)
{
	if (p->uid != geteuid())
		die("%s: the program ran as user %u, this is user %u", r->path, p->uid, geteuid());
	if (p->gid != getegid())
		die("%s: the program ran in group %u, this is group %u (see newgrp(1))", r->path, p->gid,
		    getegid());
}

void state_read(struct restart *r)
{
	job_read(r);
	r->nprocesses = r->job.nprocesses;
	if (r->nprocesses < 1 || r->nprocesses > r->image.nsections)
		die("%s: damaged: %u processes", r->path, r->nprocesses);
	r->processes = calloc(r->nprocesses, sizeof(*r->processes));
	if (!r->processes)
		die("out of memory");
	for (uint32_t i = 0; i < r->nprocesses; i++) {
		process_read(r, i);
		user_check(r, &r->processes[i].rec);
		memory_check(r, &r->processes[i]);
	}
}
