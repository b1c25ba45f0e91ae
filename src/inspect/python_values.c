/*
 * Values of local variables, short: as repr(3) has those of the simple types; of long ones the beginning and how long
 * they are; of NumPy's arrays shape and type; of all others type and address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include "python_objects.h"

enum {
	DEPTH_MAX = 3,
	ITEMS_MAX = 8,
	CHARS_MAX = 80,
	NAME_MAX_LEN = 64,
	DIGITS_MAX = 16,     /* of 30 bits */
	DECIMALS_MAX = 160,
	AXES_MAX = 16,
	BASES_MAX = 8,
	ELLIPSIS = 0x2026,
};

struct value {
	const struct python *py;
	struct text *to;
	int depth;
};

static void put_value(const struct value *v, uint64_t object);

static void put_address(const struct value *v, const char *type, uint64_t object)
{
	text_put(v->to, "<%s at 0x%lx>", type, object);
}

/* ---- numbers ---- */

static void put_none(const struct value *v, uint64_t object)
{
	(void)object;
	text_put(v->to, "None");
}

static void put_ellipsis(const struct value *v, uint64_t object)
{
	(void)object;
	text_put(v->to, "Ellipsis");
}

/* Sign and number of digits. */
static uint64_t int_size(const struct python *py, uint64_t object, bool *negative)
{
	enum { SIGN = 3, NEGATIVE = 2, SIGN_BITS = 3 };
	uint64_t w = python_word(py, object, PY_OBJECT_SIZE);

	if (py->layout.int_tag) {
		*negative = (w & SIGN) == NEGATIVE;
		return w >> SIGN_BITS;
	}
	*negative = (int64_t)w < 0;
	return *negative ? 0 - w : w;
}

/* Divides the number by ten; the rest. */
static uint32_t divide_ten(uint32_t *digits, size_t n)
{
	uint64_t rest = 0;

	for (size_t i = n; i-- > 0;) {
		rest = rest << 30 | digits[i];
		digits[i] = (uint32_t)(rest / 10);
		rest %= 10;
	}
	return (uint32_t)rest;
}

static void put_int(const struct value *v, uint64_t object)
{
	char decimals[DECIMALS_MAX], *p = decimals + sizeof(decimals);
	uint32_t digits[DIGITS_MAX];
	bool negative;
	uint64_t n = int_size(v->py, object, &negative);

	if (n > DIGITS_MAX) {
		text_put(v->to, "<int of %lu bits at 0x%lx>", n * 30, object);
		return;
	}
	if (n && !python_read(v->py, object + v->py->layout.at[PY_INT_DIGITS], digits, n * sizeof(*digits))) {
		put_address(v, "int", object);
		return;
	}
	for (size_t i = 0; i < n; i++)
		digits[i] &= (1 << 30) - 1;
	*--p = 0;
	do
		*--p = (char)('0' + divide_ten(digits, n));
	while (n && p > decimals + 1 && (digits[n - 1] || --n));
	text_put(v->to, "%s%s", negative ? "-" : "", p);
}

static void put_bool(const struct value *v, uint64_t object)
{
	uint32_t digit = 0;
	bool negative;

	if (int_size(v->py, object, &negative))
		python_read(v->py, object + v->py->layout.at[PY_INT_DIGITS], &digit, sizeof(digit));
	text_put(v->to, digit ? "True" : "False");
}

/* The fewest digits that are this number again: with an exponent only where it is large or small, as Python does. */
static void put_double(struct text *to, double d)
{
	enum { PRECISION_MAX = 17, FIXED_BELOW = 16, FIXED_ABOVE = -5 };
	char s[64], *e;
	int precision = 0, exponent;

	if (isnan(d) || isinf(d)) {
		text_put(to, isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
		return;
	}
	do
		snprintf(s, sizeof(s), "%.*e", precision, d);
	while (strtod(s, NULL) != d && ++precision < PRECISION_MAX);
	e = strchr(s, 'e');
	exponent = e ? atoi(e + 1) : 0;
	if (exponent > FIXED_ABOVE && exponent < FIXED_BELOW)
		snprintf(s, sizeof(s), "%.*f", precision > exponent ? precision - exponent : 1, d);
	text_put(to, "%s", s);
}

static void put_float(const struct value *v, uint64_t object)
{
	uint64_t w = python_word(v->py, object, PY_FLOAT_VALUE);
	double d;

	memcpy(&d, &w, sizeof(d));
	put_double(v->to, d);
}

/* ---- text ---- */

static bool is_printable(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} not[] = {
		{0, 0x1f},	  {0x7f, 0xa0},	    {0xad, 0xad},     {0x600, 0x605},	{0x61c, 0x61c},
		{0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
		{0x3000, 0x3000}, {0xd800, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
		{0xe0000, 0xffffffff},
	};

	for (size_t i = 0; i < ARRAY_SIZE(not); i++)
		if (c >= not[i].from && c <= not[i].to)
			return false;
	return true;
}

static void put_char(struct text *to, uint32_t c, uint32_t quote)
{
	static const char escapes[][3] = {['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"};

	if (c == quote || c == '\\')
		text_put(to, "\\%c", (char)c);
	else if (c < ARRAY_SIZE(escapes) && escapes[c][0])
		text_put(to, "%s", escapes[c]);
	else if (is_printable(c))
		python_utf8(to, c);
	else if (c < 0x100)
		text_put(to, "\\x%02x", c);
	else if (c < 0x10000)
		text_put(to, "\\u%04x", c);
	else
		text_put(to, "\\U%08x", c);
}

/* Of a type. */
static void put_name(const struct value *v, const char *name)
{
	for (; *name; name++)
		put_char(v->to, (uint8_t)*name < 0x80 ? (uint8_t)*name : '?', 0);
}

static bool has(const uint32_t *c, size_t n, uint32_t wanted)
{
	for (size_t i = 0; i < n; i++)
		if (c[i] == wanted)
			return true;
	return false;
}

/* The first n of length characters; in bytes none but those of ASCII are characters. */
static void put_quoted(const struct value *v, const uint32_t *c, size_t n, uint64_t length, bool bytes)
{
	uint32_t quote = has(c, n, '\'') && !has(c, n, '"') ? '"' : '\'';

	text_put(v->to, "%s%c", bytes ? "b" : "", (char)quote);
	for (size_t i = 0; i < n; i++)
		if (bytes && c[i] > 0x7e)
			text_put(v->to, "\\x%02x", c[i]);
		else
			put_char(v->to, c[i], quote);
	text_put(v->to, "%c", (char)quote);
	if (n < length) {
		python_utf8(v->to, ELLIPSIS);
		text_put(v->to, " (%lu %s)", length, bytes ? "bytes" : "characters");
	}
}

static void put_str(const struct value *v, uint64_t object)
{
	uint32_t c[CHARS_MAX];
	int64_t n = python_chars(v->py, object, c, CHARS_MAX);

	if (n < 0)
		put_address(v, "str", object);
	else
		put_quoted(v, c, n < CHARS_MAX ? (size_t)n : CHARS_MAX, (uint64_t)n, false);
}

static void put_bytes(const struct value *v, uint64_t object)
{
	uint64_t length = python_word(v->py, object, PY_OBJECT_SIZE);
	size_t n = length < CHARS_MAX ? length : CHARS_MAX;
	uint8_t bytes[CHARS_MAX];
	uint32_t c[CHARS_MAX];

	if (n && !python_read(v->py, object + v->py->layout.at[PY_BYTES_DATA], bytes, n)) {
		put_address(v, "bytes", object);
		return;
	}
	for (size_t i = 0; i < n; i++)
		c[i] = bytes[i];
	put_quoted(v, c, n, length, true);
}

/* ---- containers ---- */

/* Where not all of n items are shown. */
static void put_more(const struct value *v, uint64_t n)
{
	if (v->depth < DEPTH_MAX)
		text_put(v->to, ", ");
	python_utf8(v->to, ELLIPSIS);
	text_put(v->to, " %lu item%s", n, n == 1 ? "" : "s");
}

static void put_items(const struct value *v, uint64_t items, uint64_t n, const char *brackets)
{
	struct value inner = {v->py, v->to, v->depth + 1};

	text_put(v->to, "%c", brackets[0]);
	for (uint64_t i = 0; i < n && i < ITEMS_MAX && inner.depth <= DEPTH_MAX; i++) {
		text_put(v->to, i ? ", " : "");
		put_value(&inner, python_item(v->py, items, i));
	}
	if (n > ITEMS_MAX || (n && inner.depth > DEPTH_MAX))
		put_more(v, n);
	text_put(v->to, "%s%c", n == 1 && brackets[0] == '(' && inner.depth <= DEPTH_MAX ? "," : "", brackets[1]);
}

static void put_tuple(const struct value *v, uint64_t object)
{
	put_items(v, object + v->py->layout.at[PY_TUPLE_ITEMS], python_word(v->py, object, PY_OBJECT_SIZE), "()");
}

static void put_list(const struct value *v, uint64_t object)
{
	put_items(v, python_word(v->py, object, PY_LIST_ITEMS), python_word(v->py, object, PY_OBJECT_SIZE), "[]");
}

static void put_dict(const struct value *v, uint64_t object)
{
	struct value inner = {v->py, v->to, v->depth + 1};
	uint64_t n = python_word(v->py, object, PY_DICT_USED), key, value;
	struct python_dict d;
	bool all = inner.depth <= DEPTH_MAX && python_dict(v->py, object, &d);

	text_put(v->to, "{");
	for (uint64_t i = 0; all && i < ITEMS_MAX && python_dict_next(v->py, &d, &key, &value); i++) {
		text_put(v->to, i ? ", " : "");
		put_value(&inner, key);
		text_put(v->to, ": ");
		put_value(&inner, value);
	}
	if (n && (n > ITEMS_MAX || !all))
		put_more(v, n);
	text_put(v->to, "}");
}

/* ---- NumPy ---- */

#define NDARRAY "numpy.ndarray"

/* numpy/ndarraytypes.h: of PyArrayObject_fields and PyArray_Descr. */
enum { ARRAY_NDIM = 24, ARRAY_SHAPE = 32, ARRAY_DESCR = 56, DESCR_TYPE = 16 };

static void put_array(const struct value *v, const char *class, uint64_t object)
{
	char name[NAME_MAX_LEN] = "";
	uint64_t shape = python_item(v->py, object + ARRAY_SHAPE, 0), descr = python_item(v->py, object + ARRAY_DESCR, 0);
	uint64_t type = python_item(v->py, descr + DESCR_TYPE, 0), at = python_word(v->py, type, PY_TYPE_NAME);
	uint32_t ndim = 0;
	const char *dot;

	python_read(v->py, object + ARRAY_NDIM, &ndim, sizeof(ndim));
	text_put(v->to, "<");
	put_name(v, class);
	text_put(v->to, " shape (");
	for (uint32_t i = 0; i < ndim && i < AXES_MAX; i++)
		text_put(v->to, i ? ", %lu" : "%lu", python_item(v->py, shape, i));
	name[at ? v->py->memory->read(v->py->memory->arg, at, name, sizeof(name) - 1) : 0] = 0;
	dot = strrchr(name, '.');
	text_put(v->to, "%s) dtype ", ndim == 1 ? "," : "");
	put_name(v, dot ? dot + 1 : name);
	text_put(v->to, " at 0x%lx>", object);
}

static void put_ndarray(const struct value *v, uint64_t object)
{
	put_array(v, NDARRAY, object);
}

/* numpy.memmap and other classes that are made of it in Python. */
static bool is_ndarray(const struct python *py, uint64_t object)
{
	uint64_t type = python_word(py, object, PY_OBJECT_TYPE);
	char name[sizeof(NDARRAY)];

	for (int i = 0; type && i < BASES_MAX; i++) {
		type = python_word(py, type, PY_TYPE_BASE);
		if (python_read(py, python_word(py, type, PY_TYPE_NAME), name, sizeof(name)) && !memcmp(name, NDARRAY, sizeof(name)))
			return true;
	}
	return false;
}

static void put_float64(const struct value *v, uint64_t object)
{
	text_put(v->to, "np.float64(");
	put_float(v, object);
	text_put(v->to, ")");
}

static void put_int64(const struct value *v, uint64_t object)
{
	int64_t i = (int64_t)python_word(v->py, object, PY_FLOAT_VALUE); /* the same place */

	text_put(v->to, "np.int64(%ld)", i);
}

/* ---- all types ---- */

static const struct {
	const char *name;
	void (*put)(const struct value *v, uint64_t object);
} types[] = {
	{"NoneType", put_none},
	{"bool", put_bool},
	{"bytes", put_bytes},
	{"dict", put_dict},
	{"ellipsis", put_ellipsis},
	{"float", put_float},
	{"int", put_int},
	{"list", put_list},
	{"numpy.float64", put_float64},
	{"numpy.int64", put_int64},
	{NDARRAY, put_ndarray},
	{"str", put_str},
	{"tuple", put_tuple},
};

static void put_other(const struct value *v, const char *name, uint64_t object)
{
	text_put(v->to, "<");
	put_name(v, *name ? name : "?");
	text_put(v->to, " at 0x%lx>", object);
}

static void put_value(const struct value *v, uint64_t object)
{
	char name[NAME_MAX_LEN];
	bool of_c;

	if (v->to->len + 1 >= v->to->cap)
		return;
	of_c = python_type(v->py, object, name, sizeof(name));

	for (size_t i = 0; of_c && i < ARRAY_SIZE(types); i++)
		if (str_eq(types[i].name, name)) {
			types[i].put(v, object);
			return;
		}
	if (!of_c && is_ndarray(v->py, object))
		put_array(v, name, object);
	else
		put_other(v, name, object);
}

void python_repr(const struct python *py, uint64_t object, struct text *t)
{
	struct value v = {py, t, 0};

	put_value(&v, object);
}
