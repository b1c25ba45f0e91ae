/* put_back.c: content of files from beside the image, put back. */
#ifndef CKPT_PUT_BACK_H
#define CKPT_PUT_BACK_H

#include <stdbool.h>
#include <sys/types.h>
#include "beside.h"

/* Write but for blocks of zeros, which stay holes. 0 or -errno. */
int write_sparse(int fd, const char *p, size_t n, off_t off);
/* Is there room for it where the file behind fd is, once that is empty? A clone takes none. 0, -ENOSPC or -errno. */
int contents_room(const struct beside_file *f, int fd);
/*
 * Make the empty file behind fd what it was; what is saved stays as it is, for other restarts. 0 or -errno.
 */
int contents_put(const struct beside *b, const struct beside_file *f, int fd);

#endif
