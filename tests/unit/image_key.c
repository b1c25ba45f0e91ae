/*
 * Encrypted images: they open with their key and with no other, and nothing in them can be changed, moved or
 * exchanged by somebody without it, who can make every checksum right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sample.h"
#include "unit.h"

static const uint8_t master[IMAGE_KEY_BYTES] = "thirty-two bytes that are a key";

static int find(const struct image_keys *keys, const char *named, uint8_t *key, char *file, struct text *why)
{
	(void)why;
	memset(key, 0, IMAGE_KEY_BYTES);
	memcpy(key, keys->path, strlen(keys->path));
	str_copy(file, named, IMAGE_KEY_PATH_MAX);
	return 0;
}

static const struct image_keys right = {find, (const char *)master}, wrong = {find, "another"};

static int new_sealed(int level)
{
	int fd = memfd_create("image", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sample_write_sealed(fd, level, master), 0);
	return fd;
}

static void assert_refused_with(int fd, const struct image_keys *keys, int err, const char *word)
{
	char why[256] = "";
	struct text t = TEXT(why);
	int r = sample_read_sealed(fd, keys, &t);

	ck_assert_msg(r == err, "%s, not %s: %s", errno_name(r), errno_name(err), why);
	ck_assert_msg(strstr(why, word) != NULL, "no \"%s\" in \"%s\"", word, why);
}

/* A whole image in memory, and a file to put what was made of it. */
struct copy {
	uint8_t *data;
	size_t n;
	int fd;
};

static struct copy copy_of(int fd)
{
	struct copy c = {.n = lseek(fd, 0, SEEK_END), .fd = fd};

	c.data = malloc(c.n);
	ck_assert_int_eq(io_pread(fd, c.data, c.n, 0), 0);
	return c;
}

static struct image_trailer *trailer_of(const struct copy *c)
{
	return (struct image_trailer *)(c->data + c->n - sizeof(struct image_trailer));
}

static struct image_section *footer_of(const struct copy *c)
{
	return (struct image_section *)(c->data + trailer_of(c)->footer_offset);
}

/* Make every checksum right that can be without a key, and write the image. */
static void mend(struct copy *c)
{
	struct image_header *h = (struct image_header *)c->data;
	struct image_trailer *t = trailer_of(c);
	uint64_t n = t->nsections * sizeof(struct image_section);

	h->checksum = image_checksum(h, offsetof(struct image_header, checksum));
	if (t->footer_offset < c->n && n <= c->n - t->footer_offset) {
		struct image_section *s = footer_of(c);

		for (uint32_t i = 0; i < t->nsections; i++)
			if (s[i].offset < c->n && s[i].stored <= c->n - s[i].offset)
				s[i].checksum = image_checksum(c->data + s[i].offset, s[i].stored);
		t->footer_checksum = image_checksum(s, n);
	}
	t->checksum = image_checksum(t, offsetof(struct image_trailer, checksum));
	ck_assert_int_eq(io_pwrite(c->fd, c->data, c->n, 0), 0);
}

UNIT_TEST(sealed_image_comes_back)
{
	for (int level = 0; level < 2; level++) {
		int fd = new_sealed(level);
		static uint8_t in[IMAGE_STORED_MAX], out[IMAGE_CHUNK_MAX];
		size_t n = image_dctx_size();
		void *dctx = image_dctx(malloc(n), n);
		struct image img;

		ck_assert_int_eq(sample_read_sealed(fd, &right, NULL), 0);
		ck_assert_int_eq(image_open_sealed(&img, fd, &right, NULL), 0);
		ck_assert_str_eq(img.keyfile, "/key");
		for (uint32_t i = 0; i < SAMPLE_CHUNKS; i++) {
			ck_assert_int_eq(image_load_chunk(fd, &img.key, &img.chunks[i], dctx, in, out), 0);
			ck_assert_int_eq(image_chunk_is_plain(&img.key, &img.chunks[i]), level == 0);
			for (uint32_t b = 0; b < SAMPLE_CHUNK_SIZE; b++)
				ck_assert_uint_eq(out[b], sample_byte(i, b));
		}
		image_close(&img);
		ck_assert_uint_eq(img.key.on, 0);
	}
}

UNIT_TEST(sealed_image_shows_nothing)
{
	struct copy c = copy_of(new_sealed(0));
	uint8_t content[64];

	for (uint32_t i = 0; i < sizeof(content); i++)
		content[i] = sample_byte(1, i);
	ck_assert_ptr_null(memmem(c.data, c.n, content, sizeof(content)));
	ck_assert_ptr_null(memmem(c.data, c.n, "/tmp/log", 8));
	ck_assert_ptr_null(memmem(c.data, c.n, "node7", 5));
	ck_assert_ptr_null(memmem(c.data, c.n, master, 16));
	ck_assert_ptr_nonnull(memmem(c.data, c.n, "/key", 5));
}

UNIT_TEST(sealed_image_wants_its_key)
{
	int fd = new_sealed(1);

	assert_refused_with(fd, &wrong, -EKEYREJECTED, "the key in /key is not that of this image");
	assert_refused_with(fd, NULL, -ENOKEY, "encrypted");
	ck_assert_int_eq(sample_read_sealed(fd, &right, NULL), 0);
}

/* A plain image is what it was before there were keys. */
UNIT_TEST(plain_image_has_no_trace_of_keys)
{
	static const uint8_t zeros[32];
	int fd = memfd_create("image", 0);
	struct copy c;

	ck_assert_int_eq(sample_write(fd, 1), 0);
	c = copy_of(fd);
	ck_assert_uint_eq(((struct image_header *)c.data)->version, 2);
	ck_assert_mem_eq(c.data + 20, zeros, 4);
	ck_assert_mem_eq(c.data + 32, zeros, 24);
	ck_assert_mem_eq(trailer_of(&c)->mac, zeros, 16);
	ck_assert_uint_eq(trailer_of(&c)->nsections, SAMPLE_SECTIONS);
	ck_assert_int_eq(sample_read_sealed(fd, &right, NULL), 0);
}

/* Whoever can't seal can change no bit, though all checksums are right again. */
UNIT_TEST(sealed_image_rejects_a_flip_of_any_byte_with_checksums_mended)
{
	struct copy c = copy_of(new_sealed(0));
	uint8_t *was = malloc(c.n);

	ck_assert_uint_lt(c.n, 64 << 10);
	memcpy(was, c.data, c.n);
	for (size_t at = 0; at < c.n; at++) {
		/* the checksums themselves are mended, and with them the flip is gone */
		bool mended;

		c.data[at] ^= 1 << at % 8;
		mend(&c);
		mended = !memcmp(was, c.data, c.n);
		ck_assert_msg(mended || sample_read_sealed(c.fd, &right, NULL) < 0, "byte %zu of %zu", at, c.n);
		memcpy(c.data, was, c.n);
	}
	mend(&c);
	ck_assert_int_eq(sample_read_sealed(c.fd, &right, NULL), 0);
}

/* Two images of one key and layout: another generation's part is as good as a forged one. */
UNIT_TEST(sealed_image_rejects_parts_of_another_one)
{
	struct copy c = copy_of(new_sealed(0)), other = copy_of(new_sealed(0));
	uint8_t *was = malloc(c.n);
	struct image img;

	ck_assert_uint_eq(c.n, other.n);
	memcpy(was, c.data, c.n);
	ck_assert_int_eq(image_open_sealed(&img, c.fd, &right, NULL), 0);
	for (uint32_t i = 0; i < SAMPLE_CHUNKS; i++) {
		const struct image_chunk *k = &img.chunks[i];

		memcpy(c.data + k->offset, other.data + k->offset, k->stored);
		mend(&c);
		ck_assert_int_eq(sample_read_sealed(c.fd, &right, NULL), -EBADMSG);
		memcpy(c.data, was, c.n);
	}
	for (uint32_t i = 0; i < img.nsections; i++) {
		const struct image_section *s = &img.sections[i];

		if (s->type == SECTION_KEYFILE)
			continue;
		memcpy(c.data + s->offset, other.data + s->offset, s->stored);
		mend(&c);
		ck_assert_msg(sample_read_sealed(c.fd, &right, NULL) == -EBADMSG, "section %u", s->type);
		memcpy(c.data, was, c.n);
	}
	memcpy(c.data, other.data, sizeof(struct image_header));
	mend(&c);
	assert_refused_with(c.fd, &right, -EBADMSG, "not what was written with its key");
	image_close(&img);
}

UNIT_TEST(sealed_image_rejects_chunks_in_each_others_places)
{
	struct copy c = copy_of(new_sealed(0));
	struct image img;
	const struct image_chunk *k;
	uint8_t *swap;

	ck_assert_int_eq(image_open_sealed(&img, c.fd, &right, NULL), 0);
	k = img.chunks;
	ck_assert_uint_eq(k[0].stored, k[1].stored);
	swap = malloc(k[0].stored);
	memcpy(swap, c.data + k[0].offset, k[0].stored);
	memcpy(c.data + k[0].offset, c.data + k[1].offset, k[0].stored);
	memcpy(c.data + k[1].offset, swap, k[0].stored);
	mend(&c);
	assert_refused_with(c.fd, &right, -EBADMSG, "");
}

/* The flag that says "encrypted" taken away, or put on. */
UNIT_TEST(sealed_image_is_not_taken_for_a_plain_one)
{
	struct copy c = copy_of(new_sealed(1));
	struct image_header *h = (struct image_header *)c.data;
	int fd = memfd_create("image", 0);

	h->flags = 0;
	mend(&c);
	assert_refused_with(c.fd, &right, -EBADMSG, "damaged");
	h->version = 2;
	mend(&c);
	assert_refused_with(c.fd, &right, -EBADMSG, "damaged");
	ck_assert_int_eq(sample_write(fd, 1), 0);
	c = copy_of(fd);
	h = (struct image_header *)c.data;
	h->version = 3;
	h->flags = HEADER_ENCRYPTED;
	mend(&c);
	assert_refused_with(c.fd, &right, -EBADMSG, "damaged");
}

UNIT_TEST(writers_with_another_key_than_the_first_are_refused)
{
	struct shared_head *sh = sample_shared(2);
	struct image_writer a = {.fd = -1, .shared = sh}, b = a, c = a;
	uint8_t other[IMAGE_KEY_BYTES] = "another";

	ck_assert_int_eq(image_encrypt(&a, master, true), 0);
	ck_assert_int_eq(image_encrypt(&b, master, false), 0);
	ck_assert_mem_eq(&a.key, &b.key, sizeof(a.key));
	ck_assert_int_eq(image_encrypt(&c, other, false), -EKEYREJECTED);
}

/* ---- key files ---- */

/* What image_key_read() says of a file with that content. */
static int read_key_file(const void *content, size_t n, mode_t mode, uint8_t *key, char *why)
{
	char dir[UNIT_DIR_MAX], path[UNIT_DIR_MAX + 8];
	struct text t = {why, 0, 256};
	int fd, r;

	unit_dir(dir);
	snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, content, n), 0);
	fchmod(fd, mode);
	close(fd);
	r = image_key_read(path, key, &t);
	ck_assert_msg(r == 0 || strstr(why, path), "%s", why);
	unlink(path);
	return r;
}

UNIT_TEST(key_file_is_raw_hexadecimal_or_base64)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
	static const char base64[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
	uint8_t raw[IMAGE_KEY_BYTES], key[IMAGE_KEY_BYTES];
	char why[256] = "";

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = i;
	ck_assert_int_eq(read_key_file(raw, sizeof(raw), 0600, key, why), 0);
	ck_assert_mem_eq(key, raw, sizeof(raw));
	ck_assert_int_eq(read_key_file(hex, sizeof(hex) - 1, 0400, key, why), 0);
	ck_assert_mem_eq(key, raw, sizeof(raw));
	ck_assert_int_eq(read_key_file(base64, sizeof(base64) - 1, 0600, key, why), 0);
	ck_assert_mem_eq(key, raw, sizeof(raw));
}

UNIT_TEST(key_file_is_refused_by_name)
{
	uint8_t raw[IMAGE_KEY_BYTES + 1] = "x", key[IMAGE_KEY_BYTES];
	char why[256] = "";
	struct text t = TEXT(why);

	for (size_t n = 0; n <= sizeof(raw); n++)
		if (n != IMAGE_KEY_BYTES)
			ck_assert_int_eq(read_key_file(raw, n, 0600, key, why), -ENOKEY);
	ck_assert_ptr_nonnull(strstr(why, "has no key in it"));
	ck_assert_int_eq(read_key_file(raw, 32, 0640, key, why), -ENOKEY);
	ck_assert_ptr_nonnull(strstr(why, "open to others"));
	ck_assert_int_eq(read_key_file(raw, 32, 0604, key, why), -ENOKEY);
	ck_assert_int_eq(image_key_read("/dev/null", key, &t), -ENOKEY);
	ck_assert_int_eq(image_key_read("/no/such/key", key, &t), -ENOKEY);
	ck_assert_ptr_nonnull(strstr(why, "/no/such/key"));
}
