#include "slurm_ask.h"
#include "core.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 128 << 10 };

/* ---- scontrol ---- */

static void __attribute__((noreturn)) exec_scontrol(const char *const argv[], int out)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	dup2(null, 0);
	dup2(out, 1);
	dup2(null, 2);
	setenv("SLURM_TIME_FORMAT", "standard", 1);
	setenv("TZ", "UTC", 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp("scontrol", (char *const *)argv);
	_exit(127);
}

/* All that comes within the time; false when there is no end to it. */
static bool answer_read(int fd, char *buf, size_t cap)
{
	uint64_t end = sys_clock_ns(CLOCK_MONOTONIC) + ASK_LIMIT_S * 1000000000ull, now;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	while ((now = sys_clock_ns(CLOCK_MONOTONIC)) < end) {
		if (poll(&p, 1, (end - now) / 1000000 + 1) <= 0)
			continue;
		n = read(fd, buf + len, cap - 1 - len);
		if (n <= 0 || len + n == cap - 1) {
			buf[len] = 0;
			return n == 0;
		}
		len += n;
	}
	return false;
}

/* What scontrol prints, in memory that lasts; NULL when it fails or takes too long. */
static char *scontrol(const char *const argv[])
{
	char *buf = malloc(ANSWER_MAX);
	bool good = false;
	int ends[2], status = -1;
	pid_t pid;

	if (!buf || pipe2(ends, O_CLOEXEC)) {
		free(buf);
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		exec_scontrol(argv, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		good = answer_read(ends[0], buf, ANSWER_MAX);
		if (!good)
			kill(pid, SIGKILL);
		/* ECHILD: the caller ignores SIGCHLD, and the status is lost; what was printed tells. */
		if (waitpid(pid, &status, 0) < 0)
			status = 0;
	}
	close(ends[0]);
	if (good && status == 0)
		return buf;
	free(buf);
	return NULL;
}

/* ---- a job ---- */

/* The value of " Key=" in a line of them, up to the next blank. */
static void value_take(const char *line, const char *key, char *value, size_t n)
{
	const char *at = strstr(line, key);
	size_t len = 0;

	if (at)
		at += strlen(key), len = strcspn(at, " \n");
	if (!at || len >= n || !strncmp(at, "(null)", len))
		len = 0;
	memcpy(value, at ? at : "", len);
	value[len] = 0;
}

bool slurm_ask_job(const char *id, struct slurm_answer *a)
{
	const char *const argv[] = {"scontrol", "show", "job", "-o", id, NULL};
	char *line = scontrol(argv), flag[8];

	memset(a, 0, sizeof(*a));
	if (!line)
		return false;
	value_take(line, " SubmitTime=", a->submit, sizeof(a->submit));
	value_take(line, " AllocNode:Sid=", a->session, sizeof(a->session));
	value_take(line, " Command=", a->script, sizeof(a->script));
	value_take(line, " BatchFlag=", flag, sizeof(flag));
	a->batch = flag[0] && flag[0] != '0';
	free(line);
	return a->submit[0];
}

/* ---- its configuration ---- */

/* Is status in a list such as "85" or "10-20,85"? */
static bool list_has(const char *list, int status)
{
	while (*list >= '0' && *list <= '9') {
		int low = parse_dec(&list), high = low;

		if (parse_skip(&list, "-"))
			high = parse_dec(&list);
		if (status >= low && status <= high)
			return true;
		parse_skip(&list, ",");
	}
	return false;
}

bool slurm_ask_requeues(int status)
{
	const char *const argv[] = {"scontrol", "show", "config", NULL};
	char *config = scontrol(argv);
	const char *at = config ? strstr(config, "\nRequeueExit ") : NULL;
	bool found = false;

	if (at && (at = strchr(at, '='))) {
		at++;
		at += strspn(at, " ");
		found = list_has(at, status);
	}
	free(config);
	return found;
}
