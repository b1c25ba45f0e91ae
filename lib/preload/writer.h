/* writer.c: writes the image, in the snapshot. */
#ifndef CKPT_WRITER_H
#define CKPT_WRITER_H

#include "preload.h"

/* Write the image and make it durable; tell the coordinator. Never returns an error to the program. */
void writer_run(struct snapshot *sn) HIDDEN;

#endif
