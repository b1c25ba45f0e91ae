/* shared_memory.c: what the processes of a job share during one checkpoint (shared.h), as made by us. */
#ifndef CKPT_SHARED_MEMORY_H
#define CKPT_SHARED_MEMORY_H

#include "shared.h"

struct shared_memory {
	struct shared_head *head; /* NULL: none; its head_len bytes are mapped */
	int fd;
};

/* For n processes, whose pid and parent are the caller's to fill in. 0 or -errno. */
int shared_memory_make(struct shared_memory *s, uint32_t n);
/* Wake all who wait in it: nothing comes of the checkpoint. */
void shared_memory_abort(struct shared_memory *s, int err);
void shared_memory_free(struct shared_memory *s);

#endif
