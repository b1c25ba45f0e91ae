/*
 * _PyRuntime -> interpreters -> threads -> frames -> code objects and variables. What a thread runs is where its state
 * says; a frame's file, function and line are its code object's.
 */
#include <string.h>
#include "python.h"
#include "python_lines.h"
#include "python_objects.h"

enum {
	LOCALS_MAX = 200,	/* of a frame */
	VALUE_MAX = 1000,	/* bytes, and: */
	ELLIPSIS_MAX = 4,
	RESULT_MAX = 64 << 20,	/* bytes of all that is found */
	ELLIPSIS = 0x2026,
	TAGS = 3,		/* bits of a reference in a frame that are none of its address */
	CODE_OPTIMIZED = 1,	/* of co_flags: variables are in the frame, not in a dict */
	LOCAL_HIDDEN = 0x10,	/* of co_localspluskinds */
	LOCAL_IS_CELL = 0xc0,
	NAME_CHARS = 256,
};

/* A list that comes back to where it was is found after at most three rounds (Brent). */
struct ring {
	uint64_t mark;
	size_t steps, limit;
};

static bool is_ring(struct ring *r, uint64_t addr)
{
	if (addr == r->mark)
		return true;
	if (r->steps++ == r->limit) {
		r->mark = addr;
		r->limit = 2 * r->limit + 1;
		r->steps = 0;
	}
	return false;
}

/* One more element of size bytes, zeroed, at the end of *array. */
static void *more(struct python *py, void *array, size_t *n, size_t size)
{
	char **base = array;

	if ((*n & (*n - 1)) == 0) { /* full at each power of two */
		char *grown = python_need(py, (*n ? *n * 2 : 1) * size);

		if (*n)
			memcpy(grown, *base, *n * size);
		*base = grown;
	}
	return *base + (*n)++ * size;
}

static bool is_full(const struct python *py)
{
	return py->spent > RESULT_MAX;
}

/* ---- variables ---- */

static void local_add(struct python *py, struct python_frame *f, const char *name, uint64_t value)
{
	struct python_local *l;
	char buf[VALUE_MAX] = "";
	struct text t = {.buf = buf, .cap = sizeof(buf) - ELLIPSIS_MAX};
	char *copy;

	if (f->nlocals == LOCALS_MAX || !value || is_full(py))
		return;
	python_repr(py, value, &t);
	if (t.len + 1 >= t.cap) {
		t.cap = sizeof(buf);
		python_utf8(&t, ELLIPSIS);
	}
	copy = python_need(py, t.len + 1);
	memcpy(copy, buf, t.len + 1);
	l = more(py, &f->locals, &f->nlocals, sizeof(*l));
	*l = (struct python_local){.name = name, .value = copy};
}

static uint64_t object_in(const struct python *py, uint64_t reference)
{
	return py->layout.tagged ? reference & ~(uint64_t)TAGS : reference;
}

static uint64_t cell_value(const struct python *py, uint64_t object)
{
	char name[8];

	if (python_type(py, object, name, sizeof(name)) && str_eq(name, "cell"))
		return python_word(py, object, PY_CELL_VALUE);
	return object;
}

/* Those whose names are in a tuple of the code, from the given place in the frame on; how many. */
static uint64_t locals_named(struct python *py, struct python_frame *f, uint64_t frame, uint64_t code,
			     enum python_field names, uint64_t first)
{
	uint64_t kinds = python_word(py, code, PY_CODE_KINDS), items, n;

	if (!python_tuple(py, python_word(py, code, names), &items, &n))
		return 0;
	for (uint64_t i = 0; i < n && i < LOCALS_MAX; i++) {
		uint64_t at = frame + py->layout.at[PY_FRAME_LOCALSPLUS];
		uint64_t object = object_in(py, python_item(py, at, first + i));
		uint8_t kind = names == PY_CODE_LOCALS ? 0 : LOCAL_IS_CELL;

		if (py->layout.at[PY_CODE_KINDS])
			python_read(py, kinds + py->layout.at[PY_BYTES_DATA] + i, &kind, 1);
		if (kind & LOCAL_HIDDEN)
			continue;
		if (kind & LOCAL_IS_CELL)
			object = cell_value(py, object);
		local_add(py, f, python_string(py, python_item(py, items, i)), object);
	}
	return n;
}

/* Of a module, a class, or code that was given a dict; not what the interpreter has put there. */
static void locals_in_dict(struct python *py, struct python_frame *f, uint64_t dict)
{
	uint64_t key, value;
	struct python_dict d;

	if (!python_dict(py, dict, &d))
		return;
	for (size_t i = 0; i < 4 * LOCALS_MAX && python_dict_next(py, &d, &key, &value); i++) {
		uint32_t c[NAME_CHARS];
		int64_t n = python_chars(py, key, c, NAME_CHARS);

		if (n <= 0 || n > NAME_CHARS || (n > 4 && c[0] == '_' && c[1] == '_' && c[n - 1] == '_' && c[n - 2] == '_'))
			continue;
		local_add(py, f, python_string(py, key), value);
	}
}

static void frame_locals(struct python *py, struct python_frame *f, uint64_t frame, uint64_t code)
{
	uint64_t n;

	if (!(python_int(py, code, PY_CODE_FLAGS) & CODE_OPTIMIZED)) {
		locals_in_dict(py, f, python_word(py, frame, PY_FRAME_DICT));
		return;
	}
	n = locals_named(py, f, frame, code, PY_CODE_LOCALS, 0);
	if (!py->layout.at[PY_CODE_CELLS])
		return;
	n += locals_named(py, f, frame, code, PY_CODE_CELLS, n);
	locals_named(py, f, frame, code, PY_CODE_FREE, n);
}

/* ---- frames ---- */

/* How far into its code the frame is, in bytes; negative: before its beginning. */
static int64_t frame_at(const struct python *py, uint64_t frame, uint64_t code)
{
	if (py->layout.instr == PY_INSTR_POINTER)
		return (int64_t)(python_word(py, frame, PY_FRAME_INSTR) - (code + py->layout.at[PY_CODE_BYTES]));
	return (int64_t)python_int(py, frame, PY_FRAME_INSTR) * (py->layout.instr == PY_INSTR_UNITS ? 2 : 1);
}

static int frame_line(struct python *py, uint64_t code, int64_t at)
{
	uint64_t lines = python_word(py, code, PY_CODE_LINES), n = python_word(py, lines, PY_OBJECT_SIZE);
	int first = python_int(py, code, PY_CODE_FIRST_LINE);

	if (at < 0)
		return first > 0 ? first : 0;
	if (n > PYTHON_LINES_MAX || (n && !python_read(py, lines + py->layout.at[PY_BYTES_DATA], py->lines, n)))
		return 0;
	return python_line(py->layout.lines, py->lines, n, first, at);
}

/* Is there Python code in it, which has begun? Others are between C and Python, or just being made. */
static bool is_complete(const struct python *py, uint64_t frame, uint64_t code, int64_t at)
{
	enum { OF_GENERATOR = 1 };
	uint8_t owner;

	if (py->layout.instr != PY_INSTR_POINTER)
		return true;
	owner = python_byte(py, frame, PY_FRAME_OWNER);
	if (py->layout.no_frame && owner >= py->layout.no_frame)
		return false;
	return owner == OF_GENERATOR || at >= 2 * (int64_t)python_int(py, code, PY_CODE_TRACEABLE);
}

static void frame_add(struct python *py, struct python_thread *t, uint64_t frame, bool locals)
{
	uint64_t code = object_in(py, python_word(py, frame, PY_FRAME_CODE));
	int64_t at = frame_at(py, frame, code);
	struct python_frame *f;

	if (!is_complete(py, frame, code, at))
		return;
	f = more(py, &t->frames, &t->nframes, sizeof(*f));
	*f = (struct python_frame){
		.file = python_string(py, python_word(py, code, PY_CODE_FILE)),
		.function = python_string(py, python_word(py, code, PY_CODE_NAME)),
		.line = frame_line(py, code, at),
	};
	if (locals)
		frame_locals(py, f, frame, code);
}

static void thread_frames(struct python *py, struct python_thread *t, uint64_t thread, bool locals)
{
	uint64_t frame = python_word(py, thread, PY_THREAD_FRAME);
	struct ring r = {0};

	if (py->layout.cframe)
		frame = python_word(py, frame, PY_CFRAME_FRAME);
	while (frame && !is_full(py) && !is_ring(&r, frame)) {
		frame_add(py, t, frame, locals);
		frame = python_word(py, frame, PY_FRAME_PREVIOUS);
	}
}

/* ---- threads ---- */

static const char *interpreter_threads(struct python *py, uint64_t interpreter, bool locals, struct python_stacks *to)
{
	uint64_t thread = python_word(py, interpreter, PY_INTERP_THREADS);
	struct ring r = {0};

	while (thread && !is_full(py) && !is_ring(&r, thread)) {
		struct python_thread *t;

		if (python_word(py, thread, PY_THREAD_INTERP) != interpreter)
			return "damaged: a thread of CPython is not its interpreter's";
		t = more(py, &to->threads, &to->nthreads, sizeof(*t));
		*t = (struct python_thread){
			.id = python_word(py, thread, PY_THREAD_ID),
			.interpreter = (int64_t)python_word(py, interpreter, PY_INTERP_ID),
		};
		thread_frames(py, t, thread, locals);
		thread = python_word(py, thread, PY_THREAD_NEXT);
	}
	return NULL;
}

void python_walk(const struct python_memory *m, struct arena *arena, uint64_t runtime, uint32_t version, bool locals,
		 struct python_stacks *to)
{
	struct python py = {.memory = m, .arena = arena};
	struct ring r = {0};
	uint64_t interpreter;

	*to = (struct python_stacks){.version = version};
	to->problem = python_layout(m, runtime, &to->version, &py.layout);
	if (to->problem)
		return;
	py.lines = python_need(&py, PYTHON_LINES_MAX);
	interpreter = python_word(&py, runtime, PY_RUNTIME_INTERPRETERS);
	while (interpreter && !is_ring(&r, interpreter)) {
		to->problem = interpreter_threads(&py, interpreter, locals, to);
		if (to->problem)
			return;
		interpreter = python_word(&py, interpreter, PY_INTERP_NEXT);
	}
	if (is_full(&py))
		to->problem = "there is more of it than is shown";
}
