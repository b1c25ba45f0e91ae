#include "python_lines.h"

/* Pairs of bytes: so far to the next instruction, whose line is so much higher. */
static int lnotab_line(const uint8_t *t, size_t n, int first, int64_t at)
{
	int64_t line = first, pos = 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		pos += t[i];
		if (pos > at)
			break;
		line += (int8_t)t[i + 1];
	}
	return (int)line;
}

/* Pairs of bytes: so many bytes of code have the line that is so much higher, or, with -128, have none. */
static int linetable_line(const uint8_t *t, size_t n, int first, int64_t at)
{
	enum { NO_LINE = -128 };
	int64_t line = first, pos = 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		int8_t delta = (int8_t)t[i + 1];

		pos += t[i];
		line += delta == NO_LINE ? 0 : delta;
		if (pos > at)
			return delta == NO_LINE ? 0 : (int)line;
	}
	return 0;
}

static int64_t signed_varint(const uint8_t *t, size_t n, size_t i)
{
	enum { MORE = 0x40, BITS = 6 };
	uint64_t v = 0;

	for (unsigned shift = 0; i < n && shift < 36; i++, shift += BITS) {
		v |= (uint64_t)(t[i] & (MORE - 1)) << shift;
		if (!(t[i] & MORE))
			break;
	}
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/* Entries, whose first byte alone has the highest bit: what follows, and for how many units of two bytes it holds. */
static int locations_line(const uint8_t *t, size_t n, int first, int64_t at)
{
	enum { FIRST = 0x80, ONE_LINE = 10, ONE_LINE_LAST = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
	int64_t line = first, pos = 0;

	for (size_t i = 0; i < n; i++) {
		int code = t[i] >> 3 & 15;

		if (!(t[i] & FIRST))
			continue;
		if (code >= ONE_LINE && code <= ONE_LINE_LAST)
			line += code - ONE_LINE;
		else if (code == NO_COLUMNS || code == LONG)
			line += signed_varint(t, n, i + 1);
		pos += ((t[i] & 7) + 1) * 2;
		if (pos > at)
			return code == NONE ? 0 : (int)line;
	}
	return 0;
}

int python_line(enum python_lines kind, const uint8_t *table, size_t n, int first_line, int64_t at)
{
	static int (*const readers[])(const uint8_t *t, size_t n, int first, int64_t at) = {
		[PY_LINES_LNOTAB] = lnotab_line,
		[PY_LINES_LINETABLE] = linetable_line,
		[PY_LINES_LOCATIONS] = locations_line,
	};
	int line = readers[kind](table, n, first_line, at);

	return line > 0 ? line : 0;
}
