/*
 * What is kept in an image of how a regular file was used, which says how it comes back: plugins/regular.h has what is
 * done with each. Part of the format of images.
 */
#ifndef CKPT_FILE_USE_H
#define CKPT_FILE_USE_H

#include <stdint.h>

enum file_use { FILE_READ_ONLY, FILE_SEQUENTIAL, FILE_IN_PLACE, FILE_UNSAVED, FILE_DELETED };

/* Of plugin "regular"; stands among the records of locks. */
struct regular_state {
	uint32_t magic;
	uint32_t use; /* enum file_use */
};
enum { REGULAR_MAGIC = 0x47455246 };

#endif
