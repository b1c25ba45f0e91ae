/*
 * python.c: what the Python code of a process was doing, from CPython's structures in its memory. The memory may hold
 * anything: every read may fail, nothing of it is believed, and each list ends, be it a ring.
 *
 * Memory is read by a function of the caller's, so that an image serves as well as a fuzzer's bytes.
 */
#ifndef CKPT_INSPECT_PYTHON_H
#define CKPT_INSPECT_PYTHON_H

#include "core.h"

struct python_memory {
	/* How many of the n bytes at addr could be read. */
	size_t (*read)(void *arg, uint64_t addr, void *buf, size_t n);
	void *arg;
};

/* A variable and its value as repr(3) would have it, as far as that is short and simple. UTF-8. */
struct python_local {
	const char *name, *value;
};

struct python_frame {
	const char *file, *function; /* UTF-8, "?" when unreadable; function is the qualified name from 3.11 on */
	int line;		     /* 0: none, as of code that the compiler has added */
	struct python_local *locals;
	size_t nlocals;
};

struct python_thread {
	uint64_t id; /* pthread_self(), which is its fs_base */
	int64_t interpreter;
	struct python_frame *frames; /* innermost first */
	size_t nframes;
};

struct python_stacks {
	uint32_t version; /* as PY_VERSION_HEX, 0: unknown */
	const char *problem; /* why threads are missing, or not known; NULL: nothing is */
	struct python_thread *threads;
	size_t nthreads;
};

/*
 * Walk the interpreters from _PyRuntime, at address runtime, on. version: that of the symbol Py_Version, or of the
 * minor version only. Results are in arena; dies when there is no memory for them.
 */
void python_walk(const struct python_memory *m, struct arena *arena, uint64_t runtime, uint32_t version, bool locals,
		 struct python_stacks *to);

#endif
