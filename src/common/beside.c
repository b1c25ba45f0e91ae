#define _GNU_SOURCE
#include "beside.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"

/* ---- opening ---- */

/* The directory beside the file that path leads to. */
static int dir_open(struct beside *b, const char *path)
{
	char real[PATH_MAX], *name;
	struct stat st;

	if (!realpath(path, real))
		return -errno;
	if (asprintf(&name, "%s" CONTENTS_SUFFIX, real) < 0)
		return -ENOMEM;
	b->name = name;
	b->fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->fd < 0)
		return -errno;
	if (fstat(b->fd, &st) == 0 && contents_private(&st))
		return 0;
	beside_close(b);
	return -EPERM;
}

int beside_open(struct beside *b, struct image *img, const char *path, struct text *why)
{
	bool any = false;

	*b = (struct beside){.fd = -1, .nlists = img->nprocesses};
	b->lists = calloc(img->nprocesses + 1, sizeof(*b->lists));
	if (!b->lists)
		return -ENOMEM;
	for (uint32_t i = 0; i < img->nprocesses; i++) {
		int err = contents_read(img, i, &b->lists[i], why);

		if (err < 0)
			return err;
		any |= b->lists[i] != NULL;
	}
	b->dir_err = any ? dir_open(b, path) : 0;
	return 0;
}

void beside_close(struct beside *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

uint64_t beside_bytes(const struct beside *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < b->nlists; i++) {
		struct contents_iter it = contents_iter(b->lists[i]);

		while (b->lists[i] && contents_next(&it))
			sum += it.file->bytes;
	}
	return sum;
}

struct beside_file beside_find(const struct beside *b, uint32_t object)
{
	for (uint32_t i = 0; i < b->nlists; i++) {
		struct contents_iter it = contents_iter(b->lists[i]);

		while (b->lists[i] && contents_next(&it))
			if (it.file->object == object)
				return (struct beside_file){it.head, it.file, it.pieces};
	}
	return (struct beside_file){0};
}

/* ---- reading ---- */

static int entry_open(const struct beside *b, const char *name, uint64_t size)
{
	int fd = openat(b->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;
	struct stat st;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) < 0 ? -errno : 0;
	if (!err && !S_ISREG(st.st_mode))
		err = -EBADMSG;
	if (!err && (uint64_t)st.st_size != size)
		err = -EBADMSG;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int beside_piece(const struct beside *b, uint64_t seed, const struct contents_piece *p, void *buf)
{
	char name[CONTENTS_NAME_MAX];
	struct image_hash h;
	int fd, err;

	contents_piece_name(p, name);
	fd = entry_open(b, name, p->len);
	if (fd < 0)
		return fd;
	err = io_pread(fd, buf, p->len, 0);
	close(fd);
	if (err < 0)
		return err;
	h = image_hash(buf, p->len, seed);
	return h.low == p->hash.low && h.high == p->hash.high ? 0 : -EBADMSG;
}

int beside_clone(const struct beside *b, const struct contents_file *f)
{
	char name[CONTENTS_NAME_MAX];

	contents_clone_name(f->object, name);
	return entry_open(b, name, f->size);
}

/* ---- verifying ---- */

struct verifier {
	const struct beside *b;
	void (*fn)(void *arg, const char *line);
	void *arg;
	uint64_t bad;
	void *buf;
};

static void tell(struct verifier *v, const char *name, int err)
{
	char line[PATH_MAX + 128];
	const char *slash = strrchr(v->b->name, '/');
	struct text t = TEXT(line);

	text_put(&t, "%s%s%s ", slash ? slash + 1 : v->b->name, *name ? "/" : "", name);
	if (err == -ENOENT)
		text_put(&t, "is missing: it belongs to the image");
	else if (err == -EBADMSG)
		text_put(&t, "is damaged: not what was written");
	else if (err == -EPERM)
		text_put(&t, "is another user's, or others may write to it");
	else
		text_put(&t, "can't be read: %s", strerror(-err));
	v->fn(v->arg, line);
	v->bad++;
}

static void verify_file(struct verifier *v, const struct contents_iter *it)
{
	char name[CONTENTS_NAME_MAX];
	int err;

	if (it->file->how == CONTENTS_CLONE) {
		err = beside_clone(v->b, it->file);
		contents_clone_name(it->file->object, name);
		if (err < 0)
			tell(v, name, err);
		else
			close(err);
		return;
	}
	for (uint64_t i = 0; i < it->file->npieces; i++) {
		err = beside_piece(v->b, it->head->seed, &it->pieces[i], v->buf);
		if (err < 0) {
			contents_piece_name(&it->pieces[i], name);
			tell(v, name, err);
		}
	}
}

uint64_t beside_verify(const struct beside *b, void (*fn)(void *arg, const char *line), void *arg)
{
	struct verifier v = {b, fn, arg, 0, NULL};

	if (b->dir_err) {
		tell(&v, "", b->dir_err);
		return v.bad;
	}
	v.buf = malloc(CONTENTS_PIECE);
	if (!v.buf)
		die("out of memory");
	for (uint32_t i = 0; i < b->nlists; i++) {
		struct contents_iter it = contents_iter(b->lists[i]);

		while (b->lists[i] && contents_next(&it))
			verify_file(&v, &it);
	}
	free(v.buf);
	return v.bad;
}
