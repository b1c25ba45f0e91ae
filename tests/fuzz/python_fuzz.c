/*
 * The walker of CPython's structures on any memory. The input is a version's minor number, where _PyRuntime is, and stretches
 * of memory: address (8 bytes), length (2 bytes), bytes. Everything else can't be read.
 *
 * python_seeds holds what the walker has read, with locals, of a program that had a generator, a coroutine, an exec and values of
 * all types on its stack, for each version.
 */
#include <stdlib.h>
#include <string.h>
#include "python.h"

enum { HEAD = 9, STRETCH_HEAD = 10, INPUT_MAX = 256 << 10 };

struct input {
	const uint8_t *p, *end;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The first stretch that has addr. */
static size_t read_input(void *arg, uint64_t addr, void *buf, size_t n)
{
	const struct input *in = arg;
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

static void check_text(const char *s)
{
	if (!s || str_len(s) > 1 << 20)
		abort();
}

static void check_frame(const struct python_frame *f)
{
	check_text(f->file);
	check_text(f->function);
	if (f->line < 0)
		abort();
	for (size_t i = 0; i < f->nlocals; i++) {
		check_text(f->locals[i].name);
		check_text(f->locals[i].value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = {data + HEAD, data + n};
	struct python_memory m = {.read = read_input, .arg = &in};
	struct python_stacks found;
	struct arena arena = {0};
	uint64_t runtime;

	if (n < HEAD || n > INPUT_MAX)
		return 0;
	memcpy(&runtime, data + 1, sizeof(runtime));
	python_walk(&m, &arena, runtime, 3u << 24 | (uint32_t)data[0] << 16, true, &found);
	for (size_t i = 0; i < found.nthreads; i++)
		for (size_t j = 0; j < found.threads[i].nframes; j++)
			check_frame(&found.threads[i].frames[j]);
	arena_free(&arena);
	return 0;
}
