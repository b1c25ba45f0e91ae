#define _GNU_SOURCE
#include "put_back.h"
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int write_sparse(int fd, const char *p, size_t n, off_t off)
{
	size_t at, len;
	int err = 0;

	for (at = 0; !err && at < n; at += len) {
		len = n - at < CKPT_PAGE ? n - at : CKPT_PAGE;
		if (!contents_zero(p + at, len))
			err = io_pwrite(fd, p + at, len, off + at);
	}
	return err;
}

static int pieces_put(const struct beside *b, const struct beside_file *f, int fd, void *buf)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < f->file->npieces; i++) {
		const struct contents_piece *p = &f->pieces[i];

		err = beside_piece(b, f->head->seed, p, buf);
		if (!err)
			err = write_sparse(fd, buf, p->len, p->offset);
	}
	return err;
}

/* A clone that can't be cloned back: on another file system now, as the image was moved. */
static int clone_copy(int from, int fd, uint64_t size, void *buf)
{
	off_t at = 0;
	int err = 0;

	while (!err && (uint64_t)at < size) {
		size_t n;

		at = lseek(from, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		n = size - at < CONTENTS_PIECE ? size - at : CONTENTS_PIECE;
		err = io_pread(from, buf, n, at);
		if (!err)
			err = write_sparse(fd, buf, n, at);
		at += n;
	}
	return err;
}

static int clone_put(const struct beside *b, const struct beside_file *f, int fd, void *buf)
{
	int from = beside_clone(b, f->file), err = 0;

	if (from < 0)
		return from;
	if (ioctl(fd, FICLONE, from) < 0)
		err = clone_copy(from, fd, f->file->size, buf);
	close(from);
	return err;
}

int contents_room(const struct beside_file *f, int fd)
{
	struct statvfs fs;
	struct stat st;

	if (fstatvfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (f->file->how == CONTENTS_CLONE || !fs.f_blocks) /* memory, or a file system that does not tell */
		return 0;
	return f->file->bytes > (geteuid() ? fs.f_bavail : fs.f_bfree) * fs.f_frsize + st.st_blocks * 512ull ? -ENOSPC : 0;
}

int contents_put(const struct beside *b, const struct beside_file *f, int fd)
{
	void *buf = malloc(CONTENTS_PIECE);
	int err;

	if (!buf)
		return -ENOMEM;
	err = f->file->how == CONTENTS_CLONE ? clone_put(b, f, fd, buf) : pieces_put(b, f, fd, buf);
	free(buf);
	return err;
}
