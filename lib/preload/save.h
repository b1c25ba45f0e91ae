/*
 * What a frozen process collects about itself. One struct save lives from freeze to thaw, and in the
 * snapshot writer's copy of it until the image is written. Everything here is frozen-safe.
 */
#ifndef CKPT_SAVE_H
#define CKPT_SAVE_H

#include "records.h"
#include "protocol.h"

/* Bytes copied in the pause, because the program goes on changing them. */
struct save_piece {
	struct save_piece *next;
	uint32_t stream; /* enum stream */
	uint64_t start;
	uint64_t len;
	uint8_t *data;
};

struct save {
	struct blob rec;	   /* records of this process */
	struct arena arena;	   /* everything else */
	struct save_piece *pieces; /* newest first */
	uint32_t nobjects;	   /* ids given out so far; the first is 1 */
	int conn;		   /* our connection to the coordinator: not the program's */
	int nrefused;
	int err; /* first failure of our own, -errno */
};

/*
 * Say that this process can't be checkpointed: one clause that names the object, "fd 7
 * (anon_inode:[io_uring]): io_uring can't be restored". Sent to the coordinator at once.
 */
void save_refuse(struct save *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Memory for len bytes that become bytes [start, start + len) of stream; NULL: out of memory (s->err). */
void *save_piece(struct save *s, uint32_t stream, uint64_t start, uint64_t len);

/*
 * Id of the object with this identity, made (REC_OBJECT) when it is not there yet: *is_new tells. Its
 * content is the caller's to add: save_piece(s, STREAM_OBJECT + id, offset, len).
 */
uint32_t save_object(struct save *s, uint32_t kind, uint64_t dev, uint64_t ino, uint64_t size,
		     uint32_t mode, uint32_t seals, const char *name, bool *is_new);

/* descriptors.c: all open descriptors, by way of the plugins. */
void descriptors_save(struct save *s);
/*
 * In the restored process, all threads there and no descriptor left but the program's: what can't be
 * done before, fcntl(2) locks and threads as owners. Tells on log_fd what fails; -1: nowhere.
 */
void descriptors_resume(int log_fd);

#endif
