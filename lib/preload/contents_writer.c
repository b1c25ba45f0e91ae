/*
 * Content beside the image, in the writer: made durable, and listed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include "contents_parts.h"
#include "fault.h"
#include "frozen.h"

/* Call fn with a descriptor of each thing that was written anew. */
static int fresh_each(struct contents *c, long (*fn)(int fd))
{
	char path[PATH_BYTES];
	long r = 0;

	for (size_t at = 0; r >= 0 && at < c->fresh.len; at += CONTENTS_NAME_MAX) {
		int fd;

		contents_path(path, c->dir, (const char *)c->fresh.data + at);
		fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
		if (fd < 0)
			return fd;
		r = fn(fd);
		sys_close(fd);
	}
	return r < 0 ? r : 0;
}

static long write_out(int fd)
{
	sys_call4(__NR_sync_file_range, fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fsync(2) tells errors */
	return 0;
}

static long sync_one(int fd)
{
	return sys_call1(__NR_fsync, fd);
}

/* All at first are on their way: the first fsync(2) then has the file system commit for nearly all. */
int contents_sync(struct save *s)
{
	int r = fault(FAULT_WRITER_CONTENTS);

	if (!s->contents)
		return r;
	if (r == 0)
		r = fresh_each(s->contents, write_out);
	return r < 0 ? r : fresh_each(s->contents, sync_one);
}

void *contents_list(struct save *s, int64_t created_ns, size_t *n)
{
	struct contents *c = s->contents;
	struct contents_head h = {.version = CONTENTS_VERSION, .created_ns = created_ns};
	struct blob all = {0};

	*n = 0;
	if (!c || !c->files.len)
		return NULL;
	h.nfiles = c->files.len / sizeof(struct contents_file);
	h.npieces = c->pieces.len / sizeof(struct contents_piece);
	h.seed = c->seed;
	blob_put(&all, &h, sizeof(h));
	blob_put(&all, c->files.data, c->files.len);
	blob_put(&all, c->pieces.data, c->pieces.len);
	*n = sizeof(h) + c->files.len + c->pieces.len;
	return all.err ? NULL : all.data;
}

void contents_figures(const struct save *s, uint64_t *bytes, uint64_t *fresh)
{
	*bytes = s->contents ? s->contents->bytes : 0;
	*fresh = s->contents ? s->contents->fresh_bytes : 0;
}
