/* umask, every resource limit, nice value, OOM score adjustment. */
#include "harness.h"
#include <sys/resource.h>
#include <sys/stat.h>

static int oom_score_adj(void)
{
	char *text = read_whole("/proc/self/oom_score_adj", NULL);
	int n = atoi(text);

	free(text);
	return n;
}

int main(void)
{
	struct rlimit before[RLIM_NLIMITS], after;
	mode_t mask;
	int nice_before, oom, fd;

	umask(0137);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		getrlimit((__rlimit_resource_t)i, &before[i]);
		if (i == RLIMIT_CORE || i == RLIMIT_NOFILE || i == RLIMIT_STACK)
			before[i].rlim_cur = 1024 * 1024;
		if (i == RLIMIT_NOFILE)
			before[i].rlim_cur = before[i].rlim_max = 700;
		if (i == RLIMIT_FSIZE)
			before[i].rlim_cur = 1 << 30;
		if (i == RLIMIT_CPU)
			before[i].rlim_cur = before[i].rlim_max = 30000;
		if (i == RLIMIT_MEMLOCK)
			before[i].rlim_cur = 8192;
		setrlimit((__rlimit_resource_t)i, &before[i]);
		getrlimit((__rlimit_resource_t)i, &before[i]);
	}
	errno = 0;
	nice_before = nice(3);
	fd = open("/proc/self/oom_score_adj", O_WRONLY);
	if (fd >= 0 && write(fd, "321", 3) != 3)
		die("oom_score_adj");
	close(fd);
	oom = oom_score_adj();

	ready();

	mask = umask(0);
	check(mask == 0137, "umask is %o", mask);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		getrlimit((__rlimit_resource_t)i, &after);
		check(after.rlim_cur == before[i].rlim_cur && after.rlim_max == before[i].rlim_max,
		      "limit %d is %ld/%ld, was %ld/%ld", i, (long)after.rlim_cur, (long)after.rlim_max,
		      (long)before[i].rlim_cur, (long)before[i].rlim_max);
	}
	check(getpriority(PRIO_PROCESS, 0) == nice_before, "nice is %d, was %d",
	      getpriority(PRIO_PROCESS, 0), nice_before);
	check(oom_score_adj() == oom, "oom_score_adj is %d, was %d", oom_score_adj(), oom);
	return verdict();
}
