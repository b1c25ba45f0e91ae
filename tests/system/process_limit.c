/*
 * test: user
 *
 * No process may be added: there can be no copy of the program, and the image is written in the pause.
 * Nothing of that stays mapped.
 */
#include "harness.h"
#include <sys/resource.h>

static int count_areas(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0, c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

int main(void)
{
	struct rlimit l = {1, 1};
	int before;

	count_areas();
	if (setrlimit(RLIMIT_NPROC, &l))
		die("setrlimit");
	before = count_areas();
	ready();
	check(count_areas() <= before, "%d areas, were %d", count_areas(), before);
	return verdict();
}
