/*
 * The walker of CPython's structures on any memory: see stretches.h for the input.
 *
 * python_seeds holds what the walker has read, with locals, of a program that had a generator, a coroutine, an exec and
 * values of all types on its stack, for each version. tests/unit/python.c knows what is in there.
 */
#include <stdlib.h>
#include "stretches.h"

enum { INPUT_MAX = 256 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
	struct python_stacks found;
	struct arena arena = {0};

	if (n < STRETCHES_HEAD || n > INPUT_MAX)
		return 0;
	stretches_walk(data, n, &arena, &found);
	for (size_t i = 0; i < found.nthreads; i++)
		for (size_t j = 0; j < found.threads[i].nframes; j++)
			check_frame(&found.threads[i].frames[j]);
	arena_free(&arena);
	return 0;
}
