#include "die.h"
#include "output.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40, SHORT = 32 };

static const struct msg_command *command;
static bool bar_shown, line_shown;

/* ---- numbers for people ---- */

static const char *bytes_text(char buf[SHORT], uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double n = bytes;
	size_t unit = 0;

	while (n >= 999.5 && unit < ARRAY_SIZE(units) - 1) {
		n /= 1000;
		unit++;
	}
	snprintf(buf, SHORT, unit && n < 99.95 ? "%.1f %s" : "%.0f %s", n, units[unit]);
	return buf;
}

static const char *duration_text(char buf[SHORT], uint64_t ns)
{
	if (ns < 999500000)
		snprintf(buf, SHORT, ns < 99950000 ? "%.1f ms" : "%.0f ms", ns / 1e6);
	else
		snprintf(buf, SHORT, "%.1f s", ns / 1e9);
	return buf;
}

static const char *interval_text(char buf[SHORT], uint32_t seconds)
{
	static const struct {
		uint32_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	snprintf(buf, SHORT, "%u%c", seconds / units[i].seconds, units[i].unit);
	return buf;
}

static const char *time_text(char buf[SHORT], uint64_t realtime_ns)
{
	time_t t = realtime_ns / 1000000000;
	struct tm tm;

	strftime(buf, SHORT, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
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
	char done[SHORT], total[SHORT], bar[BAR_WIDTH + 1];
	int filled;

	if (!m->total || !isatty(STDERR_FILENO))
		return;
	filled = m->done >= m->total ? BAR_WIDTH : (double)m->done / m->total * BAR_WIDTH;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = 0;
	fprintf(stderr, "\r[%s] %s of %s\033[K", bar, bytes_text(done, m->done),
		bytes_text(total, m->total));
	bar_shown = true;
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
	char size[SHORT], pause[SHORT], total[SHORT];

	printf("%s  %s", m->image, bytes_text(size, m->image_bytes));
	if (m->pause_ns) /* there is none to tell of what was ended */
		printf("  pause %s", duration_text(pause, m->pause_ns));
	printf("  total %s", duration_text(total, m->total_ns));
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
	char size[SHORT], pause[SHORT], total[SHORT], when[SHORT];

	if (m->last_generation)
		printf("  last image  %s/%s-%s.%05lu.ckpt\n"
		       "              %s, %s, pause %s, total %s\n",
		       m->dir, m->name, m->job, (unsigned long)m->last_generation,
		       time_text(when, m->last_realtime_ns), bytes_text(size, m->last_bytes),
		       duration_text(pause, m->last_pause_ns), duration_text(total, m->last_total_ns));
	else
		printf("  last image  none yet; they go to %s\n", m->dir);
	if (m->last_error[0])
		printf("  last error  %s\n", m->last_error);
}

static void show_settings(const struct msg_job *m)
{
	char interval[SHORT] = "on request";

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
}

static void show_job(const struct msg_job *m)
{
	char interval[SHORT];

	if (command->command == CMD_CHECKPOINT)
		printf("job %s: checkpoint started\n", m->job);
	else if (command->command == CMD_INTERVAL && m->interval_s)
		printf("job %s: a checkpoint every %s\n", m->job, interval_text(interval, m->interval_s));
	else if (command->command == CMD_INTERVAL)
		printf("job %s: checkpoints on request only\n", m->job);
	else
		printf("%s  %s  %s\n", m->job, m->name, state_text(m->state));
	if (command->command != CMD_STATUS)
		return;
	show_last(m);
	show_settings(m);
}

static void show_process(const struct msg_process *m)
{
	printf("  pid %d  %s", m->pid, m->name);
	if (m->inner_pid != m->pid)
		printf("  (pid %d for itself)", m->inner_pid);
	puts("");
}

static void show_end(int status, const char *text)
{
	bar_clear();
	fflush(stdout);
	if (status && *text && !line_shown)
		warn("%s", text);
}

const struct output *output_text(const struct msg_command *c)
{
	static const struct output output = {
		.job = show_job,
		.process = show_process,
		.result = show_result,
		.line = show_line,
		.progress = show_progress,
		.end = show_end,
	};

	command = c;
	return &output;
}
