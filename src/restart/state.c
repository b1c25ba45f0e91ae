/* What the image says, read and checked before anything is started. */
#define _GNU_SOURCE
#include <errno.h>
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
	}
	if (it.err)
		die("%s: damaged: records of the job", r->path);
	cpu_describe(&here);
	missing = cpu_missing(&r->cpu, &here);
	if (missing)
		die("%s: this machine's CPU lacks %s, which the program may be using", r->path, missing);
}

const char *state_string(const struct restart *r, uint32_t kind, size_t *len)
{
	struct rec_iter it = rec_iter(r->records, r->records_len);
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

static void process_read(struct restart *r)
{
	struct rec_iter it;
	const struct rec *rec;
	bool found = false;

	r->records = section_read(r, SECTION_PROCESS, 0, &r->records_len);
	it = rec_iter(r->records, r->records_len);
	while ((rec = rec_next(&it))) {
		if (rec->type == REC_PROCESS) {
			rec_get(rec, &r->process, sizeof(r->process));
			found = true;
		}
	}
	if (it.err || !found)
		die("%s: damaged: records of the process", r->path);
	if (r->process.pid <= 0 || r->process.nthreads < 1)
		die("%s: damaged: pid %d", r->path, r->process.pid);
}

void state_read(struct restart *r)
{
	char buf[256];
	struct text why = TEXT(buf);

	job_read(r);
	process_read(r);
	if (image_extents(&r->image, 0, &r->extents, &r->nextents, &why) < 0)
		die("%s: %s", r->path, buf);
	if (r->process.uid != geteuid())
		die("%s: the program ran as user %u, this is user %u", r->path, r->process.uid, geteuid());
	if (r->process.gid != getegid())
		die("%s: the program ran in group %u, this is group %u (see newgrp(1))", r->path,
		    r->process.gid, getegid());
}
