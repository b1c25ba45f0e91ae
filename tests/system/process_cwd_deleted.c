/* A working directory that was deleted: still deleted, still the working directory. */
#include "harness.h"
#include <sys/stat.h>

int main(void)
{
	char path[4096], before[4096], after[4096];
	struct stat st;
	ssize_t n;

	if (mkdir("doomed", 0755) || chdir("doomed") || rmdir("../doomed"))
		die("doomed");
	n = readlink("/proc/self/cwd", before, sizeof(before) - 1);
	before[n < 0 ? 0 : n] = 0;
	ready();
	check(!getcwd(path, sizeof(path)) && errno == ENOENT, "getcwd gives %s", path);
	n = readlink("/proc/self/cwd", after, sizeof(after) - 1);
	after[n < 0 ? 0 : n] = 0;
	check(!strcmp(before, after), "/proc/self/cwd is %s, was %s", after, before);
	check(stat(".", &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 0, "stat of it");
	check(creat("file", 0600) < 0 && errno == ENOENT, "making a file in it");
	if (chdir("..") == 0)
		check(access("doomed", F_OK) < 0, "the directory is there again");
	return verdict();
}
