/*
 * Lines of /proc/PID/maps:
 *
 *	7f3c18000000-7f3c18021000 rw-p 00000000 08:01 131 /path with blanks
 *
 * The text need not be terminated, and it may be anything: nothing is read at or behind its end.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "core.h"

/* What is left of one line; bad once something was missing. */
struct line {
	const char *p, *end;
	bool bad;
};

static bool is_digit(char c, bool hex)
{
	return (c >= '0' && c <= '9') || (hex && c >= 'a' && c <= 'f');
}

static uint64_t take_number(struct line *l, bool hex)
{
	const char *from = l->p;
	uint64_t v = 0;

	for (; l->p < l->end && is_digit(*l->p, hex); l->p++) {
		unsigned int d = *l->p <= '9' ? *l->p - '0' : *l->p - 'a' + 10;

		if (l->p - from >= (hex ? 16 : 19))
			l->bad = true;
		v = v * (hex ? 16 : 10) + d;
	}
	if (l->p == from)
		l->bad = true;
	return v;
}

static void take_char(struct line *l, char c)
{
	if (l->p < l->end && *l->p == c)
		l->p++;
	else
		l->bad = true;
}

/* One of the four letters: yes, or no. */
static bool take_flag(struct line *l, char yes, char no)
{
	bool set = l->p < l->end && *l->p == yes;

	take_char(l, set ? yes : no);
	return set;
}

static void take_blanks(struct line *l)
{
	while (l->p < l->end && *l->p == ' ')
		l->p++;
}

static void parse_line(struct line *l, struct map_line *m)
{
	unsigned int major_nr, minor_nr;

	m->start = take_number(l, true);
	take_char(l, '-');
	m->end = take_number(l, true);
	take_char(l, ' ');
	m->prot = take_flag(l, 'r', '-') ? PROT_READ : 0;
	m->prot |= take_flag(l, 'w', '-') ? PROT_WRITE : 0;
	m->prot |= take_flag(l, 'x', '-') ? PROT_EXEC : 0;
	m->shared = take_flag(l, 's', 'p');
	take_char(l, ' ');
	m->offset = take_number(l, true);
	take_char(l, ' ');
	major_nr = take_number(l, true);
	take_char(l, ':');
	minor_nr = take_number(l, true);
	m->dev = makedev(major_nr, minor_nr);
	take_char(l, ' ');
	m->ino = take_number(l, false);
	if (l->p < l->end)
		take_char(l, ' ');
	take_blanks(l);
	m->name = l->p < l->end ? l->p : "";
	m->name_len = l->end - l->p;
}

int maps_next(const char **p, const char *end, struct map_line *m)
{
	struct line l = {*p, *p, false};
	struct map_line found = {0};

	if (*p >= end)
		return 0;
	while (l.end < end && *l.end != '\n')
		l.end++;
	parse_line(&l, &found);
	if (l.bad || found.start >= found.end)
		return -EINVAL;
	*m = found;
	*p = l.end < end ? l.end + 1 : l.end;
	return 1;
}
