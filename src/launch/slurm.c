#include "slurm.h"
#include "core.h"
#include "die.h"
#include "image.h"
#include "log_file.h"
#include "protocol.h"
#include "runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RESTORES_MAX = 3,	      /* from one image; then there is something wrong with it, or with the program */
	STEP_SPECIAL = 0xfffffff0u, /* numbers from here on are SLURM's own steps: the batch script, an allocation's shell */
};

static void set_env(const char *name, const char *value, bool anyhow)
{
	if (setenv(name, value, anyhow))
		die("cannot set %s:", name);
}

/* ---- what the environment says ---- */

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool is_slurm(void)
{
	const char *wanted = getenv("CKPT_SLURM");

	return is_set("SLURM_JOB_ID") && !(wanted && !strcmp(wanted, "0"));
}

bool slurm_here(void)
{
	return is_slurm() && !is_set("CKPT_JOB");
}

bool slurm_nested(void)
{
	return is_slurm() && is_set("CKPT_JOB");
}

static const char *request_signal(void)
{
	return is_set("CKPT_REQUEST_SIGNAL") ? getenv("CKPT_REQUEST_SIGNAL") : "USR1";
}

/* What happens at that signal, unless the user has said so. */
static void request_put(char *to, size_t n, int status)
{
	snprintf(to, n, "%s=checkpoint+exit:%d", request_signal(), status);
}

uint64_t slurm_signals_block(void)
{
	const char *given = request_signal();
	uint8_t action[ON_SIGNAL_MAX];
	char value[128];
	uint64_t set;

	if (is_set("CKPT_ON_SIGNAL"))
		return 0;
	request_put(value, sizeof(value), STATUS_REQUEUE);
	if (strpbrk(given, "=,") || on_signal_parse(value, action))
		die("CKPT_REQUEST_SIGNAL=%.100s: must be the name or number of a signal that is free for use", given);
	set = on_signal_set(action);
	sys_sigprocmask(0 /* SIG_BLOCK */, &set, NULL);
	set_env("CKPT_ON_SIGNAL", value, true);
	return set;
}

/* A number that SLURM gives; false: it gives none. */
static bool number_of(const char *name, uint64_t *n)
{
	const char *value = getenv(name), *p = value;

	if (!value || !*value)
		return false;
	*n = parse_dec(&p);
	if (p == value || *p || p - value > 10)
		die("%s=%.100s: not a number, and SLURM gives one (CKPT_SLURM=0: do not look at SLURM)", name, value);
	return true;
}

static void number_put(char *to, size_t n, const char *name)
{
	uint64_t value;

	if (number_of(name, &value))
		snprintf(to, n, "%lu", value);
}

/* As a part of a file's name. */
static void plain_put(char *to, size_t n, const char *name, const char *otherwise)
{
	const char *value = is_set(name) ? getenv(name) : otherwise;

	str_copy(to, value, n);
	for (char *p = to; *p; p++)
		if (!(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !strchr("-_", *p))
			*p = '_';
}

static const char *text_of(const char *name)
{
	return is_set(name) ? getenv(name) : "-";
}

static void job_describe(struct slurm *s)
{
	struct text name = TEXT(s->name), place = TEXT(s->place);

	plain_put(s->cluster, sizeof(s->cluster), "SLURM_CLUSTER_NAME", "slurm");
	if (is_set("SLURM_ARRAY_JOB_ID") && is_set("SLURM_ARRAY_TASK_ID")) {
		number_put(s->job, sizeof(s->job), "SLURM_ARRAY_JOB_ID");
		number_put(s->task, sizeof(s->task), "SLURM_ARRAY_TASK_ID");
	} else {
		number_put(s->job, sizeof(s->job), "SLURM_JOB_ID");
	}
	number_of("SLURM_RESTART_COUNT", &s->run);
	text_put(&name, "%s-%s%s%s", s->cluster, s->job, s->task[0] ? "_" : "", s->task);
	text_put(&place, "job %s%s%s", s->job, s->task[0] ? "_" : "", s->task);
}

static void step_describe(struct slurm *s)
{
	uint64_t step = 0, tasks = 1, proc = 0;
	struct text token = TEXT(s->token), place = TEXT(s->place);

	place.len = strlen(s->place);
	if (!number_of("SLURM_STEP_ID", &step) || step >= STEP_SPECIAL) {
		str_copy(s->step, "batch", sizeof(s->step));
		text_put(&token, "batch %s %s", text_of("SLURMD_NODENAME"), text_of("SLURM_TASK_PID"));
		return;
	}
	snprintf(s->step, sizeof(s->step), "step%lu", step);
	text_put(&place, " step %lu", step);
	text_put(&token, "%s %s:%s", s->step, text_of("SLURM_SRUN_COMM_HOST"), text_of("SLURM_SRUN_COMM_PORT"));
	if (number_of("SLURM_STEP_NUM_TASKS", &tasks) && tasks > 1 && number_of("SLURM_PROCID", &proc)) {
		snprintf(s->proc, sizeof(s->proc), "task%lu", proc);
		text_put(&place, " task %lu", proc);
	}
}

/* A number for its arguments, and their order. And as text, short, for people. */
static void command_describe(struct slurm *s, char *const argv[])
{
	struct text t = TEXT(s->command);

	for (char *const *arg = argv; *arg; arg++) {
		s->command_id = image_hash(*arg, strlen(*arg), s->command_id).low;
		text_put(&t, "%s", arg == argv ? "" : " ");
		for (const char *p = *arg; *p; p++)
			text_put(&t, "%c", *p > ' ' && *p <= '~' ? *p : '_');
	}
}

/* Without a batch script there is nothing to run again. */
static bool is_allocation(const struct slurm *s)
{
	return s->answer.submit[0] && !s->answer.batch;
}

/* ---- the log ---- */

/* A line for whoever looks for what became of the job; that it can't be written is no reason to end. */
static void log_put(const struct slurm *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void log_put(const struct slurm *s, const char *fmt, ...)
{
	char who[32];
	va_list ap;

	snprintf(who, sizeof(who), "run %lu", s->run);
	va_start(ap, fmt);
	log_file_put(s->slot, who, fmt, ap);
	va_end(ap);
}

static void hold(const struct slurm *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

static void hold(const struct slurm *s, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_put(s, "%s", text);
	die_status(STATUS_HOLD, "%s: %s", s->place, text);
}

/* ---- what an earlier run has left ---- */

struct newest {
	uint64_t generation; /* 0: there is no image */
	uint64_t created_ns; /* 0: not known, the header is damaged */
};

/* The number in "STEM.00012.ckpt", 0 for other names. */
static uint64_t generation_of(const char *name)
{
	size_t n = strlen(name), at = n - 5;
	const char *digits;

	if (n < 7 || strcmp(name + n - 5, ".ckpt"))
		return 0;
	while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	digits = name + at;
	return at > 1 && name[at - 1] == '.' ? parse_dec(&digits) : 0;
}

static bool is_newer(const struct newest *a, const struct newest *b)
{
	return a->created_ns != b->created_ns ? a->created_ns > b->created_ns : a->generation > b->generation;
}

static struct newest newest_find(const char *dir)
{
	struct newest newest = {0};
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d))) {
		struct newest n = {.generation = generation_of(e->d_name)};
		int fd;

		if (!n.generation || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0) {
			n.created_ns = image_created_ns(fd);
			close(fd);
		}
		if (is_newer(&n, &newest))
			newest = n;
	}
	if (d)
		closedir(d);
	return newest;
}

/*
 * An image is restored a few times, and no more when nothing newer comes of it: the job would go round for ever.
 * Who lets the job go again after that gives it as many tries more.
 */
static void restore_count(const struct slurm *s, struct slot_state *state, const struct newest *newest)
{
	bool same = state->generation == newest->generation && state->created_ns == newest->created_ns;

	if (same && state->restores >= RESTORES_MAX) {
		state->restores = 0;
		slot_state_write(s, state);
		hold(s, "generation %lu in %s was restored %d times, and no newer image came of it; what happened is in the log "
		     "there (scontrol release %s%s%s tries again)", newest->generation, s->slot, RESTORES_MAX, s->job,
		     s->task[0] ? "_" : "", s->task);
	}
	state->restores = same ? state->restores + 1 : 1;
	state->generation = newest->generation;
	state->created_ns = newest->created_ns;
	slot_state_write(s, state);
}

static void restore(const struct slurm *s, const struct slot_state *state, const struct newest *newest)
{
	char program[PATH_MAX], tell[80], failure[48], outputs[160];
	const char *const argv[] = {
		"ckpt_restart", failure, "--tell", tell, "--env=SLURM_*", "--env=SLURMD_*", "--env=SRUN_*",
		"--env=CKPT_SOCKET", "--env=CKPT_LINGER", "--end-with-first", state->outputs[0] ? outputs : "--", s->slot,
		NULL,
	};

	snprintf(failure, sizeof(failure), "--failure-status=%d", STATUS_HOLD);
	snprintf(tell, sizeof(tell), "%s", s->place);
	snprintf(outputs, sizeof(outputs), "--own-output=%s", state->outputs);
	runtime_beside("ckpt_restart", program, sizeof(program));
	log_put(s, "goes on from generation %lu, or the last good one", newest->generation);
	execv(program, (char *const *)argv);
	hold(s, "cannot run %s: %s", program, strerror(errno));
}

static bool has_finished(const struct slurm *s)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/finished", s->slot);
	return access(path, F_OK) == 0;
}

/* ---- what this one is to have ---- */

/*
 * One coordinator for each step and node, so that none is left when the step has ended. In the runtime directory, by a
 * name that tells whose it is; that may be too long for a socket.
 */
static void socket_set(const struct slurm *s)
{
	char path[SOCKET_PATH_MAX], name[300], host[65] = "", job[32];
	size_t dir;

	if (is_set("CKPT_SOCKET"))
		return;
	runtime_socket_path(path);
	dir = strrchr(path, '/') + 1 - path;
	gethostname(host, sizeof(host) - 1);
	plain_put(host, sizeof(host), "SLURMD_NODENAME", host);
	/* The number that the epilog knows; it has no other of an array's task. */
	plain_put(job, sizeof(job), "SLURM_JOB_ID", s->job);
	snprintf(name, sizeof(name), "%s-%s.%s.%s", s->cluster, job, s->step, host);
	/* Other files are made beside it, with a few more letters. */
	if (dir + strlen(name) + 32 >= sizeof(path))
		snprintf(name, sizeof(name), "slurm-%s.%08x", job, (uint32_t)image_checksum(name, strlen(name)));
	if (dir + strlen(name) >= sizeof(path))
		die("%.*s: the path is too long for a socket (TMPDIR, XDG_RUNTIME_DIR or CKPT_SOCKET)", (int)dir, path);
	strcpy(path + dir, name);
	set_env("CKPT_SOCKET", path, true);
}

/* Where the site does not run a job again by its exit status we ask for that ourselves. */
static void requeue_set(const struct slurm *s)
{
	static const char *const places[] = {"../lib/ckpt/slurm/ckpt-requeue", "../../plugins/slurm/ckpt-requeue"};
	char path[PATH_MAX];

	if (s->requeues || is_allocation(s) || is_set("CKPT_ON_COMMIT"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *real;

		runtime_beside(places[i], path, sizeof(path));
		real = realpath(path, NULL);
		if (real && access(real, X_OK) == 0)
			set_env("CKPT_ON_COMMIT", real, true);
		free(real);
		if (is_set("CKPT_ON_COMMIT"))
			return;
	}
}

static void environment_set(const struct slurm *s)
{
	char value[PATH_MAX + 16];

	set_env("CKPT_DIR", s->slot, true);
	snprintf(value, sizeof(value), "%s/finished", s->slot);
	set_env("CKPT_FINISHED", value, true);
	snprintf(value, sizeof(value), "%s/exited", s->slot);
	set_env("CKPT_EXITED", value, true);
	set_env("CKPT_LINGER", "1", false);
	socket_set(s);
	requeue_set(s);
}

/* ---- the story ---- */

/* For all launches of the user in this directory. What can't be locked is used without. */
static int base_lock(const struct slurm *s)
{
	char path[PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/.lock-%u", s->base, geteuid());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		die("cannot open %s:", path);
	while (flock(fd, LOCK_EX) && errno == EINTR)
		;
	return fd;
}

/* SLURM 22.05 requeues it all the same, for its status: as an allocation in which nothing runs, until its limit. */
static void allocation_set(const struct slurm *s)
{
	char ours[128], value[128];

	request_put(ours, sizeof(ours), STATUS_REQUEUE);
	request_put(value, sizeof(value), STATUS_SAVED);
	if (is_allocation(s) && !strcmp(getenv("CKPT_ON_SIGNAL"), ours))
		set_env("CKPT_ON_SIGNAL", value, true);
}

/* A script that does not look at the status of a step that was checkpointed goes on to the next: in vain. */
static void wait_for_rerun(const struct slurm *s)
{
	char name[SLURM_NAME_MAX];

	if (is_allocation(s)) /* what is launched in it by hand is meant */
		return;
	if (slurm_slot_exited(s, name, sizeof(name)))
		die_status(STATUS_REQUEUE, "%s: not run now: %s of this job was checkpointed, and goes on in its next run", s->place,
			   name);
}

void slurm_begin(char *const argv[])
{
	static struct slurm s;
	struct slot_state state;
	struct newest newest;
	char id[80];
	int lock;

	job_describe(&s);
	/* There may be images that can't be got at here and now: the job is not to end for that. */
	die_init("ckpt_launch", s.run ? STATUS_HOLD : STATUS_OWN);
	step_describe(&s);
	command_describe(&s, argv);
	slurm_base_find(&s);
	snprintf(id, sizeof(id), "%s%s%s", s.job, s.task[0] ? "_" : "", s.task);
	slurm_ask_job(id, &s.answer);
	lock = base_lock(&s);
	slurm_job_take(&s);
	wait_for_rerun(&s);
	slurm_slot_take(&s, &state);
	newest = newest_find(s.slot);
	environment_set(&s);
	allocation_set(&s);
	if (s.run && has_finished(&s)) {
		log_put(&s, "has finished in an earlier run");
		warn("%s: has finished in an earlier run of this job, and is not run again", s.place);
		exit(STATUS_DONE);
	}
	if (newest.generation && s.run)
		restore_count(&s, &state, &newest);
	close(lock);
	if (newest.generation && s.run)
		restore(&s, &state, &newest);
	log_put(&s, "begins: %s", s.command);
	die_init("ckpt_launch", STATUS_OWN);
}
