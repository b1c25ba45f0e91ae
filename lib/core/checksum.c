/*
 * XXH3, of checksums 64 bits: at the speed of memory, and any flipped bit shows.
 */
#define XXH_INLINE_ALL
#define XXH_NO_STDLIB
#include <xxhash.h>
#include "image.h"

enum { FILE_STEP = 16 << 10 };

uint64_t image_checksum(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

struct image_hash image_hash(const void *p, size_t n, uint64_t seed)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);

	return (struct image_hash){h.low64, h.high64};
}

int image_checksum_file(int fd, uint64_t off, uint64_t len, uint64_t *sum)
{
	uint8_t buf[FILE_STEP];
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		int r = io_pread(fd, buf, n, off);

		if (r < 0)
			return r;
		XXH3_64bits_update(&state, buf, n);
		off += n;
		len -= n;
	}
	*sum = XXH3_64bits_digest(&state);
	return 0;
}
