#include "die.h"
#include "output.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

static const struct msg_command *command;
static bool bar_shown, line_shown;

/* ---- numbers for people ---- */

static const char *interval_text(char buf[UNITS_MAX], uint32_t seconds)
{
	static const struct {
		uint32_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	snprintf(buf, UNITS_MAX, "%u%c", seconds / units[i].seconds, units[i].unit);
	return buf;
}

static const char *state_text(uint32_t state)
{
	return state == JOB_FREEZING ? "freezing" : state == JOB_WRITING ? "writing" : "running";
}

/* ---- progress ---- */

static void bar_clear(void)
{
	if (bar_shown)
		fputs("\r\033[K", stderr);
	bar_shown = false;
}

static void show_progress(const struct msg_progress *m)
{
	char done[UNITS_MAX], total[UNITS_MAX], bar[BAR_WIDTH + 1];
	int filled;

	if (!m->total || !isatty(STDERR_FILENO))
		return;
	filled = m->done >= m->total ? BAR_WIDTH : (double)m->done / m->total * BAR_WIDTH;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = 0;
	fprintf(stderr, "\r[%s] %s of %s\033[K", bar, units_bytes(done, m->done),
		units_bytes(total, m->total));
	bar_shown = true;
}

/* ---- the tree of a job's processes ---- */

static struct node {
	struct msg_process process;
	uint32_t first, last, next; /* children, next of the same parent: place + 1, 0: none */
	bool is_child;
} *nodes;
static uint32_t nnodes;

static void add_process(const struct msg_process *m)
{
	struct node *grown = realloc(nodes, (nnodes + 1) * sizeof(*nodes));

	if (!grown)
		die("out of memory");
	nodes = grown;
	nodes[nnodes++] = (struct node){.process = *m};
}

static int by_pid(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->process.pid - y->process.pid;
}

static void tree_link(void)
{
	qsort(nodes, nnodes, sizeof(*nodes), by_pid);
	for (uint32_t i = 0; i < nnodes; i++) {
		const struct node key = {.process.pid = nodes[i].process.ppid};
		struct node *parent = bsearch(&key, nodes, nnodes, sizeof(*nodes), by_pid);

		if (!parent)
			continue;
		*(parent->last ? &nodes[parent->last - 1].next : &parent->first) = i + 1;
		parent->last = i + 1;
		nodes[i].is_child = true;
	}
}

static void show_process(const struct msg_process *m, int depth)
{
	printf("%*spid %d  %s", 2 * depth, "", m->pid, m->name);
	if (m->inner_pid != m->pid)
		printf("  (pid %d for itself)", m->inner_pid);
	puts("");
}

static void show_tree(const struct node *n, int depth)
{
	show_process(&n->process, depth);
	for (uint32_t i = n->first; i; i = nodes[i - 1].next)
		show_tree(&nodes[i - 1], depth + 1);
}

/* All processes of the job before have come. */
static void show_processes(void)
{
	tree_link();
	for (uint32_t i = 0; i < nnodes; i++)
		if (!nodes[i].is_child)
			show_tree(&nodes[i], 1);
	nnodes = 0;
}

/* ---- answers ---- */

static void show_line(const char *text)
{
	bar_clear();
	line_shown = true;
	if (command->command == CMD_CHECK)
		puts(text);
	else
		warn("%s", text);
}

static void show_image(const struct msg_result *m)
{
	char size[UNITS_MAX], files[UNITS_MAX], fresh[UNITS_MAX], pause[UNITS_MAX], total[UNITS_MAX];

	printf("%s  %s", m->image, units_bytes(size, m->image_bytes));
	if (m->files_bytes)
		printf("  files %s (%s new)", units_bytes(files, m->files_bytes), units_bytes(fresh, m->files_fresh_bytes));
	if (m->pause_ns) /* there is none to tell of what was ended */
		printf("  pause %s", units_duration(pause, m->pause_ns));
	printf("  total %s", units_duration(total, m->total_ns));
	puts(m->in_pause ? "  (written in the pause: no memory for a copy)" : "");
}

static void show_result(const struct msg_result *m)
{
	bar_clear();
	if (m->err)
		return; /* the lines before it or the end tell why */
	if (command->command == CMD_CHECK)
		printf("job %s can be checkpointed\n", m->job);
	else
		show_image(m);
}

static void show_last(const struct msg_job *m)
{
	char size[UNITS_MAX], pause[UNITS_MAX], total[UNITS_MAX], when[UNITS_MAX];

	if (m->last_generation)
		printf("  last image  %s/%s-%s.%05lu.ckpt\n"
		       "              %s, %s, pause %s, total %s\n",
		       m->dir, m->name, m->job, (unsigned long)m->last_generation,
		       units_time(when, m->last_realtime_ns), units_bytes(size, m->last_bytes),
		       units_duration(pause, m->last_pause_ns),
		       units_duration(total, m->last_total_ns));
	else
		printf("  last image  none yet; they go to %s\n", m->dir);
	if (m->last_error[0])
		printf("  last error  %s\n", m->last_error);
}

static void show_settings(const struct msg_job *m)
{
	char interval[UNITS_MAX] = "on request", signals[ON_SIGNAL_MAX * 32];
	struct text t = TEXT(signals);

	if (m->interval_s)
		interval_text(interval, m->interval_s);
	printf("  interval    %s\n", interval);
	if (m->keep)
		printf("  keep        %u\n", m->keep);
	else
		puts("  keep        all");
	if (m->level)
		printf("  compress    zstd:%d\n", m->level);
	else
		puts("  compress    none");
	on_signal_put(&t, m->on_signal);
	if (t.len)
		printf("  on signal   %s\n", signals);
}

static void show_job(const struct msg_job *m)
{
	char interval[UNITS_MAX];

	show_processes();
	if (command->command == CMD_CHECKPOINT)
		printf("job %s: checkpoint started\n", m->job);
	else if (command->command == CMD_INTERVAL && m->interval_s)
		printf("job %s: a checkpoint every %s\n", m->job,
		       interval_text(interval, m->interval_s));
	else if (command->command == CMD_INTERVAL)
		printf("job %s: checkpoints on request only\n", m->job);
	else
		printf("%s  %s  %s\n", m->job, m->name, state_text(m->state));
	if (command->command != CMD_STATUS)
		return;
	show_last(m);
	show_settings(m);
}

static void show_end(int status, const char *text)
{
	bar_clear();
	show_processes();
	fflush(stdout);
	if (status && *text && !line_shown)
		warn("%s", text);
}

const struct output *output_text(const struct msg_command *c)
{
	static const struct output output = {
		.job = show_job,
		.process = add_process,
		.result = show_result,
		.line = show_line,
		.progress = show_progress,
		.end = show_end,
	};

	command = c;
	return &output;
}
