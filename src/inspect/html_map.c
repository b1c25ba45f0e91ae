/*
 * Fields are laid out in rows along the shorter side of what is left, as many in a row as make them most nearly square
 * (squarified treemap).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "die.h"
#include "html.h"
#include "units.h"

enum { FIELDS_MAX = 40, WIDTH = 1000, HEIGHT = 330, LABEL_WIDTH = 45, LABEL_HEIGHT = 18, SIZES_HEIGHT = 36 };

struct field {
	const char *name, *kind; /* kind is a class of the page's style */
	double saved, stored;
	size_t areas;
};

struct rectangle {
	double x, y, width, height;
};

/* ---- what the fields are ---- */

static const char *kind_of(const struct area *a)
{
	if (a->rec.flags & VMA_STACK)
		return "stack";
	if (a->rec.flags & VMA_HEAP)
		return "heap";
	if (a->rec.flags & VMA_SHARED)
		return "shared";
	return a->rec.flags & (VMA_FILE | VMA_VDSO | VMA_VVAR) ? "file" : "anonymous";
}

static int area_order(const void *x, const void *y)
{
	const struct area *a = *(const struct area *const *)x, *b = *(const struct area *const *)y;
	int names = strcmp(area_name(a), area_name(b));

	return names ? names : strcmp(kind_of(a), kind_of(b));
}

/* Of files with code all is code. Areas without a name are fields of their own: large ones are single arrays. */
static void field_take(struct field *f, const struct area *a)
{
	if (!f->areas++)
		*f = (struct field){.name = area_name(a), .kind = kind_of(a), .areas = 1};
	if (a->rec.flags & VMA_FILE && a->rec.prot & PROT_EXEC)
		f->kind = "code";
	f->saved += a->share.saved;
	f->stored += a->share.stored;
}

static size_t fields_make(const struct process *p, struct field *f)
{
	const struct area **sorted = malloc((p->nareas + 1) * sizeof(*sorted));
	size_t n = 0, nareas = 0;

	if (!sorted)
		die("out of memory");
	for (size_t i = 0; i < p->nareas; i++)
		if (p->areas[i].share.saved)
			sorted[nareas++] = &p->areas[i];
	qsort(sorted, nareas, sizeof(*sorted), area_order);
	for (size_t i = 0; i < nareas; i++) {
		const char *name = area_name(sorted[i]);

		if (i && (!*name || strcmp(name, area_name(sorted[i - 1]))))
			n++;
		field_take(&f[n], sorted[i]);
	}
	free(sorted);
	return nareas ? n + 1 : 0;
}

static int saved_order(const void *x, const void *y)
{
	const struct field *a = x, *b = y;

	return (a->saved < b->saved) - (a->saved > b->saved);
}

static int stored_order(const void *x, const void *y)
{
	const struct field *a = x, *b = y;

	return (a->stored < b->stored) - (a->stored > b->stored);
}

/* The smallest together, so that there are FIELDS_MAX at most. */
static size_t fields_limit(struct field *f, size_t n)
{
	struct field rest = {.name = "all others", .kind = "rest"};

	if (n <= FIELDS_MAX)
		return n;
	for (size_t i = FIELDS_MAX - 1; i < n; i++) {
		rest.saved += f[i].saved;
		rest.stored += f[i].stored;
		rest.areas += f[i].areas;
	}
	f[FIELDS_MAX - 1] = rest;
	return FIELDS_MAX;
}

/* ---- where they are ---- */

static double worst_ratio(double sum, double largest, double smallest, double side)
{
	double across = sum / side, a = largest / across, b = smallest / across;
	double x = a > across ? a / across : across / a, y = b > across ? b / across : across / b;

	return x > y ? x : y;
}

/* How many of the sizes make the best row along that side. */
static size_t row_fill(const double *sizes, size_t n, double side)
{
	double sum = sizes[0], ratio = worst_ratio(sum, sizes[0], sizes[0], side);
	size_t i;

	for (i = 1; i < n; i++) {
		double next = worst_ratio(sum + sizes[i], sizes[0], sizes[i], side);

		if (next > ratio)
			break;
		sum += sizes[i];
		ratio = next;
	}
	return i;
}

/* Sizes are areas, in descending order; together that of the whole. */
static void layout(const double *sizes, size_t n, struct rectangle whole, struct rectangle *to)
{
	for (size_t first = 0; first < n;) {
		bool wide = whole.width > whole.height;
		double side = wide ? whole.height : whole.width, sum = 0, at = 0;
		size_t row = row_fill(sizes + first, n - first, side);

		for (size_t i = 0; i < row; i++)
			sum += sizes[first + i];
		for (size_t i = 0; i < row; i++) {
			double along = side * sizes[first + i] / sum, across = sum / side;

			to[first + i] = wide ? (struct rectangle){whole.x, whole.y + at, across, along}
					     : (struct rectangle){whole.x + at, whole.y, along, across};
			at += along;
		}
		if (wide)
			whole = (struct rectangle){whole.x + sum / side, whole.y, whole.width - sum / side, whole.height};
		else
			whole = (struct rectangle){whole.x, whole.y + sum / side, whole.width, whole.height - sum / side};
		first += row;
	}
}

/* ---- how they are shown ---- */

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : *path ? path : "anonymous";
}

static void put_field(FILE *f, const struct field *x, const struct rectangle *r)
{
	char a[UNITS_MAX], b[UNITS_MAX];

	units_memory(a, x->saved);
	units_memory(b, x->stored);
	fprintf(f, "<div class=\"%s\" style=\"left:%.3f%%;top:%.3f%%;width:%.3f%%;height:%.3f%%\" title=\"", x->kind,
		r->x * 100 / WIDTH, r->y * 100 / HEIGHT, r->width * 100 / WIDTH, r->height * 100 / HEIGHT);
	html_text(f, *x->name ? x->name : "anonymous");
	fprintf(f, ": %s in memory, %s on disk, %zu area%s\">", a, b, x->areas, x->areas == 1 ? "" : "s");
	if (r->width >= LABEL_WIDTH && r->height >= LABEL_HEIGHT) {
		html_text(f, last_name(x->name));
		if (r->height >= SIZES_HEIGHT)
			fprintf(f, "<br><small>%s, %s on disk</small>", a, b);
	}
	fprintf(f, "</div>\n");
}

static void put_map(FILE *f, struct field *all, size_t n, bool stored)
{
	struct rectangle places[FIELDS_MAX];
	double sizes[FIELDS_MAX], sum = 0;

	qsort(all, n, sizeof(*all), stored ? stored_order : saved_order);
	for (size_t i = 0; i < n; i++)
		sum += sizes[i] = stored ? all[i].stored : all[i].saved;
	for (size_t i = 0; i < n; i++)
		sizes[i] = sizes[i] / sum * WIDTH * HEIGHT;
	layout(sizes, n, (struct rectangle){0, 0, WIDTH, HEIGHT}, places);
	fprintf(f, "<div class=\"map\">\n");
	for (size_t i = 0; i < n; i++)
		put_field(f, &all[i], &places[i]);
	fprintf(f, "</div>\n");
}

static void put_key(FILE *f)
{
	static const char *const kinds[][2] = {{"code", "programs and libraries"}, {"file", "other files"},
					       {"heap", "heap"},		   {"stack", "stack"},
					       {"anonymous", "anonymous"},	   {"shared", "shared"}};

	fprintf(f, "<p class=\"key\">");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		fprintf(f, "<span><i class=\"%s\"></i>%s</span>", kinds[i][0], kinds[i][1]);
	fprintf(f, "</p>\n");
}

void html_map(FILE *f, const struct process *p)
{
	struct field *all = calloc(p->nareas + 1, sizeof(*all));
	size_t n;

	if (!all)
		die("out of memory");
	n = fields_make(p, all);
	qsort(all, n, sizeof(*all), saved_order);
	n = fields_limit(all, n);
	if (n) {
		fprintf(f, "<div class=\"choice\"><input type=\"radio\" name=\"m%d\" id=\"m%d\" checked><label for=\"m%d\">in "
			   "memory</label><input type=\"radio\" name=\"m%d\" id=\"d%d\"><label for=\"d%d\">on disk</label>\n",
			p->rec.pid, p->rec.pid, p->rec.pid, p->rec.pid, p->rec.pid, p->rec.pid);
		put_map(f, all, n, false);
		put_map(f, all, n, true);
		fprintf(f, "</div>\n");
		put_key(f);
	}
	free(all);
}
