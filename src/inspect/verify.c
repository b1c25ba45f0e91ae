/*
 * A look at every byte of the image, and of what lies beside it: sections and chunks against their checksums, and that chunks
 * decompress. What is damaged is told one by one.
 */
#include <stdlib.h>
#include "die.h"
#include "inspect.h"

struct verifier {
	void *dctx;
	uint8_t *in, *out; /* IMAGE_STORED_MAX, IMAGE_CHUNK_MAX */
};

static void *need(size_t n)
{
	void *p = malloc(n);

	if (!p)
		die("out of memory");
	return p;
}

static const char *reason(int err)
{
	return err == -EBADMSG ? "not what was written" : errno_name(err);
}

static void tell_beside(void *arg, const char *line)
{
	const struct report *r = arg;

	warn("%s: %s", r->path, line);
}

size_t report_verify(struct report *r)
{
	const struct image *img = &r->image;
	size_t n = image_dctx_size(), bad = 0;
	void *mem = need(n);
	struct verifier v = {
		.dctx = image_dctx(mem, n),
		.in = need(IMAGE_STORED_MAX),
		.out = need(IMAGE_CHUNK_MAX),
	};

	for (uint32_t i = 0; i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];
		int err = image_verify_section(img, s);

		if (err < 0) {
			warn("%s: damaged: section of type %u, %lu bytes at %lu: %s", r->path,
			     s->type, s->stored, s->offset, reason(err));
			bad++;
		}
	}
	for (uint64_t i = 0; i < img->nchunks; i++) {
		const struct image_chunk *c = &img->chunks[i];
		int err = image_load_chunk(img->fd, &img->key, c, v.dctx, v.in, v.out);

		if (err < 0) {
			warn("%s: damaged: chunk %lu, %u bytes at %lu: %s", r->path, i, c->stored,
			     c->offset, reason(err));
			bad++;
		}
	}
	bad += beside_verify(&r->beside, tell_beside, r);
	free(mem);
	free(v.in);
	free(v.out);
	r->verified = bad == 0;
	return bad;
}
