/*
 * Reading one chunk. Needs nothing but the entry in the table, so the restorer can do it, too.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <errno.h>
#include "image.h"

size_t image_dctx_size(void)
{
	return ZSTD_estimateDCtxSize();
}

void *image_dctx(void *mem, size_t n)
{
	return ZSTD_initStaticDCtx(mem, n);
}

bool image_chunk_is_plain(const struct image_key *key, const struct image_chunk *c)
{
	return c->stored - image_seal_size(key) == c->raw;
}

/* Read the stored bytes, check them, and open the seal in place. */
static int chunk_read(int fd, const struct image_key *key, const struct image_chunk *c, uint8_t *buf)
{
	struct image_bound bound = {.offset = c->offset, .raw = c->raw};
	int r = io_pread(fd, buf, c->stored, c->offset);

	if (r < 0)
		return r;
	if (key->on)
		return image_unseal(key, &bound, buf, c->stored, buf + IMAGE_SEAL_FRONT);
	return image_checksum(buf, c->stored) == c->checksum ? 0 : -EBADMSG;
}

int image_load_chunk(int fd, const struct image_key *key, const struct image_chunk *c, void *dctx, void *buf,
		     void *out)
{
	const uint8_t *packed = (uint8_t *)buf + (key->on ? IMAGE_SEAL_FRONT : 0);
	uint32_t len = c->stored - image_seal_size(key);
	bool plain = image_chunk_is_plain(key, c);
	int r = chunk_read(fd, key, c, buf);

	if (r < 0)
		return r;
	if (!plain && ZSTD_getFrameContentSize(packed, len) != c->raw)
		return -EBADMSG;
	if (!out)
		return 0;
	if (plain) {
		__builtin_memcpy(out, packed, c->raw);
		return 0;
	}
	return ZSTD_decompressDCtx(dctx, out, c->raw, packed, len) == c->raw ? 0 : -EBADMSG;
}
