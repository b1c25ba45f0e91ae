/*
 * The columns are what tables/offsets.c prints for each version's headers. Fields are where they are in all releases of
 * a minor version, but for those of runtime and interpreters; from 3.13 on CPython has a table of its own at the
 * beginning of _PyRuntime, for debuggers, and what that has is believed.
 */
#include <string.h>
#include "python_offsets.h"

enum { FIRST_MINOR = 9, MINORS = 6, DEBUG_MINOR = 13 };

static const uint16_t offsets[PY_FIELDS][MINORS] = {
	/*			    3.9 3.10 3.11 3.12 3.13 3.14 */
	[PY_RUNTIME_INTERPRETERS] = {32, 32, 40, 40, 632, 808},
	[PY_INTERP_NEXT] = {0, 0, 0, 0, 7264, 7272},
	[PY_INTERP_ID] = {24, 24, 48, 8, 7272, 7280},
	[PY_INTERP_THREADS] = {8, 8, 16, 72, 7344, 7344},
	[PY_THREAD_NEXT] = {8, 8, 8, 8, 8, 8},
	[PY_THREAD_INTERP] = {16, 16, 16, 16, 16, 16},
	[PY_THREAD_ID] = {176, 176, 152, 136, 152, 152},
	[PY_THREAD_FRAME] = {24, 24, 56, 56, 72, 72},
	[PY_CFRAME_FRAME] = {0, 0, 8, 0, 0, 0},
	[PY_FRAME_CODE] = {32, 32, 32, 0, 0, 0},
	[PY_FRAME_PREVIOUS] = {24, 24, 48, 8, 8, 8},
	[PY_FRAME_INSTR] = {104, 96, 56, 56, 56, 56},
	[PY_FRAME_DICT] = {56, 56, 24, 40, 40, 40},
	[PY_FRAME_OWNER] = {0, 0, 69, 70, 70, 74},
	[PY_FRAME_LOCALSPLUS] = {360, 352, 72, 72, 72, 80},
	[PY_CODE_FILE] = {104, 104, 112, 112, 112, 112},
	[PY_CODE_NAME] = {112, 112, 128, 128, 128, 128},
	[PY_CODE_FLAGS] = {36, 36, 48, 48, 48, 48},
	[PY_CODE_FIRST_LINE] = {40, 40, 72, 68, 68, 68},
	[PY_CODE_LINES] = {120, 120, 136, 136, 136, 136},
	[PY_CODE_BYTES] = {0, 0, 184, 192, 200, 208},
	[PY_CODE_TRACEABLE] = {0, 0, 168, 176, 184, 192},
	[PY_CODE_LOCALS] = {72, 72, 96, 96, 96, 96},
	[PY_CODE_CELLS] = {88, 88, 0, 0, 0, 0},
	[PY_CODE_FREE] = {80, 80, 0, 0, 0, 0},
	[PY_CODE_KINDS] = {0, 0, 104, 104, 104, 104},
	[PY_OBJECT_TYPE] = {8, 8, 8, 8, 8, 8},
	[PY_OBJECT_SIZE] = {16, 16, 16, 16, 16, 16},
	[PY_TYPE_NAME] = {24, 24, 24, 24, 24, 24},
	[PY_TYPE_FLAGS] = {168, 168, 168, 168, 168, 168},
	[PY_TYPE_BASE] = {256, 256, 256, 256, 256, 256},
	[PY_TUPLE_ITEMS] = {24, 24, 24, 24, 24, 32},
	[PY_LIST_ITEMS] = {24, 24, 24, 24, 24, 24},
	[PY_FLOAT_VALUE] = {16, 16, 16, 16, 16, 16},
	[PY_INT_DIGITS] = {24, 24, 24, 24, 24, 24},
	[PY_BYTES_DATA] = {32, 32, 32, 32, 32, 32},
	[PY_CELL_VALUE] = {16, 16, 16, 16, 16, 16},
	[PY_STR_LENGTH] = {16, 16, 16, 16, 16, 16},
	[PY_STR_STATE] = {32, 32, 32, 32, 32, 32},
	[PY_STR_ASCII] = {48, 48, 48, 40, 40, 40},
	[PY_STR_COMPACT] = {72, 72, 72, 56, 56, 56},
	[PY_DICT_USED] = {16, 16, 16, 16, 16, 16},
	[PY_DICT_KEYS] = {32, 32, 32, 32, 32, 32},
	[PY_DICT_VALUES] = {40, 40, 40, 40, 40, 40},
	[PY_KEYS_SIZE] = {8, 8, 9, 9, 9, 9},
	[PY_KEYS_KIND] = {0, 0, 10, 10, 10, 10},
	[PY_KEYS_ENTRIES] = {32, 32, 24, 24, 24, 24},
	[PY_KEYS_INDICES] = {40, 40, 32, 32, 32, 32},
};

static const struct python_layout traits[MINORS] = {
	{.instr = PY_INSTR_BYTES, .lines = PY_LINES_LNOTAB},
	{.instr = PY_INSTR_UNITS, .lines = PY_LINES_LINETABLE},
	{.instr = PY_INSTR_POINTER, .lines = PY_LINES_LOCATIONS, .cframe = true},
	{.instr = PY_INSTR_POINTER, .lines = PY_LINES_LOCATIONS, .cframe = true, .no_frame = 3, .int_tag = true},
	{.instr = PY_INSTR_POINTER, .lines = PY_LINES_LOCATIONS, .no_frame = 3, .int_tag = true},
	{.instr = PY_INSTR_POINTER, .lines = PY_LINES_LOCATIONS, .no_frame = 3, .int_tag = true, .tagged = true},
};

/* ---- CPython's own table: struct _Py_DebugOffsets ---- */

#define DEBUG_COOKIE "xdebugpy"

enum { DEBUG_SIZE = 584, DEBUG_VERSION = 8, DEBUG_FREE_THREADED = 16 };

/* Where in it the fields' offsets are, in 3.13 and from 3.14 on. */
static const struct {
	uint8_t field;
	uint16_t at[2];
} debug_places[] = {
	{PY_RUNTIME_INTERPRETERS, {40, 40}},
	{PY_INTERP_NEXT, {64, 64}},
	{PY_INTERP_ID, {56, 56}},
	{PY_INTERP_THREADS, {72, 72}},
	{PY_THREAD_NEXT, {168, 192}},
	{PY_THREAD_INTERP, {176, 200}},
	{PY_THREAD_ID, {192, 216}},
	{PY_THREAD_FRAME, {184, 208}},
	{PY_FRAME_CODE, {240, 264}},
	{PY_FRAME_PREVIOUS, {232, 256}},
	{PY_FRAME_INSTR, {248, 272}},
	{PY_FRAME_OWNER, {264, 288}},
	{PY_FRAME_LOCALSPLUS, {256, 280}},
	{PY_CODE_FILE, {280, 320}},
	{PY_CODE_NAME, {296, 336}},
	{PY_CODE_FIRST_LINE, {312, 352}},
	{PY_CODE_LINES, {304, 344}},
	{PY_CODE_BYTES, {344, 384}},
	{PY_CODE_LOCALS, {328, 368}},
	{PY_CODE_KINDS, {336, 376}},
	{PY_TUPLE_ITEMS, {408, 456}},
	{PY_LIST_ITEMS, {432, 480}},
	{PY_FLOAT_VALUE, {480, 560}},
	{PY_INT_DIGITS, {504, 584}},
	{PY_BYTES_DATA, {528, 608}},
	{PY_STR_LENGTH, {552, 632}},
	{PY_STR_STATE, {544, 624}},
	{PY_STR_ASCII, {560, 640}},
};

static uint64_t word_of(const uint8_t *table, size_t at)
{
	uint64_t w;

	memcpy(&w, table + at, sizeof(w));
	return w;
}

static const char *debug_offsets(const uint8_t *table, unsigned minor, struct python_layout *to)
{
	if (word_of(table, DEBUG_FREE_THREADED))
		return "a build of CPython without the global lock is not supported";
	for (size_t i = 0; i < ARRAY_SIZE(debug_places); i++) {
		uint64_t w = word_of(table, debug_places[i].at[minor > DEBUG_MINOR]);

		if (w > UINT16_MAX)
			return "damaged: CPython's table of offsets";
		to->at[debug_places[i].field] = (uint16_t)w;
	}
	return NULL;
}

const char *python_layout(const struct python_memory *m, uint64_t runtime, uint32_t *version, struct python_layout *to)
{
	uint8_t table[DEBUG_SIZE + 256];
	size_t n = m->read(m->arg, runtime, table, sizeof(table));
	bool debug = n == sizeof(table) && !memcmp(table, DEBUG_COOKIE, str_len(DEBUG_COOKIE));
	unsigned minor;

	if (debug)
		*version = (uint32_t)word_of(table, DEBUG_VERSION);
	minor = *version >> 16 & 0xff;
	if (*version >> 24 != 3 || minor < FIRST_MINOR || minor >= FIRST_MINOR + MINORS)
		return "this version of CPython is not known";
	*to = traits[minor - FIRST_MINOR];
	for (size_t i = 0; i < PY_FIELDS; i++)
		to->at[i] = offsets[i][minor - FIRST_MINOR];
	if (minor < DEBUG_MINOR)
		return NULL;
	return debug ? debug_offsets(table, minor, to) : "CPython's table of offsets can't be read";
}
