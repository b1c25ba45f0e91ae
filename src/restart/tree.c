/* From the records of an image to what pstree.c wants to know. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "plan.h"
#include "tree.h"

static uint32_t count(const struct restart *r, uint16_t type)
{
	const struct rec *rec;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->nprocesses; i++) {
		struct rec_iter it = rec_iter(r->processes[i].records, r->processes[i].nrecords);

		while ((rec = rec_next_type(&it, type)))
			n++;
	}
	return n;
}

static uint32_t tids_list(const struct saved *p, int32_t *tids)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;
	uint32_t n = 0;

	while ((rec = rec_next_type(&it, REC_THREAD))) {
		struct rec_thread t;

		rec_get(rec, &t, sizeof(t));
		tids[n++] = t.tid;
	}
	return n;
}

/* Children that have ended; those that have only stopped or gone on are processes of the image. */
static uint32_t zombies_list(const struct saved *p, struct pstree_zombie *zombies)
{
	struct rec_iter it = rec_iter(p->records, p->nrecords);
	const struct rec *rec;
	uint32_t n = 0;

	while ((rec = rec_next_type(&it, REC_CHILD))) {
		struct rec_child c;
		struct pstree_zombie *z = &zombies[n];

		rec_get(rec, &c, sizeof(c));
		if (c.code != CLD_EXITED && c.code != CLD_KILLED && c.code != CLD_DUMPED)
			continue;
		*z = (struct pstree_zombie){
			.pid = c.pid,
			.pgid = c.pgid,
			.sid = c.sid,
			.parent = p->index,
			.exit_signal = c.exit_signal,
			.end_code = c.code == CLD_EXITED ? c.status : 0,
			.end_signal = c.code == CLD_EXITED ? 0 : c.status & 0x7f,
		};
		memcpy(z->comm, c.comm, sizeof(z->comm));
		n++;
	}
	return n;
}

static struct pstree_process process_describe(const struct rec_process *p)
{
	return (struct pstree_process){
		.pid = p->pid,
		.ppid = p->ppid,
		.pgid = p->pgid,
		.sid = p->sid,
		.parent = p->parent,
		.exit_signal = p->exit_signal,
		.has_tty = p->flags & PROCESS_TTY,
	};
}

void tree_plan(const struct restart *r, struct pstree *tree)
{
	struct pstree_process *processes = plan_alloc(r->nprocesses, sizeof(*processes));
	struct pstree_zombie *zombies = plan_alloc(count(r, REC_CHILD), sizeof(*zombies));
	int32_t *tids = plan_alloc(count(r, REC_THREAD), sizeof(*tids));
	struct pstree_job job = {
		.processes = processes,
		.nprocesses = r->nprocesses,
		.zombies = zombies,
		.tids = tids,
		.first_gone = !(r->processes[0].rec.flags & PROCESS_FIRST),
		.terminal_sid = r->terminal_sid,
		.on_terminal = r->on_terminal,
		.no_capsule = r->opt.no_capsule,
	};
	char buf[256];
	struct text why = TEXT(buf);

	for (uint32_t i = 0; i < r->nprocesses; i++) {
		processes[i] = process_describe(&r->processes[i].rec);
		job.nzombies += zombies_list(&r->processes[i], &zombies[job.nzombies]);
		job.ntids += tids_list(&r->processes[i], &tids[job.ntids]);
	}
	switch (pstree_build(&job, tree, &why)) {
	case 0:
		break;
	case -ENOMEM:
		die("out of memory");
	default:
		die("%s: the process tree can't be made: %s", r->path, buf);
	}
	free(processes);
	free(zombies);
	free(tids);
}

static uint32_t larger(uint32_t a, int32_t b)
{
	return b > 0 && (uint32_t)b > a ? (uint32_t)b : a;
}

uint32_t tree_highest_id(const struct restart *r)
{
	uint32_t highest = r->processes[0].rec.last_pid;

	for (uint32_t i = 0; i < r->nprocesses; i++) {
		const struct saved *p = &r->processes[i];
		struct rec_iter it = rec_iter(p->records, p->nrecords);
		const struct rec *rec;

		highest = larger(larger(highest, p->rec.pid), larger(p->rec.pgid, p->rec.sid));
		while ((rec = rec_next_type(&it, REC_THREAD))) {
			struct rec_thread t;

			rec_get(rec, &t, sizeof(t));
			highest = larger(highest, t.tid);
		}
	}
	return highest;
}
