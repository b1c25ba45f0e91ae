#include <string.h>
#include "die.h"
#include "python_objects.h"

enum {
	TYPE_HEAP = 1 << 9,   /* Py_TPFLAGS_HEAPTYPE */
	STR_KIND = 0x1c,      /* bytes in a character */
	STR_KIND_SHIFT = 2,
	STR_IS_COMPACT = 0x20,
	STR_IS_ASCII = 0x40,
	STRING_MAX = 4096,
	UTF8_MAX = 4,	      /* bytes in a character */
};

void *python_need(struct python *py, size_t n)
{
	void *p = arena_alloc(py->arena, n);

	if (!p)
		die("out of memory");
	py->spent += n;
	return p;
}

bool python_read(const struct python *py, uint64_t addr, void *buf, size_t n)
{
	return addr && addr + n > addr && py->memory->read(py->memory->arg, addr, buf, n) == n;
}

uint64_t python_word(const struct python *py, uint64_t addr, enum python_field f)
{
	uint64_t w;

	return addr && python_read(py, addr + py->layout.at[f], &w, sizeof(w)) ? w : 0;
}

int32_t python_int(const struct python *py, uint64_t addr, enum python_field f)
{
	int32_t i;

	return addr && python_read(py, addr + py->layout.at[f], &i, sizeof(i)) ? i : 0;
}

uint8_t python_byte(const struct python *py, uint64_t addr, enum python_field f)
{
	uint8_t b;

	return addr && python_read(py, addr + py->layout.at[f], &b, sizeof(b)) ? b : 0;
}

uint64_t python_item(const struct python *py, uint64_t addr, uint64_t i)
{
	uint64_t w;

	return addr && python_read(py, addr + i * sizeof(w), &w, sizeof(w)) ? w : 0;
}

bool python_type(const struct python *py, uint64_t object, char *name, size_t cap)
{
	uint64_t type = python_word(py, object, PY_OBJECT_TYPE), at = python_word(py, type, PY_TYPE_NAME);
	size_t n = at ? py->memory->read(py->memory->arg, at, name, cap - 1) : 0;

	name[n] = 0;
	return n && !(python_word(py, type, PY_TYPE_FLAGS) & TYPE_HEAP);
}

/* ---- str ---- */

static uint64_t chars_at(const struct python *py, uint64_t str, uint32_t state)
{
	if (!(state & STR_IS_COMPACT)) /* of a subclass: a pointer follows what compact ones begin with */
		return python_item(py, str + py->layout.at[PY_STR_COMPACT], 0);
	return str + py->layout.at[state & STR_IS_ASCII ? PY_STR_ASCII : PY_STR_COMPACT];
}

int64_t python_chars(const struct python *py, uint64_t str, uint32_t *c, size_t cap)
{
	uint32_t state = (uint32_t)python_int(py, str, PY_STR_STATE);
	size_t kind = (state & STR_KIND) >> STR_KIND_SHIFT;
	int64_t length = (int64_t)python_word(py, str, PY_STR_LENGTH);
	size_t n = length < (int64_t)cap ? (size_t)length : cap;
	uint8_t bytes[STRING_MAX * 4];

	if (length < 0 || (kind != 1 && kind != 2 && kind != 4) || n > STRING_MAX)
		return -1;
	if (n && !python_read(py, chars_at(py, str, state), bytes, n * kind))
		return -1;
	for (size_t i = 0; i < n; i++) {
		c[i] = 0;
		memcpy(&c[i], bytes + i * kind, kind);
	}
	return length;
}

bool python_utf8(struct text *t, uint32_t c)
{
	char s[UTF8_MAX + 1] = {0};

	if ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		c = 0xfffd;
	if (c < 0x80) {
		s[0] = (char)c;
	} else if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
	} else {
		s[0] = (char)(0xf0 | c >> 18);
		s[1] = (char)(0x80 | (c >> 12 & 0x3f));
		s[2] = (char)(0x80 | (c >> 6 & 0x3f));
		s[3] = (char)(0x80 | (c & 0x3f));
	}
	if (t->len + str_len(s) >= t->cap)
		return false;
	text_put(t, "%s", s);
	return true;
}

const char *python_string(struct python *py, uint64_t str)
{
	uint32_t c[STRING_MAX];
	int64_t n = python_chars(py, str, c, STRING_MAX);
	size_t have = n < STRING_MAX ? (size_t)n : STRING_MAX;
	struct text t;

	if (n < 0)
		return "?";
	t = (struct text){.buf = python_need(py, have * UTF8_MAX + 1), .cap = have * UTF8_MAX + 1};
	for (size_t i = 0; i < have; i++)
		python_utf8(&t, c[i] ? c[i] : 0xfffd);
	return t.buf;
}

/* ---- containers ---- */

bool python_tuple(const struct python *py, uint64_t tuple, uint64_t *items, uint64_t *n)
{
	char name[8];

	if (!python_type(py, tuple, name, sizeof(name)) || !str_eq(name, "tuple"))
		return false;
	*items = tuple + py->layout.at[PY_TUPLE_ITEMS];
	*n = python_word(py, tuple, PY_OBJECT_SIZE);
	return true;
}

/* Entries are behind the table of indices, whose elements are as wide as its size needs. */
enum { KEYS_GENERAL = 0, KEYS_UNICODE = 1, ENTRY_HASHED = 24, ENTRY_UNICODE = 16 };

static uint64_t indices_size(const struct python *py, uint64_t keys)
{
	uint64_t n;

	if (py->layout.at[PY_KEYS_KIND]) {
		uint8_t log2 = python_byte(py, keys, PY_KEYS_SIZE);

		return log2 < 48 ? 1ull << log2 : 0;
	}
	n = python_word(py, keys, PY_KEYS_SIZE);
	return n > 1ull << 40 ? 0 : n <= 0xff ? n : n <= 0xffff ? 2 * n : n <= 0xffffffff ? 4 * n : 8 * n;
}

bool python_dict(const struct python *py, uint64_t dict, struct python_dict *to)
{
	uint64_t keys = python_word(py, dict, PY_DICT_KEYS);
	uint8_t kind = py->layout.at[PY_KEYS_KIND] ? python_byte(py, keys, PY_KEYS_KIND) : KEYS_GENERAL;
	char name[8];

	if (!python_type(py, dict, name, sizeof(name)) || !str_eq(name, "dict") || !keys ||
	    python_word(py, dict, PY_DICT_VALUES) || kind > KEYS_UNICODE)
		return false;
	*to = (struct python_dict){
		.entries = keys + py->layout.at[PY_KEYS_INDICES] + indices_size(py, keys),
		.nentries = python_word(py, keys, PY_KEYS_ENTRIES),
		.entry_size = kind == KEYS_UNICODE ? ENTRY_UNICODE : ENTRY_HASHED,
		.key_at = kind == KEYS_UNICODE ? 0 : sizeof(uint64_t),
	};
	return true;
}

bool python_dict_next(const struct python *py, struct python_dict *d, uint64_t *key, uint64_t *value)
{
	while (d->next < d->nentries) {
		uint64_t at = d->entries + d->next++ * d->entry_size, pair[2];

		if (!python_read(py, at + d->key_at, pair, sizeof(pair)))
			return false;
		*key = pair[0];
		*value = pair[1];
		if (*key && *value)
			return true;
	}
	return false;
}
