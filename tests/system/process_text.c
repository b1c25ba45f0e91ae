/*
 * What others read about us in /proc/self: cmdline (rewritten in place, as servers do), environ, exe,
 * comm, root, auxv, and the lines of status that are not figures of the moment.
 */
#include "harness.h"
#include <sys/auxv.h>
#include <sys/prctl.h>

static const char *const files[] = {"cmdline", "environ", "comm", "auxv", "limits", "loginuid",
				    "coredump_filter", "timerslack_ns", "personality"};
enum { N = sizeof(files) / sizeof(files[0]) };

/* What status has no say in: figures of the moment, and what belongs to the place of a restart. */
static const char *const moving[] = {"Vm", "Rss", "State", "voluntary", "nonvoluntary", "NSpid",
				     "NStgid", "NSpgid", "NSsid", "Mems", "Tgid", "Huge", "FDSize", "SigQ",
				     "THP", "untag", "CapBnd", "Groups"};

static bool moves(const char *line)
{
	for (size_t i = 0; i < sizeof(moving) / sizeof(moving[0]); i++)
		if (!strncmp(line, moving[i], strlen(moving[i])))
			return true;
	return false;
}

static void compare_status(char *before, char *after)
{
	char *at, *bt, *a, *b;

	a = strtok_r(before, "\n", &at);
	b = strtok_r(after, "\n", &bt);
	for (; a && b; a = strtok_r(NULL, "\n", &at), b = strtok_r(NULL, "\n", &bt))
		check(moves(a) || !strcmp(a, b), "status has \"%s\", had \"%s\"", b, a);
	check(!a && !b, "status has more or less lines");
}

int main(int argc, char **argv)
{
	char *text[N], path[64], exe[4096], again[4096], *status, root[4096];
	size_t len[N];
	ssize_t n;

	check(argc == 1, "%d arguments", argc);
	memset(argv[0], 'w', 5);
	prctl(PR_SET_NAME, "na me)\t");
	for (int i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		text[i] = read_whole(path, &len[i]);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = 0;
	status = read_whole("/proc/self/status", NULL);

	ready();

	compare_status(status, read_whole("/proc/self/status", NULL));
	for (int i = 0; i < N; i++) {
		size_t now;
		char *is;

		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		is = read_whole(path, &now);
		if (!text[i])
			continue;
		check(is && now == len[i] && !memcmp(is, text[i], now), "%s has %zu bytes, had %zu: %.60s, had %.60s", path,
		      is ? now : 0, len[i], is ? is : "", text[i]);
	}
	n = readlink("/proc/self/exe", again, sizeof(again) - 1);
	again[n < 0 ? 0 : n] = 0;
	check(!strcmp(exe, again), "exe is %s, was %s", again, exe);
	n = readlink("/proc/self/root", root, sizeof(root) - 1);
	check(n == 1 && root[0] == '/', "root is %.*s", (int)n, root);
	check(getauxval(AT_PAGESZ) == 4096, "auxv");
	return verdict();
}
