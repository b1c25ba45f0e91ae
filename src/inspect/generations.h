/* generations.c: the images of a directory. */
#ifndef CKPT_INSPECT_GENERATIONS_H
#define CKPT_INSPECT_GENERATIONS_H

#include "inspect.h"

struct generation {
	const char *file; /* name in the directory */
	uint64_t bytes;
	const char *problem; /* why it is no good image; NULL: it is one, as far as its tables tell, and: */
	struct rec_job job;
	uint64_t created_ns;
	uint64_t beside; /* bytes of content of files beside it */
	uint32_t nprocesses;
};

/*
 * By job and generation; those that are no images come last. key as for report_load(). Dies when the directory
 * can't be read.
 */
struct generation *generations_read(const char *directory, const char *key, size_t *n);
void generations_text(const struct generation *g, size_t n);
void generations_json(const char *directory, const struct generation *g, size_t n);

#endif
