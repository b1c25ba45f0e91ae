/*
 * The image file. doc/IMAGE-FORMAT specifies it; this is the same in C.
 *
 *   header | chunks and sections in any order, without gaps | footer | trailer
 *
 * A chunk is up to IMAGE_CHUNK_MAX bytes of memory or file content, compressed on its own. A
 * section is a table or a stream of records (records.h). The footer lists the sections; the
 * trailer, at the very end, finds the footer. Every byte of the file is under a checksum (XXH3,
 * 64 bits, of the bytes as stored). Integers are little-endian, there are no pointers.
 */
#ifndef CKPT_IMAGE_H
#define CKPT_IMAGE_H

#include "core.h"
#include "shared.h"

#define IMAGE_MAGIC	    "CKPTIMG\n"
#define IMAGE_TRAILER_MAGIC "CKPTEND\n"

enum {
	IMAGE_VERSION = 2,
	IMAGE_MACHINE = 62, /* EM_X86_64 of <elf.h> */
	IMAGE_CHUNK_MAX = 1 << 20,
	IMAGE_SECTIONS_MAX = 1 << 16,
	IMAGE_SECTION_MAX = 1 << 30, /* raw bytes of a compressed section */
};

struct image_header {
	char magic[8];
	uint32_t version;
	uint16_t machine;
	uint16_t header_size; /* of this structure */
	uint32_t page_size;
	uint32_t reserved0;
	uint64_t created_ns; /* CLOCK_REALTIME at the freeze */
	uint64_t reserved[3];
	uint64_t checksum; /* of the bytes before this field */
};
_Static_assert(sizeof(struct image_header) == 64, "on disk");

enum section_type {
	SECTION_JOB = 1,     /* records: the job as a whole (REC_JOB) */
	SECTION_PROCESS = 2, /* records: one process; owner is its index, parents first */
	SECTION_EXTENTS = 3, /* struct image_extent[]: where the bytes of one process are */
	SECTION_CHUNKS = 4,  /* struct image_chunk[] that one process has written; `first` is the id of the first */
	SECTION_CONTENTS = 5, /* content beside the image that one process has saved (contents.h) */
};

enum section_flag {
	SECTION_REQUIRED = 1, /* a reader that does not know the type must refuse the image */
	SECTION_ZSTD = 2,     /* stored as one zstd frame */
};

struct image_section {
	uint32_t type;
	uint32_t flags;
	uint32_t owner; /* process index, or 0 */
	uint32_t first; /* SECTION_CHUNKS: ids of chunks go on from here; together they are 0, 1, … */
	uint64_t offset; /* in the file */
	uint64_t stored; /* bytes in the file */
	uint64_t raw;	 /* bytes once decompressed */
	uint64_t checksum;
};
_Static_assert(sizeof(struct image_section) == 48, "on disk");

struct image_chunk {
	uint64_t offset;
	uint32_t stored; /* equal to raw: not compressed */
	uint32_t raw;
	uint64_t checksum;
};
_Static_assert(sizeof(struct image_chunk) == 24, "on disk");

/* Which bytes an extent holds. Object streams (the content of a file) are STREAM_OBJECT + id. */
enum stream {
	STREAM_MEMORY = 0,	/* start is an address: contents that only the image has */
	STREAM_FILE_TEXT = 1,	/* start is an address: what a mapped file holds, needed when it changed */
	STREAM_OBJECT = 16,	/* start is an offset in object (stream - STREAM_OBJECT) */
};

struct image_extent {
	uint64_t start;
	uint32_t len;	       /* bytes, at most IMAGE_CHUNK_MAX */
	uint32_t chunk;	       /* its id; several processes may refer to one */
	uint32_t chunk_offset; /* in the chunk's raw bytes */
	uint32_t stream;
};
_Static_assert(sizeof(struct image_extent) == 24, "on disk");

struct image_trailer {
	uint64_t footer_offset;
	uint64_t footer_checksum;
	uint64_t file_size;
	uint32_t nsections; /* the footer is image_section[nsections] */
	uint32_t reserved0;
	uint64_t reserved[2];
	char magic[8];
	uint64_t checksum; /* of the bytes before this field */
};
_Static_assert(sizeof(struct image_trailer) == 64, "on disk");

/* XXH3 64-bit of n bytes. */
uint64_t image_checksum(const void *p, size_t n);
/* XXH3 128-bit, for the same content to be found: with a random seed nobody can make two that collide. */
struct image_hash {
	uint64_t low, high;
};
struct image_hash image_hash(const void *p, size_t n, uint64_t seed);
/* XXH3 64-bit of bytes [off, off + len) of a file: 0, or what io_pread() says. */
int image_checksum_file(int fd, uint64_t off, uint64_t len, uint64_t *sum);

/* ---- Writing (image_write.c): frozen-safe, any number of writers at a time ---------------- */

/*
 * An image being written, as one process sees it. What all writers share lies in `shared` (shared.h):
 * places in the file, ids of chunks and entries of the footer are taken by atomic adds, so writers
 * never wait for each other. The first error of any of them stays, and stops all.
 */
struct image_writer {
	int fd;
	int level; /* zstd level, 0: store as it is */
	struct shared_head *shared;
};

/* Scratch of one writer: compressor and output buffer. Released with the address space. */
struct image_scratch {
	void *cctx; /* ZSTD_CCtx, NULL at level 0 */
	uint8_t *out;
	size_t out_cap;
};

int image_scratch_init(struct image_scratch *s, int level, size_t raw_max);
/* Write the header at offset 0 and set the tail behind it: the first writer, before all others. */
int image_begin(struct image_writer *w, uint64_t created_ns);
/* Ids for n chunks, one behind the other, from *first on. */
int image_take_chunks(struct image_writer *w, uint32_t n, uint32_t *first);
/* Append raw[0..n) as a chunk and fill *c. n at most IMAGE_CHUNK_MAX. */
int image_put_chunk(struct image_writer *w, struct image_scratch *s, const void *raw, size_t n,
		    struct image_chunk *c);
int image_put_section(struct image_writer *w, uint32_t type, uint32_t flags, uint32_t owner,
		      const void *raw, size_t n);
/* The table of the chunks with ids from first on. */
int image_put_chunks(struct image_writer *w, uint32_t owner, uint32_t first,
		     const struct image_chunk *c, uint32_t n);
/* Write footer and trailer, when all other writers are done. The file is not yet synced. */
int image_end(struct image_writer *w);

/* ---- Reading (image_read.c): every number is checked before it is used -------------------- */

/* An open image. sections points into memory of the arena. */
struct image {
	int fd;
	uint64_t size;
	struct image_header header;
	struct image_section *sections;
	uint32_t nsections;
	uint32_t nprocesses;	    /* their indexes are the owners 0 to nprocesses - 1 */
	struct image_chunk *chunks; /* by id */
	uint64_t nchunks;
	struct arena arena;
};

/*
 * Open for reading: header, trailer, footer and chunk table are read and checked, the chunks
 * themselves are not (image_verify_chunk). On error fills why with one clause ("truncated: …") and
 * returns -errno: -ENOEXEC not an image, -EPROTONOSUPPORT version, -ENOTSUP architecture or an
 * unknown required section, -EBADMSG damaged. img is empty then. fd stays the caller's.
 */
int image_open(struct image *img, int fd, struct text *why);
void image_close(struct image *img); /* frees memory, does not close fd */
/* When the image was made (CLOCK_REALTIME), if its header is whole; else 0. The rest is not looked at. */
uint64_t image_created_ns(int fd);

/* First section of the type and owner, NULL when there is none. */
const struct image_section *image_find(const struct image *img, uint32_t type, uint32_t owner);
/* Read, check and decompress a section into *data (of img->arena), *n bytes. */
int image_read_section(struct image *img, const struct image_section *s, void **data, size_t *n,
		       struct text *why);
/* Compare the checksum of a section, of known type or not: 0, -EBADMSG or -errno. */
int image_verify_section(const struct image *img, const struct image_section *s);
/* buf holds IMAGE_CHUNK_MAX bytes. Reads the stored bytes and compares the checksum: 0, -EBADMSG. */
int image_verify_chunk(int fd, const struct image_chunk *c, void *buf);
/* Decompress a stored chunk (in[0..c->stored)) to out[0..c->raw); dctx: from image_dctx. */
int image_unpack(void *dctx, const struct image_chunk *c, const void *in, void *out);
/* Bytes that a decompressor needs, and one made in such memory. */
size_t image_dctx_size(void);
void *image_dctx(void *mem, size_t n);
/*
 * The extents of one process, *n of them: inside their chunks; no two of a stream overlap; those of
 * memory are whole pages.
 */
int image_extents(struct image *img, uint32_t owner, struct image_extent **e, size_t *n,
		  struct text *why);

#endif
