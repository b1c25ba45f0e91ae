#include <string.h>
#include "files.h"
#include "html.h"
#include "python.h"
#include "units.h"

/* ---- tables ---- */

static void table(FILE *f, const char *head)
{
	fprintf(f, "<div class=\"wide\"><table><thead><tr>%s</tr></thead><tbody>\n", head);
}

static void table_end(FILE *f)
{
	fprintf(f, "</tbody></table></div>\n");
}

static void details(FILE *f, const char *title, size_t n)
{
	fprintf(f, "<details><summary>%s (%zu)</summary>\n", title, n);
}

static void name_cell(FILE *f, const char *name)
{
	fprintf(f, "<td class=\"name\"><bdi>");
	html_text(f, name);
	fprintf(f, "</bdi></td>");
}

static void shares(FILE *f, const struct share *s)
{
	char a[UNITS_MAX], b[UNITS_MAX];

	if (s->saved)
		fprintf(f, "<td class=\"n\">%s</td><td class=\"n\">%s</td>", units_memory(a, s->saved),
			units_memory(b, s->stored));
	else
		fprintf(f, "<td class=\"n\">-</td><td class=\"n\">-</td>");
}

/* ---- threads ---- */

static void native_stack(FILE *f, const struct stack *s)
{
	fprintf(f, "<pre>");
	for (size_t i = 0; i < s->nframes; i++) {
		html_text(f, s->frames[i].function ? s->frames[i].function : "?");
		fprintf(f, " <span class=\"dim\">");
		html_text(f, s->frames[i].object);
		fprintf(f, "</span>\n");
	}
	fprintf(f, "</pre>\n");
}

static void python_stack(FILE *f, const struct python_thread *t)
{
	fprintf(f, "<pre>");
	for (size_t i = 0; i < t->nframes; i++) {
		const struct python_frame *x = &t->frames[i];

		html_text(f, x->function);
		fprintf(f, " <span class=\"dim\">");
		html_text(f, x->file);
		fprintf(f, ":%d</span>\n", x->line);
		for (size_t j = 0; j < x->nlocals; j++) {
			fprintf(f, "    ");
			html_text(f, x->locals[j].name);
			fprintf(f, " = ");
			html_text(f, x->locals[j].value);
			fprintf(f, "\n");
		}
	}
	fprintf(f, "</pre>\n");
}

static void thread(FILE *f, const struct process *p, size_t i)
{
	const struct rec_thread *t = &p->threads[i];

	fprintf(f, "<tr><td class=\"n\">%d</td><td class=\"name\"><bdi>", t->tid);
	html_text(f, t->comm);
	fprintf(f, "</bdi>%s", t->flags & THREAD_LEADER ? " <span class=\"dim\">took the checkpoint</span>" : "");
	for (size_t j = 0; p->python && j < p->python->nthreads; j++)
		if (p->python->threads[j].id == t->fs_base)
			python_stack(f, &p->python->threads[j]);
	if (p->stacks)
		native_stack(f, &p->stacks[i]);
	fprintf(f, "</td></tr>\n");
}

static void threads(FILE *f, const struct process *p)
{
	details(f, "Threads", p->nthreads);
	table(f, "<th class=\"n\">TID</th><th>Name</th>");
	for (size_t i = 0; i < p->nthreads; i++)
		thread(f, p, i);
	table_end(f);
	fprintf(f, "</details>\n");
}

/* ---- memory and what is open ---- */

static void areas(FILE *f, const struct process *p)
{
	char size[UNITS_MAX], perm[5];

	details(f, "Memory by area", p->nareas);
	table(f, "<th>Start</th><th>Permissions</th><th class=\"n\">Size</th><th class=\"n\">Saved</th><th class=\"n\">On disk"
		 "</th><th>What</th>");
	for (size_t i = 0; i < p->nareas; i++) {
		const struct area *a = &p->areas[i];

		fprintf(f, "<tr><td class=\"a\">%lx</td><td class=\"a\">%s</td><td class=\"n\">%s</td>", a->rec.start,
			area_permissions(a, perm), units_memory(size, a->rec.end - a->rec.start));
		shares(f, &a->share);
		name_cell(f, area_name(a));
		fprintf(f, "</tr>\n");
	}
	table_end(f);
	fprintf(f, "</details>\n");
}

static void objects(FILE *f, const struct process *p)
{
	char size[UNITS_MAX];

	if (!p->nobjects)
		return;
	details(f, "Contents of files and shared memory", p->nobjects);
	table(f, "<th>Kind</th><th class=\"n\">Size</th><th class=\"n\">Saved</th><th class=\"n\">On disk</th>"
		 "<th class=\"n\">Beside the image</th><th>Name</th>");
	for (size_t i = 0; i < p->nobjects; i++) {
		const struct object *o = &p->objects[i];

		fprintf(f, "<tr><td>%s</td><td class=\"n\">%s</td>", object_kind_name(o->rec.kind),
			units_memory(size, o->rec.size));
		shares(f, &o->share);
		fprintf(f, "<td class=\"n\">%s</td>", o->beside.file ? units_memory(size, o->beside.file->bytes) : "-");
		name_cell(f, o->name);
		fprintf(f, "</tr>\n");
	}
	table_end(f);
	fprintf(f, "</details>\n");
}

static void descriptors(FILE *f, const struct process *p)
{
	details(f, "Open files", p->nfds);
	table(f, "<th class=\"n\">FD</th><th>Access</th><th class=\"n\">Position</th><th class=\"n\">Size</th><th>Kind</th>"
		 "<th>At a restart</th><th>What</th>");
	for (size_t i = 0; i < p->nfds; i++) {
		const struct file *x = p->fds[i].file;

		if (!x)
			continue;
		fprintf(f, "<tr><td class=\"n\">%d</td><td>%s</td><td class=\"n\">%ld</td><td class=\"n\">%lu</td><td>",
			p->fds[i].rec.fd, file_access(x), x->rec.pos, x->rec.size);
		html_text(f, x->rec.plugin);
		fprintf(f, "</td><td>%s", x->restart ? x->restart : "-");
		if (x->rec.policy != FILES_BY_USE)
			fprintf(f, " (--files=%s)", files_policy_name(x->rec.policy));
		fprintf(f, "</td>");
		name_cell(f, x->link);
		fprintf(f, "</tr>\n");
	}
	table_end(f);
	fprintf(f, "</details>\n");
}

static void environment(FILE *f, const struct report *r, const struct process *p)
{
	if (!p->nenvironment)
		return;
	details(f, "Environment", p->nenvironment);
	table(f, "<th>Variable</th><th>Value</th>");
	for (size_t i = 0; i < p->nenvironment; i++) {
		fprintf(f, "<tr><td><bdi>");
		html_text(f, p->environment[i].name);
		fprintf(f, "</bdi></td>");
		name_cell(f, variable_value(r, &p->environment[i]));
		fprintf(f, "</tr>\n");
	}
	table_end(f);
	fprintf(f, "</details>\n");
}

/* ---- the process ---- */

static void command(FILE *f, const struct process *p)
{
	fprintf(f, "<p class=\"name\"><bdi>");
	for (const char *s = p->cmdline; p->cmdline_len && s < p->cmdline + p->cmdline_len; s += strlen(s) + 1) {
		fprintf(f, "%s", s == p->cmdline ? "" : " ");
		html_text(f, s);
	}
	fprintf(f, "</bdi></p>\n<p class=\"dim name\">in <bdi>");
	html_text(f, p->cwd);
	fprintf(f, "</bdi>, user %u, group %u, session %d</p>\n", p->rec.uid, p->rec.gid, p->rec.sid);
	for (size_t i = 0; i < p->nwarnings; i++) {
		fprintf(f, "<p class=\"warn name\">");
		html_text(f, p->warnings[i]);
		fprintf(f, "</p>\n");
	}
}

void html_process(FILE *f, const struct report *r, const struct process *p, bool open)
{
	fprintf(f, "<details class=\"process\" id=\"p%d\"%s><summary>%d <bdi>", p->rec.pid, open ? " open" : "", p->rec.pid);
	html_text(f, p->comm);
	fprintf(f, "</bdi></summary>\n");
	command(f, p);
	fprintf(f, "<h3>Memory</h3>\n");
	html_map(f, p);
	areas(f, p);
	objects(f, p);
	threads(f, p);
	descriptors(f, p);
	environment(f, r, p);
	fprintf(f, "</details>\n");
}
