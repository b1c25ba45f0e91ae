/*
 * A tree grown at random: sessions and groups made before and after children, parents that end and leave
 * orphans, zombies, subreapers. Everybody must be who it was.
 */
#include "tree.h"
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PROCESSES = 40 };

/* What each does, in this order; decided before the first exists. */
struct life {
	int parent;
	bool own_group, early_session, late_session, subreaper;
	bool joins; /* the group that its elder sibling leads */
	bool ends;
	bool reaps; /* waits for its children that end */
};

struct meeting {
	int grown;    /* processes that have made their children, and ended if they were to */
	int record;   /* 1: all have grown */
	int recorded; /* those that live and know who they are */
	int good, bad;
	pid_t pid[PROCESSES];
};

static struct life lives[PROCESSES];
static struct meeting *m;
static unsigned seed;

static bool chance(int percent)
{
	return rand() % 100 < percent;
}

static void lives_make(void)
{
	for (int i = 1; i < PROCESSES; i++)
		lives[i] = (struct life){
			.parent = rand() % i,
			.own_group = chance(30),
			.early_session = chance(10),
			.late_session = chance(15),
			.subreaper = chance(10),
			.joins = chance(30),
			.ends = chance(35),
			.reaps = chance(50),
		};
}

static int elder_sibling(int me)
{
	for (int i = me - 1; i > 0; i--)
		if (lives[i].parent == lives[me].parent)
			return i;
	return -1;
}

static void add(int *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static void await(int *n, int value)
{
	while (__atomic_load_n(n, __ATOMIC_SEQ_CST) < value)
		sleep_ms(1);
}

static void live(int me);

static void children_make(int me)
{
	for (int i = me + 1; i < PROCESSES; i++) {
		pid_t pid;

		if (lives[i].parent != me)
			continue;
		fflush(stdout);
		pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0)
			live(i);
		if (lives[i].ends && lives[me].reaps)
			waitpid(pid, NULL, 0);
	}
}

static void grow(int me)
{
	const struct life *l = &lives[me];
	int elder = elder_sibling(me);

	m->pid[me] = getpid();
	if (l->subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (l->own_group)
		setpgid(0, 0);
	if (l->joins && elder > 0)
		setpgid(0, m->pid[elder]); /* where that is possible */
	if (l->early_session)
		setsid();
	children_make(me);
	if (l->late_session)
		setsid();
	add(&m->grown);
}

static void stay(int me)
{
	char name[64];
	struct who who;

	await(&m->record, 1);
	who = who_am_i();
	add(&m->recorded);
	wait_gone();
	snprintf(name, sizeof(name), "seed %u, process %d", seed, me);
	check_who(&who, name);
}

static void live(int me)
{
	grow(me);
	if (lives[me].ends)
		_exit(0);
	stay(me);
	add(test_failures ? &m->bad : &m->good);
	for (;;)
		pause(); /* nobody is to become an orphan now */
}

int main(void)
{
	int living = 0;

	seed = getpid();
	srand(seed);
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		die("mmap");
	lives_make();
	for (int i = 1; i < PROCESSES; i++)
		living += !lives[i].ends;
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* nobody gets away: all are ended below */
	grow(0);
	await(&m->grown, PROCESSES);
	sleep_ms(20); /* those that end have counted themselves before */
	m->record = 1;
	await(&m->recorded, living);
	ready();
	while (m->good + m->bad < living)
		sleep_ms(1);
	check(m->bad == 0, "seed %u: %d of %d are not who they were", seed, m->bad, living);
	for (int i = 1; i < PROCESSES; i++)
		if (!lives[i].ends)
			kill(m->pid[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return verdict();
}
