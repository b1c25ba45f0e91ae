/* The working directory: a directory below, reached and left by relative names. */
#include "harness.h"
#include <sys/stat.h>

int main(void)
{
	char before[4096], after[4096];

	if ((mkdir("below", 0755) && errno != EEXIST) || chdir("below") || !getcwd(before, sizeof(before)))
		die("below");
	ready();
	check(getcwd(after, sizeof(after)) != NULL, "getcwd: %s", strerror(errno));
	check(!strcmp(before, after), "the directory is %s, was %s", after, before);
	check(access("../below", F_OK) == 0, "../below: %s", strerror(errno));
	check(creat("file", 0600) >= 0, "making a file: %s", strerror(errno));
	return verdict();
}
