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
	const struct msg_params *params;
	struct contents *contents; /* contents.c; NULL: nothing of this process is beside the image */
	struct shared *shared;	   /* what the processes of the job share */
	struct blob ipc;	   /* ipc.c: SysV objects that this process knows */
	struct plugin_ctx *files;  /* descriptors.c, from descriptors_list() to descriptors_release() */
	int conn;		   /* our connection to the coordinator: not the program's */
	int nrefused;
	int err; /* first failure of our own, -errno */
};

/*
 * Say that this process can't be checkpointed: one clause that names the object, "fd 7
 * (anon_inode:[io_uring]): io_uring can't be restored". Sent to the coordinator at once.
 */
void save_refuse(struct save *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same of what will have passed in a moment: the coordinator tries again before it tells anybody. */
void save_refuse_for_now(struct save *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Memory for len bytes that become bytes [start, start + len) of stream; NULL: out of memory (s->err). */
void *save_piece(struct save *s, uint32_t stream, uint64_t start, uint64_t len);

/*
 * Id of the object with this identity, one for the job, 0 when there is no memory (s->err). True in
 * *is_new for one caller of all: then its record (REC_OBJECT) is made, and its content is the caller's to
 * add, whole: save_piece(s, STREAM_OBJECT + id, offset, len).
 */
uint32_t save_object(struct save *s, uint32_t kind, uint64_t dev, uint64_t ino, uint64_t size,
		     uint32_t mode, uint32_t seals, const char *name, bool *is_new);
/* Id of the object with this identity, 0: it is none. Behind SHARED_SAVED, and in the writer. */
uint32_t save_find_object(struct save *s, uint64_t dev, uint64_t ino);

/* ---- contents.c: content of large files, beside the image ---- */

/* Does content of so many bytes go beside the image, and not into it? */
bool contents_beside(const struct save *s, uint64_t size);
/*
 * Save what is in the file behind fd as that of object `object`. mapped: somebody may write to it by a mapping, which no time tells. A failure has been told (save_refuse()).
 */
void contents_save(struct save *s, uint32_t object, int fd, bool mapped, const char *name);
/* In the writer: make durable what is there anew. 0 or -errno. */
int contents_sync(struct save *s);
/* In the writer: the list, for the section of the image; *n is 0 when there is none. NULL: no memory. */
void *contents_list(struct save *s, int64_t created_ns, size_t *n);
void contents_figures(const struct save *s, uint64_t *bytes, uint64_t *fresh);
/* The checkpoint is off: remove what there is. */
void contents_drop(struct save *s);
void contents_free(struct save *s);

/* ---- descriptors.c: all open descriptors, by way of the plugins ---- */

/*
 * Find out which open files there are, and tell the other processes of the job. table: id of this process's
 * descriptor table (same.c).
 */
void descriptors_list(struct save *s, uint32_t table);
/* When all have: save those that are this process's to save. */
void descriptors_save(struct save *s);
/* A readable descriptor of the program's of this inode, -1: it has none. */
int descriptors_find(const struct save *s, uint64_t dev, uint64_t ino);
/* When all have, or the checkpoint is off: let go what saving has taken. */
void descriptors_release(struct save *s);
/*
 * In the restored process, all threads there and no descriptor left but the program's: fcntl(2) locks,
 * and, when all processes are there, threads as owners. Tells on log_fd what fails; -1: nowhere.
 */
void descriptors_restore_locks(int log_fd);
/* Items of epoll sets that only the process itself can add (plugin_keep_item()). */
void descriptors_restore_items(int log_fd);
void descriptors_restore_owners(int log_fd);

#endif
