/*
 * Content of large files: kept beside the image, in the directory IMAGE.files. doc/IMAGE-FORMAT specifies
 * it; this is the same in C, with what writer, restart and inspection have in common.
 *
 *   IMAGE.part.files    while it is written; renamed to IMAGE.files just before the image gets its name
 *   IMAGE.files/HASH    a piece: CONTENTS_PIECE bytes of a file, or its last ones
 *   IMAGE.files/N.clone object N as a whole, cloned by the file system (FICLONE)
 *
 * A piece is named by what it holds, so that a generation finds what the one before has already, and has
 * it by a hard link. The list of them (SECTION_CONTENTS) is in the image, under its checksum; so the names
 * that it gives are the only ones that are looked at.
 */
#ifndef CKPT_CONTENTS_H
#define CKPT_CONTENTS_H

#include <sys/stat.h>
#include "image.h"

#define CONTENTS_SUFFIX ".files"

enum {
	CONTENTS_VERSION = 1,
	CONTENTS_PIECE = 1 << 20,
	CONTENTS_MIN = 16 << 20, /* a smaller file goes into the image */
	CONTENTS_NAME_MAX = 40,	 /* with terminator */
};

/* A section: head, files[nfiles], pieces[npieces]; those of the first file come first. */
struct contents_head {
	uint32_t version;
	uint32_t nfiles;
	uint64_t npieces;
	uint64_t seed;	    /* of the hashes; the same in all generations that share pieces */
	int64_t created_ns; /* CLOCK_REALTIME when the job stood still */
};
_Static_assert(sizeof(struct contents_head) == 32, "on disk");

enum contents_how { CONTENTS_PIECES = 1, CONTENTS_CLONE = 2 };

struct contents_file {
	uint32_t object; /* id of its REC_OBJECT */
	uint32_t how;	 /* enum contents_how */
	uint64_t size;
	uint64_t bytes;	  /* without holes */
	uint64_t npieces; /* 0 of a clone */
	uint64_t dev, ino; /* as it was, for the next generation to see whether it has changed */
	int64_t mtime_ns, ctime_ns;
};
_Static_assert(sizeof(struct contents_file) == 64, "on disk");

/* Ascending; what no piece covers is a hole. */
struct contents_piece {
	uint64_t offset; /* a multiple of CONTENTS_PIECE */
	uint32_t len;	 /* 1 to CONTENTS_PIECE */
	uint32_t reserved;
	struct image_hash hash;
};
_Static_assert(sizeof(struct contents_piece) == 32, "on disk");

/* 0; -EBADMSG: no such section; -ENOTSUP: of a version that is not known. */
int contents_check(const void *data, size_t n);

/* Walks the files of a section that contents_check() has passed. */
struct contents_iter {
	const struct contents_head *head;
	const struct contents_file *file;     /* the current one */
	const struct contents_piece *pieces; /* of it */
	uint32_t next;
};
struct contents_iter contents_iter(const void *data);
bool contents_next(struct contents_iter *it);

/* What the file, or piece, is called in the directory. */
void contents_piece_name(const struct contents_piece *p, char name[CONTENTS_NAME_MAX]);
void contents_clone_name(uint32_t object, char name[CONTENTS_NAME_MAX]);

/*
 * The section that process `owner` of an image has, checked, in memory of img->arena; *data is NULL when
 * there is none. 0, or -errno with why filled.
 */
int contents_read(struct image *img, uint32_t owner, const void **data, struct text *why);

/* Can what has been saved of a file then stand for what it is now, unread? */
bool contents_unchanged(const struct contents_head *then, const struct contents_file *f,
			const struct contents_file *now);

/* Ours, and nobody else's to write: what is taken from it becomes part of an image, or of a file. */
bool contents_private(const struct stat *st);
/* Is it nothing but zeros? It is left out then, and stays a hole. */
bool contents_zero(const void *p, size_t n);

/* Remove the directory `name` (in dir, a descriptor or AT_FDCWD) and all that is in it. 0, -ENOENT or -errno. */
int contents_remove(int dir, const char *name);

#endif
