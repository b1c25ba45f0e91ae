/*
 * The image file. doc/IMAGE-FORMAT specifies it; this is the same in C.
 *
 *   header | chunks and sections in any order, without gaps | footer | trailer
 *
 * A chunk is up to IMAGE_CHUNK_MAX bytes of memory or file content, compressed on its own. A
 * section is a table or a stream of records (records.h). The footer lists the sections; the
 * trailer, at the very end, finds the footer. Every byte of the file is under a checksum (XXH3,
 * 64 bits, of the bytes as stored). Integers are little-endian, there are no pointers.
 *
 * In an encrypted image each chunk and section is sealed on its own (image_key.c); header, footer and
 * trailer stay in the clear, and are authenticated.
 */
#ifndef CKPT_IMAGE_H
#define CKPT_IMAGE_H

#include "core.h"
#include "shared.h"

#define IMAGE_MAGIC	    "CKPTIMG\n"
#define IMAGE_TRAILER_MAGIC "CKPTEND\n"

enum {
	IMAGE_VERSION = 2,
	IMAGE_VERSION_FLAGS = 3, /* the same, with flags that a reader must know */
	IMAGE_MACHINE = 62, /* EM_X86_64 of <elf.h> */
	IMAGE_CHUNK_MAX = 1 << 20,
	IMAGE_SECTIONS_MAX = 1 << 16,
	IMAGE_SECTION_MAX = 1 << 30, /* raw bytes of a compressed section */
	IMAGE_KEY_BYTES = 32,
	IMAGE_SALT_BYTES = 16,
	IMAGE_SEAL = 41,	/* bytes that sealing adds; */
	IMAGE_SEAL_FRONT = 25,	/* of these before what is sealed, the others behind it */
	IMAGE_KEY_PATH_MAX = 4096,
	IMAGE_STORED_MAX = IMAGE_CHUNK_MAX + 64, /* a sealed chunk, rounded up */
};

enum header_flag {
	HEADER_ENCRYPTED = 1,
};

struct image_header {
	char magic[8];
	uint32_t version;
	uint16_t machine;
	uint16_t header_size; /* of this structure */
	uint32_t page_size;
	uint32_t flags;	     /* enum header_flag; 0 in version 2 */
	uint64_t created_ns; /* CLOCK_REALTIME at the freeze */
	uint8_t salt[IMAGE_SALT_BYTES]; /* encrypted: random; */
	uint8_t key_check[8]; /* derived from key and salt, to tell a wrong key */
	uint64_t checksum; /* of the bytes before this field */
};
_Static_assert(sizeof(struct image_header) == 64, "on disk");

enum section_type {
	SECTION_JOB = 1,     /* records: the job as a whole (REC_JOB) */
	SECTION_PROCESS = 2, /* records: one process; owner is its index, parents first */
	SECTION_EXTENTS = 3, /* struct image_extent[]: where the bytes of one process are */
	SECTION_CHUNKS = 4,  /* struct image_chunk[] that one process has written; `first` is the id of the first */
	SECTION_CONTENTS = 5, /* content beside the image that one process has saved (contents.h) */
	SECTION_KEYFILE = 6, /* text: path of the key file, in the clear; encrypted images only */
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
	uint32_t stored; /* equal to raw, or to raw + IMAGE_SEAL if encrypted: not compressed */
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
	uint8_t mac[16]; /* encrypted: of header, footer and trailer, this as 0, up to here */
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

/* ---- Keys and seals (image_key.c): frozen-safe, without libc ------------------------------- */

/* The keys of one image. All zeros: it is not encrypted. */
struct image_key {
	uint8_t seal[IMAGE_KEY_BYTES]; /* of chunks and sections */
	uint8_t mac[IMAGE_KEY_BYTES];  /* of what is in the clear */
	uint8_t check[8];
	uint32_t on;
	uint32_t reserved;
};

/* Bytes that sealing adds. */
static inline uint32_t image_seal_size(const struct image_key *k)
{
	return k->on ? IMAGE_SEAL : 0;
}

/* What a sealed part is bound to; type 0: a chunk, which has the fields from offset on only. */
struct image_bound {
	uint32_t type, flags, owner, first;
	uint64_t offset, raw;
};
_Static_assert(sizeof(struct image_bound) == 32, "authenticated");

/*
 * Read the key in a file: 32 bytes, raw or in hexadecimal or base64, in a regular file of the effective user's
 * that is closed to all others. 0; or -ENOKEY with one clause in why that names the file. master is the
 * caller's to wipe.
 */
int image_key_read(const char *path, uint8_t *master, struct text *why);
void image_key_derive(struct image_key *k, const uint8_t *master, const uint8_t *salt);
/* Overwrite a key; the compiler can't leave this out. */
void image_key_wipe(void *key, size_t n);
/* Choose the fastest code for this CPU; image_key_derive() does it too. */
void image_crypto_init(void);
/* Seal in[0..n) to out[0..n + IMAGE_SEAL). in may be out + IMAGE_SEAL_FRONT. */
void image_seal(const struct image_key *k, const struct image_bound *bound, const void *in, size_t n, void *out);
/* Open in[0..n) to out[0..n - IMAGE_SEAL), which may be in + IMAGE_SEAL_FRONT: 0, or -EBADMSG. */
int image_unseal(const struct image_key *k, const struct image_bound *bound, const void *in, size_t n, void *out);
/* The 16 bytes for trailer.mac; n: bytes of the footer. */
void image_mac(const struct image_key *k, const struct image_header *h, const void *footer, size_t n,
	       const struct image_trailer *t, uint8_t *mac);
bool image_mac_same(const uint8_t *a, const uint8_t *b);

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
	struct image_key key;	    /* image_encrypt() */
	struct image_header header; /* as image_begin() has written it, for image_end() */
};

/* Scratch of one writer: compressor and output buffer. Released with the address space. */
struct image_scratch {
	void *cctx; /* ZSTD_CCtx, NULL at level 0 */
	uint8_t *out; /* NULL: none */
	size_t out_cap; /* of compressed bytes, with room for a seal around them */
};

int image_scratch_init(struct image_scratch *s, int level, size_t raw_max);
/*
 * Encrypt what is written from now on. The first writer, before image_begin(), makes the salt; the others
 * take it from `shared`. -EKEYREJECTED: the first one's key is another.
 */
int image_encrypt(struct image_writer *w, const uint8_t *master, bool first);
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
	struct image_key key; /* all zeros: it is not encrypted */
	const char *keyfile;  /* where the key was, NULL: it is not encrypted */
	struct arena arena;
};

/* Where the key of an encrypted image comes from. */
struct image_keys {
	/*
	 * named: path of the key file as the image has it, "" when it has none. Fills master, and file with
	 * the path of what it has read: 0; or -errno with why filled.
	 */
	int (*find)(const struct image_keys *keys, const char *named, uint8_t master[IMAGE_KEY_BYTES],
		    char file[IMAGE_KEY_PATH_MAX], struct text *why);
	const char *path; /* for find() */
};

/*
 * Open for reading: header, trailer, footer and chunk table are read and checked, the chunks
 * themselves are not (image_load_chunk). On error fills why with one clause ("truncated: …") and
 * returns -errno: -ENOEXEC not an image, -EPROTONOSUPPORT version, -ENOTSUP architecture or an
 * unknown required section, -EBADMSG damaged, -ENOKEY encrypted and the key can't be had, -EKEYREJECTED it is
 * another one. img is empty then. fd stays the caller's. keys NULL: no encrypted ones.
 */
int image_open_sealed(struct image *img, int fd, const struct image_keys *keys, struct text *why);
static inline int image_open(struct image *img, int fd, struct text *why)
{
	return image_open_sealed(img, fd, NULL, why);
}
void image_close(struct image *img); /* frees memory, wipes the key, does not close fd */
/* When the image was made (CLOCK_REALTIME), if its header is whole; else 0. The rest is not looked at. */
uint64_t image_created_ns(int fd);

/* First section of the type and owner, NULL when there is none. */
const struct image_section *image_find(const struct image *img, uint32_t type, uint32_t owner);
/* Read, check and decompress a section into *data (of img->arena), *n bytes. */
int image_read_section(struct image *img, const struct image_section *s, void **data, size_t *n,
		       struct text *why);
/* Compare the checksum of a section, of known type or not, and open its seal: 0, -EBADMSG or -errno. */
int image_verify_section(const struct image *img, const struct image_section *s);
/*
 * Read a chunk, check it against its checksum or open its seal, and decompress it to out[0..c->raw). buf holds
 * IMAGE_STORED_MAX bytes, dctx is from image_dctx(). out NULL: check only, no dctx. 0, -EBADMSG or -errno.
 */
int image_load_chunk(int fd, const struct image_key *key, const struct image_chunk *c, void *dctx, void *buf,
		     void *out);
/* Stored as it is? */
bool image_chunk_is_plain(const struct image_key *key, const struct image_chunk *c);
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
