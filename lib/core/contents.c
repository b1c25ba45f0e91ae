/*
 * The list of large files' content, and the directory beside the image in which that lies (contents.h).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include "contents.h"

/* ---- the list ---- */

/* Are these the pieces of a file: ascending, each inside of it? */
static bool pieces_fit(const struct contents_file *f, const struct contents_piece *p)
{
	uint64_t end = 0;

	for (uint64_t i = 0; i < f->npieces; i++) {
		if (p[i].offset % CONTENTS_PIECE || p[i].offset < end || p[i].len < 1 ||
		    p[i].len > CONTENTS_PIECE || p[i].offset > f->size || p[i].len > f->size - p[i].offset)
			return false;
		end = p[i].offset + p[i].len;
	}
	return true;
}

static bool file_fits(const struct contents_file *f, const struct contents_piece *p, uint64_t left)
{
	if (f->size > INT64_MAX || f->npieces > left)
		return false;
	if (f->how == CONTENTS_CLONE)
		return f->npieces == 0;
	return f->how == CONTENTS_PIECES && pieces_fit(f, p);
}

int contents_check(const void *data, size_t n)
{
	const struct contents_head *h = data;
	const struct contents_file *f = (const struct contents_file *)(h + 1);
	const struct contents_piece *p;
	uint64_t left;

	if (n < sizeof(*h))
		return -EBADMSG;
	if (h->version != CONTENTS_VERSION)
		return -ENOTSUP;
	n -= sizeof(*h);
	if (h->nfiles > n / sizeof(*f))
		return -EBADMSG;
	n -= h->nfiles * sizeof(*f);
	if (n % sizeof(*p) || h->npieces != n / sizeof(*p))
		return -EBADMSG;
	p = (const struct contents_piece *)(f + h->nfiles);
	left = h->npieces;
	for (uint32_t i = 0; i < h->nfiles; i++) {
		if (!file_fits(&f[i], p, left))
			return -EBADMSG;
		p += f[i].npieces;
		left -= f[i].npieces;
	}
	return left ? -EBADMSG : 0;
}

struct contents_iter contents_iter(const void *data)
{
	return (struct contents_iter){.head = data};
}

bool contents_next(struct contents_iter *it)
{
	const struct contents_file *files = (const struct contents_file *)(it->head + 1);

	if (it->next >= it->head->nfiles)
		return false;
	if (it->next == 0)
		it->pieces = (const struct contents_piece *)(files + it->head->nfiles);
	else
		it->pieces += it->file->npieces;
	it->file = &files[it->next++];
	return true;
}

int contents_read(struct image *img, uint32_t owner, const void **data, struct text *why)
{
	const struct image_section *s = image_find(img, SECTION_CONTENTS, owner);
	void *p;
	size_t n;
	int r;

	*data = NULL;
	if (!s)
		return 0;
	r = image_read_section(img, s, &p, &n, why);
	if (r < 0)
		return r;
	r = contents_check(p, n);
	if (r == 0)
		*data = p;
	else if (r == -ENOTSUP)
		text_put(why, "its list of files is of another version: made by another version of ckpt");
	else
		text_put(why, "damaged: list of files of process %u", owner);
	return r;
}

/*
 * A write within the clock's grain of the checkpoint leaves no other time than it found; file systems have
 * grains of up to two seconds.
 */
bool contents_unchanged(const struct contents_head *then, const struct contents_file *f,
			const struct contents_file *now)
{
	const int64_t grain_ns = 2000000000;

	return f->dev == now->dev && f->ino == now->ino && f->size == now->size &&
	       f->mtime_ns == now->mtime_ns && f->ctime_ns == now->ctime_ns &&
	       f->mtime_ns < then->created_ns - grain_ns && f->ctime_ns < then->created_ns - grain_ns;
}

/* ---- names ---- */

void contents_piece_name(const struct contents_piece *p, char name[CONTENTS_NAME_MAX])
{
	struct text t = {.buf = name, .cap = CONTENTS_NAME_MAX};

	name[0] = 0;
	text_put(&t, "%016lx%016lx", (unsigned long)p->hash.high, (unsigned long)p->hash.low);
}

void contents_clone_name(uint32_t object, char name[CONTENTS_NAME_MAX])
{
	struct text t = {.buf = name, .cap = CONTENTS_NAME_MAX};

	name[0] = 0;
	text_put(&t, "%u.clone", object);
}

/* ---- the directory ---- */

/* Unlink all that one getdents64(2) has told. */
static void unlink_listed(int dir, const char *list, long n)
{
	const struct sys_dirent *d;

	for (long at = 0; at < n; at += d->reclen) {
		d = (const struct sys_dirent *)(list + at);
		if (!str_eq(d->name, ".") && !str_eq(d->name, ".."))
			sys_call3(__NR_unlinkat, dir, d->name, 0);
	}
}

bool contents_private(const struct stat *st)
{
	return st->st_uid == (uint32_t)sys_call0(__NR_geteuid) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

bool contents_zero(const void *p, size_t n)
{
	const uint8_t *byte = p;

	return n == 0 || (byte[0] == 0 && __builtin_memcmp(byte, byte + 1, n - 1) == 0);
}

int contents_remove(int in, const char *name)
{
	enum { PASSES = 3 }; /* what is unlinked while it is listed may hide others */
	char list[4096];
	int r = -ENOTEMPTY;

	for (int i = 0; i < PASSES && r == -ENOTEMPTY; i++) {
		int dir = sys_openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		long n;

		if (dir < 0)
			return dir;
		while ((n = sys_getdents(dir, list, sizeof(list))) > 0)
			unlink_listed(dir, list, n);
		sys_close(dir);
		r = sys_call3(__NR_unlinkat, in, name, AT_REMOVEDIR);
	}
	return r;
}
