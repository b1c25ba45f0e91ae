/*
 * What madvise, mlock and mmap's flags left on an area: VmFlags in smaps are the same before and
 * after, and so is the amount of locked memory.
 */
#include "harness.h"
#include <sys/mman.h>

enum { SIZE = 8 << 20 };

static const struct {
	const char *name;
	int flags, advice;
} areas[] = {
	{"plain", 0, -1},
	{"noreserve", MAP_NORESERVE, -1},
	{"hugepage", 0, MADV_HUGEPAGE},
	{"nohugepage", 0, MADV_NOHUGEPAGE},
	{"dontfork", 0, MADV_DONTFORK},
	{"wipeonfork", 0, MADV_WIPEONFORK},
	{"dontdump", 0, MADV_DONTDUMP},
	{"sequential", 0, MADV_SEQUENTIAL},
	{"random", 0, MADV_RANDOM},
	{"mergeable", 0, MADV_MERGEABLE},
	{"locked", 0, -1},
	{"lock on fault", 0, -1},
	{"grows down", MAP_GROWSDOWN, -1},
	{"shared noreserve", MAP_SHARED, -1},
};
enum { AREAS = sizeof(areas) / sizeof(areas[0]) };

/* The VmFlags of the area that starts at address, "" when there is none. */
static void vm_flags(const char *smaps, unsigned long address, char *out, size_t cap)
{
	char head[32];
	const char *p;
	size_t n;

	snprintf(head, sizeof(head), "%lx-", address);
	*out = 0;
	for (p = smaps; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, head, strlen(head)))
			break;
	p = p ? strstr(p, "VmFlags: ") : NULL;
	if (!p)
		return;
	n = strcspn(p += 9, "\n");
	snprintf(out, cap, "%.*s", (int)n, p);
}

static long locked_kb(void)
{
	char *text = read_whole("/proc/self/status", NULL);
	long kb = strtol(strstr(text, "VmLck:") + 6, NULL, 10);

	free(text);
	return kb;
}

int main(void)
{
	static char before[AREAS][256], after[256];
	char *p[AREAS], *smaps;
	long locked;

	for (int i = 0; i < AREAS; i++) {
		int kind = areas[i].flags & MAP_SHARED ? 0 : MAP_PRIVATE;
		/* gaps keep areas from being merged */
		char *at = mmap(NULL, SIZE * 3, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED || munmap(at, SIZE * 3))
			die("mmap");
		p[i] = mmap(at + SIZE, SIZE, PROT_READ | PROT_WRITE,
			    kind | MAP_ANONYMOUS | MAP_FIXED | areas[i].flags, -1, 0);
		if (p[i] == MAP_FAILED)
			die("mmap %s", areas[i].name);
		if (mmap(at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
			die("mmap");
		p[i][SIZE - 1] = (char)(i + 1);
		if (areas[i].advice >= 0 && madvise(p[i], SIZE, areas[i].advice))
			check(errno == EINVAL, "madvise %s: %s", areas[i].name, strerror(errno));
	}
	if (mlock(p[10], 1 << 20) || mlock2(p[11], 1 << 20, MLOCK_ONFAULT))
		die("mlock");
	smaps = read_whole("/proc/self/smaps", NULL);
	for (int i = 0; i < AREAS; i++)
		vm_flags(smaps, (unsigned long)p[i], before[i], sizeof(before[i]));
	free(smaps);
	locked = locked_kb();

	ready();

	smaps = read_whole("/proc/self/smaps", NULL);
	for (int i = 0; i < AREAS; i++) {
		vm_flags(smaps, (unsigned long)p[i], after, sizeof(after));
		check(!strcmp(before[i], after), "%s: flags are \"%s\", were \"%s\"", areas[i].name,
		      after, before[i]);
		check(p[i][SIZE - 1] == i + 1, "%s: the data", areas[i].name);
	}
	check(locked_kb() == locked, "%ld kB are locked, were %ld", locked_kb(), locked);
	return verdict();
}
