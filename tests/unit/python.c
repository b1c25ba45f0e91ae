/*
 * Python stacks from memories of all versions that are known, of a program that was stopped in a function that a coroutine
 * had called by way of exec(), a generator and a closure: tests/fuzz/python_seeds.
 */
#include <stdio.h>
#include "../fuzz/stretches.h"
#include "python_lines.h"
#include "unit.h"

enum { SEED_MAX = 64 << 10 };

struct seed {
	uint8_t bytes[SEED_MAX];
	size_t n;
	struct arena arena;
	struct python_stacks found;
};

static struct seed *seed_walk(int minor)
{
	static struct seed s;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "tests/fuzz/python_seeds/3.%d", minor);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	s.n = fread(s.bytes, 1, SEED_MAX, f);
	fclose(f);
	ck_assert(s.n > STRETCHES_HEAD && s.n < SEED_MAX);
	stretches_walk(s.bytes, s.n, &s.arena, &s.found);
	return &s;
}

static const char *local(const struct python_frame *f, const char *name)
{
	for (size_t i = 0; i < f->nlocals; i++)
		if (str_eq(f->locals[i].name, name))
			return f->locals[i].value;
	ck_abort_msg("no %s in %s", name, f->function);
}

static void check_frames(const struct python_thread *t, bool qualified)
{
	static const struct {
		const char *name, *qualified;
		int line;
	} wanted[] = {
		{"save", "save", 24},	{"inner", "values.<locals>.inner", 17},
		{"values", "values", 18}, {"gen", "gen", 20},
		{"<module>", "<module>", 2}, {"coro", "coro", 22},
		{"<module>", "<module>", 26},
	};

	ck_assert_uint_eq(t->nframes, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < t->nframes; i++) {
		ck_assert_str_eq(t->frames[i].function, qualified ? wanted[i].qualified : wanted[i].name);
		ck_assert_int_eq(t->frames[i].line, wanted[i].line);
	}
	ck_assert_str_eq(t->frames[4].file, "<string>");
}

static void check_values(const struct python_frame *f)
{
	static const char *const wanted[][2] = {
		{"a", "-1"},
		{"b", "1180591620717411303424"},
		{"c", "True"},
		{"d", "None"},
		{"e", "0.1"},
		{"f", "1e+300"},
		{"g", "nan"},
		{"h", "\"it's\""},
		{"i", "'\u65e5\U0001f40d\u00e9'"},
		{"k", "b\"\\xff'\""},
		{"l", "(1, (2, [3, {\u2026 2 items}]))"},
		{"m", "{0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, \u2026 20 items}"},
		{"n", "[[[[\u2026 1 item]]]]"},
		{"p", "Ellipsis"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		ck_assert_str_eq(local(f, wanted[i][0]), wanted[i][1]);
	ck_assert(str_starts(local(f, "j"), "'xxxxxxxxxx") && str_ends(local(f, "j"), "x'\u2026 (100 characters)"));
	ck_assert(str_starts(local(f, "o"), "<Thing at 0x"));
}

UNIT_TEST(python_stacks_of_each_version)
{
	for (int minor = 9; minor <= 14; minor++) {
		struct seed *s = seed_walk(minor);
		const struct python_thread *t = s->found.threads;

		ck_assert_msg(!s->found.problem, "3.%d: %s", minor, s->found.problem);
		ck_assert_uint_eq(s->found.version >> 16, 3u << 8 | minor);
		ck_assert_uint_eq(s->found.nthreads, 1);
		check_frames(t, minor >= 11);
		ck_assert_str_eq(local(&t->frames[1], "a"), "-1"); /* from a cell */
		check_values(&t->frames[2]);
		ck_assert_str_eq(local(&t->frames[4], "z"), "1");
		arena_free(&s->arena);
	}
}

UNIT_TEST(python_versions_that_are_not_known_are_told)
{
	struct seed *s = seed_walk(11);

	for (int minor = 0; minor < 256; minor++) {
		s->bytes[0] = minor;
		stretches_walk(s->bytes, s->n, &s->arena, &s->found);
		ck_assert(minor == 11 ? !s->found.problem : minor < 9 || minor > 12 ? s->found.problem != NULL : true);
	}
	arena_free(&s->arena);
}

UNIT_TEST(python_lines_end_with_their_table)
{
	static const uint8_t none[] = {0xf8}, lines[] = {0x80, 0x00, 0xd8, 0x04, 0x04, 0xea, 0x02};

	for (int kind = PY_LINES_LNOTAB; kind <= PY_LINES_LOCATIONS; kind++)
		for (size_t n = 0; n <= sizeof(lines); n++)
			python_line(kind, lines, n, 7, 1000);
	ck_assert_int_eq(python_line(PY_LINES_LNOTAB, NULL, 0, 7, 0), 7);
	ck_assert_int_eq(python_line(PY_LINES_LINETABLE, NULL, 0, 7, 0), 0);
	ck_assert_int_eq(python_line(PY_LINES_LOCATIONS, none, sizeof(none), 7, 0), 0);
	ck_assert_int_eq(python_line(PY_LINES_LOCATIONS, lines, sizeof(lines), 7, 0), 7);
	ck_assert_int_eq(python_line(PY_LINES_LOCATIONS, lines, sizeof(lines), 7, 2), 8);
	ck_assert_int_eq(python_line(PY_LINES_LOCATIONS, lines, sizeof(lines), 7, 4), 9);
}
