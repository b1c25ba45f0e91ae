/*
 * test: once
 *
 * The program's own file is deleted while it runs, as an update does.
 */
#include "harness.h"

int main(int argc, char **argv)
{
	char command[8300], exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n < 0 ? 0 : n] = 0;
	if (argc == 1) {
		snprintf(command, sizeof(command), "cp %s ./doomed", exe);
		if (system(command))
			die("cp");
		execl("./doomed", argv[0], "again", NULL);
		die("exec");
	}
	if (unlink(exe))
		die("unlink");
	ready();
	check(access(exe, F_OK) < 0, "the file is there again");
	check(system("exit 3") == 3 << 8, "system()");
	return verdict();
}
