/*
 * Which image to restart. A file is that image. For a link to a generation, or a directory, it is the
 * newest complete one: when that is damaged, the one before it of the same job, and the user is told.
 *
 * The newest is the one with the highest number: files' times change when they are copied, and clocks are set
 * back. Of several jobs in a directory it is the one that has the image that was made last, as its header
 * says.
 *
 * An image can make us run anything as its owner, so one that others own or may write is refused.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "die.h"
#include "keys.h"
#include "restart.h"

/* ---- verification ---- */

struct verifier {
	const struct image *img;
	uint64_t next; /* chunk to be checked next; relaxed */
	int err;
};

static void *verify_some(void *arg)
{
	struct verifier *v = arg;
	void *buf = malloc(IMAGE_STORED_MAX);
	uint64_t i;

	if (!buf)
		v->err = -ENOMEM;
	while (!__atomic_load_n(&v->err, __ATOMIC_RELAXED) &&
	       (i = __atomic_fetch_add(&v->next, 1, __ATOMIC_RELAXED)) < v->img->nchunks) {
		int r = image_load_chunk(v->img->fd, &v->img->key, &v->img->chunks[i], NULL, buf, NULL);

		if (r < 0)
			__atomic_store_n(&v->err, r, __ATOMIC_RELAXED);
	}
	free(buf);
	return NULL;
}

int image_verify_all(struct image *img, struct text *why)
{
	struct verifier v = {.img = img};
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t t[8];
	int started = 0;

	for (; started < 8 && started < n - 1 && (uint64_t)started * 8 < img->nchunks; started++)
		if (pthread_create(&t[started], NULL, verify_some, &v))
			break;
	verify_some(&v);
	for (int i = 0; i < started; i++)
		pthread_join(t[i], NULL);
	for (uint32_t i = 0; i < img->nsections && !v.err; i++)
		v.err = image_verify_section(img, &img->sections[i]);
	if (v.err)
		text_put(why, "damaged: %s", v.err == -EBADMSG ? "a checksum does not match" : strerror(-v.err));
	return v.err;
}

/* The first line. */
static void tell_why(void *arg, const char *line)
{
	struct text *why = arg;

	if (!why->len)
		text_put(why, "%s", line);
}

/* Every byte of the image, and of what lies beside it. */
static int verify_all(struct restart *r, const char *path, struct text *why)
{
	int err = image_verify_all(&r->image, why);

	if (err)
		return err;
	err = beside_open(&r->beside, &r->image, path, why);
	if (!err && beside_verify(&r->beside, tell_why, why))
		err = -EBADMSG;
	if (err)
		beside_close(&r->beside);
	return err;
}

/* ---- one file ---- */

static int verify(struct restart *r, const char *path, struct text *why)
{
	int err = fault(FAULT_RESTART_CHOOSE);

	if (!err)
		return verify_all(r, path, why);
	text_put(why, "%s", strerror(-err));
	return err;
}

/* The key's file, for the checkpoints to come. A key that was asked for must have been of use. */
static int keyfile_take(struct restart *r, struct text *why)
{
	char *path;

	if (!r->image.keyfile) {
		if (r->opt.key)
			text_put(why, "not encrypted, but a key was given (--key)");
		return r->opt.key ? -EKEYREJECTED : 0;
	}
	path = realpath(r->image.keyfile, NULL);
	if (!path || !str_copy(r->keyfile, path, sizeof(r->keyfile)))
		text_put(why, "the name of the key file %s is too long", r->image.keyfile);
	free(path);
	return r->keyfile[0] ? 0 : -ENOKEY;
}

/* Open and verify. 0, or -errno with why filled. */
static int image_try(struct restart *r, const char *path, struct text *why)
{
	struct image_keys keys = keys_of(r->opt.key);
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0 || fstat(fd, &st) < 0) {
		text_put(why, "%s", strerror(errno));
		return -errno;
	}
	err = -EPERM;
	if (!S_ISREG(st.st_mode))
		text_put(why, "not a regular file");
	else if (st.st_uid != geteuid())
		text_put(why, "owned by another user (%u)", st.st_uid);
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		text_put(why, "writable by others (mode %u%u%u): chmod go-w first",
			 st.st_mode >> 6 & 7, st.st_mode >> 3 & 7, st.st_mode & 7);
	else
		err = image_open_sealed(&r->image, fd, &keys, why);
	if (err == 0) {
		err = keyfile_take(r, why);
		if (err == 0)
			err = verify(r, path, why);
		if (err == 0) {
			r->image_fd = fd;
			return 0;
		}
		image_close(&r->image);
	}
	close(fd);
	return err;
}

/* ---- generations ---- */

struct candidate {
	char name[256];
	size_t stem; /* length of the part of the name that all of the job have */
	uint64_t generation;
	uint64_t created_ns; /* 0: not known, the header is damaged */
};

struct candidates {
	struct candidate *c;
	size_t n;
};

/* "stem.00012.ckpt": length of "stem" and the number, 0 when the name is not of that form. */
static size_t name_stem(const char *name, uint64_t *generation)
{
	size_t n = strlen(name), d;
	const char *digits;

	if (n < 7 || strcmp(name + n - 5, ".ckpt"))
		return 0;
	for (d = n - 5; d > 0 && name[d - 1] >= '0' && name[d - 1] <= '9'; d--)
		;
	digits = name + d;
	*generation = parse_dec(&digits);
	return d < n - 5 && d > 1 && name[d - 1] == '.' ? d - 1 : 0;
}

static bool same_job(const struct candidate *a, const struct candidate *b)
{
	return a->stem == b->stem && !memcmp(a->name, b->name, a->stem);
}

static int newer_first(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	return a->generation < b->generation ? 1 : -(a->generation > b->generation);
}

static uint64_t created_ns(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t ns = fd < 0 ? 0 : image_created_ns(fd);

	if (fd >= 0)
		close(fd);
	return ns;
}

/* Keep those of the job that has made the newest of all. */
static void keep_one_job(struct candidates *l)
{
	struct candidate best = l->c[0];
	size_t kept = 0;

	for (size_t i = 1; i < l->n; i++)
		if (l->c[i].created_ns > best.created_ns)
			best = l->c[i];
	for (size_t i = 0; i < l->n; i++)
		if (same_job(&l->c[i], &best))
			l->c[kept++] = l->c[i];
	l->n = kept;
}

static void candidate_add(struct candidates *l, int dir, const struct candidate *c)
{
	struct stat st;

	if (fstatat(dir, c->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	l->c = realloc(l->c, (l->n + 1) * sizeof(*l->c));
	if (!l->c)
		die("out of memory");
	l->c[l->n] = *c;
	l->c[l->n++].created_ns = created_ns(dir, c->name);
}

/* Generations of one job in dir, newest first; of the one with this stem when it is given. */
static struct candidates candidates_find(const char *dir, const char *stem, size_t stem_len)
{
	struct candidates l = {0};
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		die("cannot open directory %s:", dir);
	while ((e = readdir(d))) {
		struct candidate c = {0};

		c.stem = name_stem(e->d_name, &c.generation);
		if (!c.stem || (stem && (c.stem != stem_len || memcmp(e->d_name, stem, stem_len))))
			continue;
		str_copy(c.name, e->d_name, sizeof(c.name));
		candidate_add(&l, dirfd(d), &c);
	}
	closedir(d);
	if (l.n) {
		keep_one_job(&l);
		qsort(l.c, l.n, sizeof(*l.c), newer_first);
	}
	return l;
}

static void choose_newest(struct restart *r, const char *dir, const char *stem, size_t stem_len)
{
	struct candidates l = candidates_find(dir, stem, stem_len);

	if (!l.n)
		die("no image in %s", dir);
	for (size_t i = 0; i < l.n; i++) {
		char buf[512];
		struct text why = TEXT(buf);
		int err;

		if (snprintf(r->path, sizeof(r->path), "%s/%s", dir, l.c[i].name) >= (int)sizeof(r->path))
			die("path too long: %s/%s", dir, l.c[i].name);
		err = image_try(r, r->path, &why);
		if (err == 0) {
			free(l.c);
			return;
		}
		if (err == -ENOKEY || err == -EKEYREJECTED) /* nothing is wrong with the image */
			die("%s: %s", r->path, buf);
		warn("%s: %s%s", r->path, buf, i + 1 < l.n ? "; trying the image before it" : "");
	}
	die("no usable image in %s", dir);
}

/* dir and stem of a link "dir/stem.ckpt" to "stem.NNNNN.ckpt" beside it. */
static bool choose_by_link(struct restart *r, const char *path)
{
	char target[CKPT_PATH_MAX], dir[CKPT_PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash = strrchr(path, '/');
	uint64_t generation;
	size_t stem;

	if (n < 0)
		return false;
	target[n] = 0;
	stem = name_stem(target, &generation);
	if (strchr(target, '/') || !stem)
		return false;
	str_copy(dir, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 2);
	choose_newest(r, dir[0] ? dir : "/", target, stem);
	return true;
}

void image_choose(struct restart *r)
{
	const char *path = r->opt.path;
	char buf[512];
	struct text why = TEXT(buf);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		choose_newest(r, path, NULL, 0);
		return;
	}
	if (choose_by_link(r, path))
		return;
	if (image_try(r, path, &why) < 0)
		die("%s: %s", path, buf);
	str_copy(r->path, path, sizeof(r->path));
}
