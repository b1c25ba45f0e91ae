/*
 * The environment, as each process of a small tree sees it: getenv, environ, /proc/self/environ and a program that it
 * starts; and what libc does to it goes on. Without an argument nothing is to have changed; with one it is told what there
 * is, and test_env_graft.py has some variables be other ones after the restart.
 *
 * "alone". "cleared": the program has emptied its environment. "tree": it has a child.
 */
#include <sys/wait.h>
#include "harness.h"

extern char **environ;

static char put[] = "G_PUT=put";

/* NULL: nobody wants to know. */
static void show(const char *who)
{
	size_t len = 0;
	char *shown = read_whole("/proc/self/environ", &len);

	for (char **e = environ; who && e && *e; e++)
		if (!strncmp(*e, "G_", 2))
			printf("%s environ %s\n", who, *e);
	for (char *e = shown; who && e && e < shown + len; e += strlen(e) + 1)
		if (!strncmp(e, "G_", 2))
			printf("%s shown %s\n", who, e);
	fflush(stdout);
	free(shown);
}

/* Whatever the list is now, libc can deal with it. */
static void change(void)
{
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "N_%d", i);
		setenv(name, "a value of some length", 1);
	}
	for (int i = 0; i < 200; i += 2) {
		snprintf(name, sizeof(name), "N_%d", i);
		unsetenv(name);
	}
	check(getenv("N_199") && !getenv("N_198"), "variables that are set now");
	check(!setenv("G_KEPT", "changed", 1) && !strcmp(getenv("G_KEPT"), "changed"), "one that is changed");
	check(!unsetenv("G_A") && !getenv("G_A"), "one that is removed");
}

static void verify(const char *who, bool cleared)
{
	show(who);
	if (cleared) {
		check(!environ || !*environ, "the environment is empty no more");
	} else {
		check(getenv("G_PUT") == put + 6, "a string of the program's own is in its place");
		check(getenv("G_OWN") && !strcmp(getenv("G_OWN"), "own"), "what was set by the program is there");
		check(system("test \"$G_PUT\" = put") == 0, "a program of its own");
	}
	change();
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool cleared = argc > 1 && !strcmp(argv[1], "cleared"), tree = argc > 1 && !strcmp(argv[1], "tree");
	const char *value = getenv("CKPT_TEST_GO");
	char *go = value ? strdup(value) : NULL;
	pid_t child = 0;
	int status = 0;

	if (cleared) {
		clearenv();
	} else {
		setenv("G_OWN", "own", 1);
		putenv(put);
	}
	if (tree)
		child = fork();
	if (!tree || child > 0) {
		printf("ready\n");
		fflush(stdout);
	}
	while (go && access(go, F_OK))
		sleep_ms(5);
	if (child > 0)
		waitpid(child, &status, 0);
	check(status == 0, "the child ended with %d", status);
	verify(tree ? child ? "parent" : "second" : argv[1], cleared);
	if (tree && !child)
		return test_failures != 0;
	return verdict();
}
