/*
 * {"jobs": […]}, and "errors": […] when the exit status is not 0. ckpt_command(1) documents every
 * key; keys are added, never changed.
 */
#include "die.h"
#include "output.h"

#include <jansson.h>
#include <stdio.h>

static const struct msg_command *command;
static json_t *jobs, *lines, *members; /* members: of the last job */

/* Three digits are what the figures are good for. */
static json_t *milliseconds(uint64_t ns)
{
	return json_real((ns + 500) / 1000 / 1e3);
}

static json_t *seconds(uint64_t ns)
{
	return json_real(ns / 1000000 / 1e3);
}

/* s, with what is no UTF-8 replaced. */
static json_t *string(const char *s)
{
	json_t *j = json_string(s);
	char buf[CKPT_PATH_MAX];
	size_t i;

	if (j)
		return j;
	for (i = 0; s[i] && i < sizeof(buf) - 1; i++)
		buf[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
	buf[i] = 0;
	return json_string(buf);
}

static void add_line(const char *text)
{
	json_array_append_new(lines, string(text));
}

static void add_image(const struct msg_result *m)
{
	json_array_append_new(
		jobs, json_pack("{so so si sI so so so so so so sI sI}", "job", string(m->job), "image",
				string(m->image), "processes", (int)m->nprocesses, "bytes",
				(json_int_t)m->image_bytes, "pause_ms", milliseconds(m->pause_ns),
				"total_ms", milliseconds(m->total_ns), "freeze_ms",
				milliseconds(m->freeze_ns), "collect_ms", milliseconds(m->collect_ns),
				"fork_ms", milliseconds(m->fork_ns), "coordinator_ms",
				milliseconds(m->coordinator_ns), "files_bytes", (json_int_t)m->files_bytes,
				"files_new_bytes", (json_int_t)m->files_fresh_bytes));
}

static void add_check(const struct msg_result *m)
{
	json_array_append_new(jobs, json_pack("{so sb si}", "job", string(m->job), "checkpointable",
					      m->err == 0, "processes", (int)m->nprocesses));
}

static void add_result(const struct msg_result *m)
{
	if (command->command == CMD_CHECK)
		add_check(m);
	else if (!m->err)
		add_image(m);
}

static json_t *last_image(const struct msg_job *m)
{
	char path[CKPT_PATH_MAX + JOB_NAME_MAX * 2];

	if (!m->last_generation)
		return json_null();
	snprintf(path, sizeof(path), "%s/%s-%s.%05lu.ckpt", m->dir, m->name, m->job,
		 (unsigned long)m->last_generation);
	return json_pack("{so sI so sI so so}", "image", string(path), "generation",
			 (json_int_t)m->last_generation, "time", seconds(m->last_realtime_ns),
			 "bytes", (json_int_t)m->last_bytes, "pause_ms",
			 milliseconds(m->last_pause_ns), "total_ms",
			 milliseconds(m->last_total_ns));
}

static json_t *compression(int level)
{
	return level ? json_sprintf("zstd:%d", level) : json_string("none");
}

static json_t *signals(const struct msg_job *m)
{
	char text[ON_SIGNAL_MAX * 32];
	struct text t = TEXT(text);

	on_signal_put(&t, m->on_signal);
	return t.len ? json_string(text) : json_null();
}

static void add_job(const struct msg_job *m)
{
	static const char *const states[] = {"running", "freezing", "writing"};
	const char *state = m->state < ARRAY_SIZE(states) ? states[m->state] : "running";

	members = json_array();
	json_array_append_new(
		jobs, json_pack("{so so ss so si so sI sI so so so so so}", "job", string(m->job),
				"name", string(m->name), "state", state, "dir", string(m->dir),
				"processes", (int)m->nprocesses, "members", members, "interval_s",
				(json_int_t)m->interval_s, "keep", (json_int_t)m->keep, "compress",
				compression(m->level), "started", seconds(m->started_ns), "last",
				last_image(m), "last_error",
				m->last_error[0] ? string(m->last_error) : json_null(), "on_signal",
				signals(m)));
}

static void add_process(const struct msg_process *m)
{
	if (members)
		json_array_append_new(members, json_pack("{si si si so}", "pid", m->pid, "inner_pid",
							 m->inner_pid, "ppid", m->ppid, "name",
							 string(m->name)));
}

static void print(int status, const char *text)
{
	json_t *all = json_pack("{so}", "jobs", jobs);

	if (status && !json_array_size(lines))
		add_line(*text ? text : "failed");
	if (status)
		json_object_set_new(all, "errors", lines);
	else
		json_decref(lines);
	json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_PRESERVE_ORDER);
	puts("");
	json_decref(all);
}

const struct output *output_json(const struct msg_command *c)
{
	static const struct output output = {
		.job = add_job,
		.process = add_process,
		.result = add_result,
		.line = add_line,
		.end = print,
	};

	command = c;
	jobs = json_array();
	lines = json_array();
	if (!jobs || !lines)
		die("out of memory");
	return &output;
}
