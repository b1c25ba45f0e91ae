/*
 * /proc/self/maps as a whole: every area is where it was with the permissions, offset and name it had,
 * and there is none besides. Neighbours that differ in nothing count as one area.
 */
#include "harness.h"
#include <sys/mman.h>

struct area {
	unsigned long start, end, offset;
	char perms[5];
	char name[200];
};

struct areas {
	int n;
	struct area a[512];
};

static char text[1 << 18]; /* static: reading maps must not change them */

static void areas_read(struct areas *list)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t len = 0;
	ssize_t r;

	while ((r = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)r;
	close(fd);
	text[len] = 0;
	list->n = 0;
	for (char *line = strtok(text, "\n"); line && list->n < 512; line = strtok(NULL, "\n")) {
		struct area a = {0}, *last = list->n ? &list->a[list->n - 1] : NULL;

		sscanf(line, "%lx-%lx %4s %lx %*s %*s %199[^\n]", &a.start, &a.end, a.perms, &a.offset,
		       a.name);
		if (last && last->end == a.start && !strcmp(last->name, a.name) &&
		    !strcmp(last->perms, a.perms) &&
		    (!a.name[0] || last->offset + (last->end - last->start) == a.offset))
			last->end = a.end;
		else
			list->a[list->n++] = a;
	}
}

static bool same(const struct area *a, const struct area *b)
{
	/* the stack grows, by itself */
	if (!strcmp(a->name, "[stack]") && !strcmp(b->name, "[stack]"))
		return a->end == b->end;
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       !strcmp(a->perms, b->perms) && !strcmp(a->name, b->name);
}

static void compare(const struct areas *x, const struct areas *y, const char *what)
{
	for (int i = 0; i < x->n; i++) {
		bool found = false;

		for (int k = 0; k < y->n; k++)
			found |= same(&x->a[i], &y->a[k]);
		check(found, "%s: %lx-%lx %s %lx %s", what, x->a[i].start, x->a[i].end, x->a[i].perms,
		      x->a[i].offset, x->a[i].name);
	}
}

int main(void)
{
	static struct areas before, after;
	void *volatile block;

	for (int i = 0; i < 20; i++) {
		char *p = mmap(NULL, 10 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		p[5 * 4096] = 1;
		if (mprotect(p + 4096 * (i % 10), 4096, i % 3 ? PROT_READ : PROT_NONE))
			die("mprotect");
	}
	block = malloc(1); /* the heap exists from now on */
	free(block);
	areas_read(&before);
	areas_read(&before);

	ready();

	areas_read(&after);
	compare(&before, &after, "gone");
	compare(&after, &before, "new");
	return verdict();
}
