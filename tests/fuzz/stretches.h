/*
 * A memory of Python's as tests/fuzz/python_seeds has it: a version's minor number (1 byte), where _PyRuntime is (8), then
 * stretches of memory: address (8), length (2), bytes. Everything else can't be read.
 */
#ifndef CKPT_TEST_STRETCHES_H
#define CKPT_TEST_STRETCHES_H

#include <string.h>
#include "python.h"

enum { STRETCHES_HEAD = 9, STRETCH_HEAD = 10 };

struct stretches {
	const uint8_t *p, *end;
};

/* For struct python_memory: the first stretch that has addr. */
static inline size_t stretches_read(void *arg, uint64_t addr, void *buf, size_t n)
{
	const struct stretches *in = arg;
	uint64_t start;
	uint16_t len;

	for (const uint8_t *p = in->p; in->end - p >= STRETCH_HEAD; p += STRETCH_HEAD + len) {
		memcpy(&start, p, sizeof(start));
		memcpy(&len, p + sizeof(start), sizeof(len));
		if (in->end - p - STRETCH_HEAD < len)
			return 0;
		if (addr - start >= len)
			continue;
		n = n < len - (addr - start) ? n : len - (addr - start);
		memcpy(buf, p + STRETCH_HEAD + (addr - start), n);
		return n;
	}
	return 0;
}

/* data has at least STRETCHES_HEAD bytes. */
static inline void stretches_walk(const uint8_t *data, size_t n, struct arena *arena, struct python_stacks *found)
{
	struct stretches in = {data + STRETCHES_HEAD, data + n};
	struct python_memory m = {.read = stretches_read, .arg = &in};
	uint64_t runtime;

	memcpy(&runtime, data + 1, sizeof(runtime));
	python_walk(&m, arena, runtime, 3u << 24 | (uint32_t)data[0] << 16, true, found);
}

#endif
