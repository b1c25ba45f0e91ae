/*
 * Inside of content beside the image: contents.c saves it in the pause, contents_writer.c makes it part of the
 * image.
 */
#ifndef CKPT_CONTENTS_PARTS_H
#define CKPT_CONTENTS_PARTS_H

#include "contents.h"
#include "preload.h"

enum { PATH_BYTES = CKPT_PATH_MAX + 64 };

struct contents {
	struct blob files;  /* struct contents_file[] */
	struct blob pieces; /* struct contents_piece[] */
	struct blob fresh;  /* char[CONTENTS_NAME_MAX][]: names of what was written anew */
	uint64_t bytes, fresh_bytes;
	uint64_t done, told;	   /* bytes looked at, and of which the coordinator knows */
	uint64_t seed;
	uint8_t *buf;		   /* CONTENTS_PIECE bytes */
	char dir[PATH_BYTES];
	char before[PATH_BYTES];   /* the directory of the generation before, "" when there is none */
	struct image image;	   /* that generation, */
	const void **lists;	   /* and the lists of its processes; NULL: one has none */
};

static inline void contents_path(char path[PATH_BYTES], const char *dir, const char *name)
{
	struct text t = {.buf = path, .cap = PATH_BYTES};

	text_put(&t, "%s/%s", dir, name);
}

#endif
