/* Trees that come from lives that a model of the kernel has led at random, and from nonsense. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_model.h"
#include "unit.h"

enum { SHELL = 50, FIRST = 60, LIVES = 3000 };

static int random_task(const struct kernel *k)
{
	return 2 + random() % (k->n - 2); /* not init, nor the shell */
}

static void live_fork(struct kernel *k, int i, int *pid)
{
	while (pid_in_use(k, *pid))
		++*pid;
	k_clone(k, i, (*pid)++, false, SIGCHLD);
}

/* A group of the session, or one of its own. */
static void live_setpgid(struct kernel *k, int i)
{
	const struct task *other = &k->tasks[random_task(k)];

	k_setpgid(k, i, random() % 2 && !other->reaped ? other->pgid : k->tasks[i].pid);
}

static void live_step(struct kernel *k, int *pid)
{
	int i = random_task(k), what = random() % 100;

	if (k->tasks[i].ended) {
		if (random() % 4 == 0)
			k_reap(k, k->tasks[i].parent, i);
		return;
	}
	if (what < 50)
		live_fork(k, i, pid);
	else if (what < 60)
		k_setsid(k, i);
	else if (what < 75)
		live_setpgid(k, i);
	else if (what < 78)
		k->tasks[i].subreaper = true;
	else if (what < 95 && (i != 2 || what == 94))
		k_exit(k, i);
}

/* The image of what lives: parents first. Zombies of init are nobody's. */
struct life {
	struct pstree_process processes[IMAGE_MAX];
	struct pstree_zombie zombies[IMAGE_MAX];
	struct pstree_job job;
	int task[IMAGE_MAX]; /* of each process */
};

static void life_add(struct life *l, const struct kernel *k, int i, int parent)
{
	const struct task *t = &k->tasks[i];

	if (t->ended && parent >= 0)
		l->zombies[l->job.nzombies++] = (struct pstree_zombie){
			t->pid, t->pgid, t->sid, parent, t->exit_signal, 0, SIGTERM, ""};
	if (t->ended)
		return;
	l->task[l->job.nprocesses] = i;
	l->processes[l->job.nprocesses++] = (struct pstree_process){
		t->pid, k->tasks[t->parent].pid, t->pgid, t->sid, parent, t->exit_signal, t->sid == SHELL};
}

static void life_image(struct life *l, const struct kernel *k)
{
	*l = (struct life){.job = {.processes = l->processes, .zombies = l->zombies}};
	l->job.first_gone = k->tasks[2].ended;
	for (int i = 2; i < k->n; i++)
		if (!k->tasks[i].reaped && k->tasks[i].parent < 2)
			life_add(l, k, i, -1);
	for (uint32_t p = 0; p < l->job.nprocesses; p++)
		for (int i = 2; i < k->n; i++)
			if (!k->tasks[i].reaped && k->tasks[i].parent == l->task[p])
				life_add(l, k, i, p);
}

static void live(struct life *l, int steps)
{
	static struct kernel k;
	int pid = FIRST, shell;

	kernel_start(&k);
	shell = k_clone(&k, 0, SHELL, false, SIGCHLD);
	k_setsid(&k, shell);
	k_setpgid(&k, k_clone(&k, shell, FIRST, false, SIGCHLD), FIRST);
	while (steps-- && k.n < IMAGE_MAX)
		live_step(&k, &pid);
	life_image(l, &k);
}

/* 0 when there is no way to make what has become of it. */
static int life_comes_out_right(const struct life *l)
{
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	if (!l->job.nprocesses)
		return 1;
	if (pstree_build(&l->job, &tree, &why) == 0) {
		tree_is_right(&l->job, &tree);
		free(tree.nodes);
		return 1;
	}
	ck_assert_msg(strstr(buf, "an orphan, would be adopted by"), "%s", buf);
	return 0;
}

/* Whose ancestors became subreapers between one adoption and the next can't be made: few lives do that. */
static void lives_come_out_right(bool on_terminal, bool no_capsule)
{
	static struct life l;
	int right = 0;

	for (unsigned seed = 0; seed < LIVES; seed++) {
		srandom(seed);
		live(&l, 20 + random() % 300);
		l.job.on_terminal = on_terminal;
		l.job.no_capsule = no_capsule;
		right += life_comes_out_right(&l);
	}
	ck_assert_int_gt(right, LIVES - LIVES / 100);
}

UNIT_TEST(pstree_of_any_life)
{
	lives_come_out_right(false, false);
}

UNIT_TEST(pstree_of_any_life_on_a_terminal)
{
	lives_come_out_right(true, false);
}

UNIT_TEST(pstree_of_any_life_without_capsule)
{
	lives_come_out_right(false, true);
}

/* Whatever the numbers, the answer is an error or what was asked for. */
UNIT_TEST(pstree_of_nonsense)
{
	struct pstree_process p[8];
	struct pstree_zombie z[4];
	struct pstree_job job = {.processes = p, .nprocesses = 8, .zombies = z, .nzombies = 4};

	for (unsigned seed = 0; seed < 100000; seed++) {
		struct pstree tree;
		char buf[256];
		struct text why = TEXT(buf);

		srandom(seed);
		for (int i = 0; i < 8; i++)
			p[i] = (struct pstree_process){2 + i, 0, random() % 16, random() % 16,
						       random() % (i + 1) - 1, random() % 2 ? SIGCHLD : 0,
						       random() % 4 == 0};
		for (int i = 0; i < 8; i++)
			p[i].ppid = p[i].parent < 0 ? random() % 3 * 15 : p[p[i].parent].pid;
		for (int i = 0; i < 4; i++)
			z[i] = (struct pstree_zombie){10 + i, random() % 16, random() % 16, random() % 8,
						      SIGCHLD, 0, 0, ""};
		for (int i = 0; i < 12; i++) { /* most sessions that are led are refused for their group */
			int32_t *pgid = i < 8 ? &p[i].pgid : &z[i - 8].pgid;

			if ((i < 8 ? p[i].sid : z[i - 8].sid) == i + 2)
				*pgid = i + 2;
		}
		job.on_terminal = random() % 2;
		job.no_capsule = random() % 2;
		job.first_gone = random() % 2;
		if (pstree_build(&job, &tree, &why) < 0)
			continue;
		tree_is_right(&job, &tree);
		free(tree.nodes);
	}
}
