#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "html.h"
#include "tree.h"
#include "units.h"

/* ---- the job ---- */

static void card(FILE *f, const char *value, const char *name)
{
	fprintf(f, "<div><b>%s</b><span>%s</span></div>\n", value, name);
}

static void cards(FILE *f, const struct report *r)
{
	char buf[UNITS_MAX];
	size_t threads = 0;

	for (size_t i = 0; i < r->nprocesses; i++)
		threads += r->processes[i].nthreads;
	fprintf(f, "<div class=\"cards\">\n");
	card(f, units_bytes(buf, r->image.size), "on disk");
	card(f, units_bytes(buf, r->raw), "saved of memory and files");
	card(f, units_duration(buf, r->job.pause_ns), "pause");
	card(f, units_age(buf, r->image.header.created_ns), "old");
	snprintf(buf, sizeof(buf), "%zu", r->nprocesses);
	card(f, buf, r->nprocesses == 1 ? "process" : "processes");
	snprintf(buf, sizeof(buf), "%zu", threads);
	card(f, buf, threads == 1 ? "thread" : "threads");
	fprintf(f, "</div>\n");
}

static void job(FILE *f, const struct report *r)
{
	char taken[UNITS_MAX];

	fprintf(f, "<h1><bdi>");
	html_text(f, r->job.name);
	fprintf(f, "</bdi>, checkpoint %lu</h1>\n<p class=\"dim\">taken %s on <bdi>", r->job.generation,
		units_time(taken, r->image.header.created_ns));
	html_text(f, r->job.host);
	fprintf(f, "</bdi>, Linux <bdi>");
	html_text(f, r->job.kernel);
	fprintf(f, "</bdi>; job <bdi>");
	html_text(f, r->job.job);
	fprintf(f, "</bdi> of user %u</p>\n<p class=\"dim name\"><bdi>", r->job.uid);
	html_text(f, r->path);
	fprintf(f, "</bdi>, %s</p>\n", r->verified ? "every byte is as it was written" : "not verified byte by byte");
	cards(f, r);
}

/* ---- processes as a tree ---- */

static void tree_line(const struct process *p, int depth, void *arg)
{
	char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];
	FILE *f = arg;

	fprintf(f, "<tr><td class=\"name\" style=\"padding-left:%dpx\">%s<a href=\"#p%d\"><bdi>", 10 + 18 * depth,
		depth ? "&#9492;&nbsp;" : "", p->rec.pid);
	html_text(f, p->comm);
	fprintf(f, "</bdi></a>%s</td><td class=\"n\">%d</td><td class=\"n\">%zu</td><td class=\"n\">%s</td><td class=\"n\">%s</td>"
		   "<td class=\"n\">%s</td></tr>\n",
		p->rec.flags & PROCESS_STOPPED ? " <span class=\"warn\">stopped</span>" : "", p->rec.pid, p->nthreads,
		units_memory(a, p->own.saved), units_memory(b, p->own.stored), units_memory(c, p->shared.saved));
}

static void processes(FILE *f, const struct report *r)
{
	fprintf(f, "<h2>Processes</h2>\n<div class=\"wide\"><table class=\"tree\"><thead><tr><th>Name</th><th class=\"n\">PID</th>"
		   "<th class=\"n\">Threads</th><th class=\"n\">Saved</th><th class=\"n\">On disk</th>"
		   "<th class=\"n\">Shared</th></tr></thead><tbody>\n");
	tree_walk(r, tree_line, f);
	fprintf(f, "</tbody></table></div>\n");
}

/* ---- the page ---- */

static void page(FILE *f, const struct report *r, const struct generation *g, size_t n)
{
	fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		   "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	html_text(f, r->job.name);
	fprintf(f, ", checkpoint %lu</title>\n<style>\n%s</style></head><body>\n", r->job.generation, html_style);
	job(f, r);
	html_chart(f, r, g, n);
	processes(f, r);
	fprintf(f, "<h2>Each process</h2>\n");
	for (size_t i = 0; i < r->nprocesses; i++)
		html_process(f, r, &r->processes[i], i == 0);
	fprintf(f, "</body></html>\n");
}

void report_html(const struct report *r, const char *path)
{
	char *copy = strdup(r->path);
	struct generation *g;
	FILE *f;
	size_t n;

	if (!copy)
		die("out of memory");
	g = generations_read(dirname(copy), r->key, &n);
	f = fdopen(output_create(r, path), "w");
	if (!f)
		die("out of memory");
	page(f, r, g, n);
	if (fflush(f) || ferror(f) || fclose(f))
		die("cannot write %s:", path);
	output_finish();
	free(copy);
}
