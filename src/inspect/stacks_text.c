/*
 * Stacks for people: of each thread the calls that had not returned, innermost first; of the program itself, then of
 * Python.
 */
#include <stdio.h>
#include "inspect.h"
#include "python.h"
#include "text.h"

/* ---- of the program ---- */

static void put_frame(size_t i, const struct frame *f)
{
	printf("  #%-3zu 0x%016lx ", i, f->pc);
	put_safe(f->function ? f->function : "?");
	if (f->function)
		printf("+0x%lx", f->offset);
	if (*f->object) {
		printf(" (");
		put_safe(f->object);
		printf(")");
	}
	putchar('\n');
}

/* ---- of Python ---- */

static void put_python_frame(size_t i, const struct python_frame *f)
{
	printf("  #%-3zu ", i);
	put_safe(f->function);
	printf(" (");
	put_safe(f->file);
	if (f->line)
		printf(":%d", f->line);
	printf(")\n");
	for (size_t j = 0; j < f->nlocals; j++) {
		printf("         ");
		put_safe(f->locals[j].name);
		printf(" = ");
		put_safe(f->locals[j].value);
		putchar('\n');
	}
}

static bool has_interpreters(const struct process *p)
{
	for (size_t i = 0; i < p->python->nthreads; i++)
		if (p->python->threads[i].interpreter)
			return true;
	return false;
}

/* A thread has a stack for each interpreter that it was in. */
static void put_python_thread(const struct process *p, const struct python_thread *t)
{
	if (has_interpreters(p))
		printf("  in interpreter %ld\n", t->interpreter);
	for (size_t i = 0; i < t->nframes; i++)
		put_python_frame(i, &t->frames[i]);
}

static bool runs_python(const struct process *p, const struct rec_thread *t)
{
	for (size_t i = 0; p->python && i < p->python->nthreads; i++)
		if (p->python->threads[i].id == t->fs_base)
			return true;
	return false;
}

static void put_python_of(const struct process *p, const struct rec_thread *t)
{
	bool title = p->stacks != NULL;

	for (size_t i = 0; i < p->python->nthreads; i++) {
		if (p->python->threads[i].id != t->fs_base)
			continue;
		printf("%s", title ? "  Python\n" : "");
		title = false;
		put_python_thread(p, &p->python->threads[i]);
	}
}

/* Threads that have ended for the kernel, or not begun. */
static void put_python_rest(const struct process *p)
{
	for (size_t i = 0; i < p->python->nthreads; i++) {
		if (python_tid(p, &p->python->threads[i]))
			continue;
		printf("\n thread of Python only\n");
		put_python_thread(p, &p->python->threads[i]);
	}
}

static void put_python_title(const struct process *p)
{
	char version[PYTHON_VERSION_MAX];

	if (!p->python) {
		printf(", no CPython");
		return;
	}
	printf(", CPython %s", python_version(p->python, version));
	if (p->python->problem)
		printf(": %s", p->python->problem);
}

/* ---- of a process ---- */

static void put_stacks(const struct report *r, const struct process *p)
{
	printf("process %d (", p->rec.pid);
	put_safe(p->comm);
	printf(")");
	if (r->python)
		put_python_title(p);
	putchar('\n');
	for (size_t i = 0; i < p->nthreads; i++) {
		if (!p->stacks && !runs_python(p, &p->threads[i]))
			continue;
		printf("\n thread %d (", p->threads[i].tid);
		put_safe(p->threads[i].comm);
		printf(")\n");
		for (size_t j = 0; p->stacks && j < p->stacks[i].nframes; j++)
			put_frame(j, &p->stacks[i].frames[j]);
		if (p->python)
			put_python_of(p, &p->threads[i]);
	}
	if (p->python)
		put_python_rest(p);
}

void report_stacks_text(const struct report *r)
{
	for (size_t i = 0; i < r->nprocesses; i++) {
		if (i)
			putchar('\n');
		put_stacks(r, &r->processes[i]);
	}
}
