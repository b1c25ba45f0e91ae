/*
 * python_objects.c: reading Python's objects. What can't be read is 0, or as said.
 */
#ifndef CKPT_INSPECT_PYTHON_OBJECTS_H
#define CKPT_INSPECT_PYTHON_OBJECTS_H

#include "python_offsets.h"

struct python {
	const struct python_memory *memory;
	struct arena *arena;
	struct python_layout layout;
	size_t spent;	/* bytes of the arena */
	uint8_t *lines; /* PYTHON_LINES_MAX bytes for a code object's table of lines */
};

enum { PYTHON_LINES_MAX = 1 << 20 };

/* Of the arena; dies when there is no memory. */
void *python_need(struct python *py, size_t n);
bool python_read(const struct python *py, uint64_t addr, void *buf, size_t n);
/* A number of the object at addr, by field. */
uint64_t python_word(const struct python *py, uint64_t addr, enum python_field f);
int32_t python_int(const struct python *py, uint64_t addr, enum python_field f);
uint8_t python_byte(const struct python *py, uint64_t addr, enum python_field f);
/* Element i of an array of pointers at addr. */
uint64_t python_item(const struct python *py, uint64_t addr, uint64_t i);

/* The name of the object's type, terminated, "" when unreadable; false: of a class written in Python. */
bool python_type(const struct python *py, uint64_t object, char *name, size_t cap);

/* A str: up to cap characters are put to c; returns its length, which may be larger, or -1. */
int64_t python_chars(const struct python *py, uint64_t str, uint32_t *c, size_t cap);
/* Append the character as UTF-8, if it fits; surrogates are replaced. */
bool python_utf8(struct text *t, uint32_t c);
/* A str as UTF-8 of the arena, cut at some thousand characters; "?" when it is none. */
const char *python_string(struct python *py, uint64_t str);

/* Where the items of a tuple are, and their number; false: it is none. */
bool python_tuple(const struct python *py, uint64_t tuple, uint64_t *items, uint64_t *n);

/* The pairs of a dict in order; false: it is none, or one whose values are apart from its keys. */
struct python_dict {
	uint64_t entries, nentries, next;
	uint32_t entry_size, key_at;
};
bool python_dict(const struct python *py, uint64_t dict, struct python_dict *to);
bool python_dict_next(const struct python *py, struct python_dict *d, uint64_t *key, uint64_t *value);

/* Append what repr(3) says of the object, or the like. */
void python_repr(const struct python *py, uint64_t object, struct text *t);

#endif
