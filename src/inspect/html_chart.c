#include <string.h>
#include "html.h"
#include "units.h"

enum { BARS_MAX = 60, WIDTH = 360, HEIGHT = 150, TOP = 16, BOTTOM = 16, LEFT = 4, NUMBERS_MAX = 7, BAR_MAX = 40, GAP_FROM = 3 };

struct chart {
	const char *title;
	double (*value)(const struct generation *g);
	const char *(*show)(char buf[UNITS_MAX], double value);
};

static double bytes_of(const struct generation *g)
{
	return (double)(g->bytes + g->beside);
}

static double pause_of(const struct generation *g)
{
	return (double)g->job.pause_ns;
}

static const char *show_pause(char buf[UNITS_MAX], double value)
{
	return units_duration(buf, (uint64_t)value);
}

static void put_bar(FILE *f, const struct chart *c, const struct generation *g, bool this, double x, double width,
		    double height)
{
	char shown[UNITS_MAX], taken[UNITS_MAX];

	fprintf(f, "<rect%s x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>generation %lu, %s: %s</title></rect>\n",
		this ? " class=\"this\"" : "", x, TOP + (HEIGHT - TOP - BOTTOM) - height, width, height, g->job.generation,
		units_time(taken, g->created_ns), c->show(shown, c->value(g)));
}

/* The first and the last generation, or each of a few. */
static bool has_number(size_t i, size_t n)
{
	return n <= NUMBERS_MAX || i == 0 || i == n - 1;
}

static void put_chart(FILE *f, const struct chart *c, const struct generation *const *g, size_t n, uint64_t this)
{
	static const struct {
		const char *name;
		double at;
	} anchors[] = {{"start", 0}, {"middle", 0.5}, {"end", 1}};
	double most = 0, step = (double)(WIDTH - 2 * LEFT) / n, scale;
	char shown[UNITS_MAX];

	for (size_t i = 0; i < n; i++)
		most = c->value(g[i]) > most ? c->value(g[i]) : most;
	scale = most > 0 ? (HEIGHT - TOP - BOTTOM) / most : 0;
	fprintf(f, "<figure><figcaption>%s by generation (this one stands out)</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", c->title,
		WIDTH, HEIGHT, c->title);
	fprintf(f, "<line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/><text x=\"%d\" y=\"%d\">%s</text>\n", WIDTH, TOP, TOP, LEFT,
		TOP - 5, c->show(shown, most));
	for (size_t i = 0; i < n; i++) {
		double x = LEFT + i * step, wide = step > GAP_FROM ? step * 0.8 : step, width = wide < BAR_MAX ? wide : BAR_MAX;
		size_t where = n <= NUMBERS_MAX ? 1 : i ? 2 : 0;

		put_bar(f, c, g[i], g[i]->job.generation == this, x, width, c->value(g[i]) * scale);
		if (has_number(i, n))
			fprintf(f, "<text x=\"%.2f\" y=\"%d\" text-anchor=\"%s\">%lu</text>\n", x + anchors[where].at * width,
				HEIGHT - 4, anchors[where].name, g[i]->job.generation);
	}
	fprintf(f, "</svg></figure>\n");
}

void html_chart(FILE *f, const struct report *r, const struct generation *g, size_t n)
{
	static const struct chart charts[] = {
		{"Size on disk", bytes_of, units_bytes},
		{"Pause", pause_of, show_pause},
	};
	const struct generation *of_job[BARS_MAX];
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		if (g[i].problem || strcmp(g[i].job.job, r->job.job))
			continue;
		if (have == BARS_MAX)
			memmove(of_job, of_job + 1, --have * sizeof(*of_job));
		of_job[have++] = &g[i];
	}
	if (have < 2)
		return;
	fprintf(f, "<h2>Generations</h2>\n<div class=\"charts\">\n");
	for (size_t i = 0; i < ARRAY_SIZE(charts); i++)
		put_chart(f, &charts[i], of_job, have, r->job.generation);
	fprintf(f, "</div>\n");
}
