/*
 * The image reader on any file. Most inputs fail at a checksum, so the fuzzer's are made right
 * first where they stand in for header, footer and trailer: what is then refused is refused by a
 * check of its meaning.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "../unit/sample.h"

/* Sizes of input: more only takes longer. */
enum { INPUT_MAX = 256 << 10 };

static void mend_header(uint8_t *data)
{
	struct image_header h;

	memcpy(&h, data, sizeof(h));
	h.checksum = image_checksum(&h, offsetof(struct image_header, checksum));
	memcpy(data, &h, sizeof(h));
}

/* Checksums of the sections in the footer, as far as they lie in the file. */
static void mend_sections(uint8_t *data, size_t n, const struct image_trailer *t)
{
	for (uint32_t i = 0; i < t->nsections; i++) {
		uint8_t *at = data + t->footer_offset + i * sizeof(struct image_section);
		struct image_section s;

		memcpy(&s, at, sizeof(s));
		if (s.offset <= n && s.stored <= n - s.offset)
			s.checksum = image_checksum(data + s.offset, s.stored);
		memcpy(at, &s, sizeof(s));
	}
}

static void mend_trailer(uint8_t *data, size_t n)
{
	uint8_t *at = data + n - sizeof(struct image_trailer);
	struct image_trailer t;
	size_t footer;

	memcpy(&t, at, sizeof(t));
	footer = (size_t)t.nsections * sizeof(struct image_section);
	if (t.footer_offset <= n && footer <= n - t.footer_offset) {
		mend_sections(data, n, &t);
		t.footer_checksum = image_checksum(data + t.footer_offset, footer);
	}
	t.file_size = n;
	t.checksum = image_checksum(&t, offsetof(struct image_trailer, checksum));
	memcpy(at, &t, sizeof(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The last byte says whether checksums are mended. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	uint8_t *copy;
	char why[256];
	struct text t = TEXT(why);

	if (n == 0 || n > INPUT_MAX)
		return -1;
	if (fd < 0)
		fd = memfd_create("image", 0);
	copy = malloc(n);
	memcpy(copy, data, n);
	if (data[--n] != 'r' && n >= sizeof(struct image_header) + sizeof(struct image_trailer)) {
		mend_header(copy);
		mend_trailer(copy, n);
	}
	if (ftruncate(fd, 0) == 0 && io_pwrite(fd, copy, n, 0) == 0)
		sample_read(fd, &t);
	free(copy);
	return 0;
}
