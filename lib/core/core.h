/*
 * lib/core: what libckpt, the restorer and the programs share. Nothing in here calls libc:
 * no malloc, no stdio, no locks, no errno. Functions return 0 or a count, or -errno.
 */
#ifndef CKPT_CORE_H
#define CKPT_CORE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <ckpt/sys.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(n, to) (((n) + (to)-1) / (to) * (to))
#define ALIGN_DOWN(n, to) ((n) / (to) * (to))

enum { CKPT_PAGE = 4096 };

/* ---- text.c: bounded text without libc ------------------------------------------- */

/* A growing string in caller memory; always terminated; what does not fit is cut. */
struct text {
	char *buf;
	size_t len; /* bytes used, terminator not counted */
	size_t cap; /* bytes of buf, terminator counted; at least 1 */
};

#define TEXT(array) ((struct text){.buf = (array), .cap = sizeof(array)})

/*
 * Append to t. Conversions: %s %c %d %u %x, each of d u x also with l (and ll), and a width with
 * leading zeros ("%05u"). t NULL: nobody wants to know.
 */
void text_put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vput(struct text *t, const char *fmt, va_list ap);

/* Name of an errno or -errno, "E?" when unknown. */
const char *errno_name(int err);

size_t str_len(const char *s);
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Copy at most n - 1 bytes and terminate; returns true when all of src fitted. */
bool str_copy(char *dst, const char *src, size_t n);

/*
 * Does the pattern at *p, which ends at a ',' or the end of the text, match all of s? '*' stands for any
 * characters, '?' for one. *p is moved behind the pattern either way.
 */
bool str_glob(const char **p, const char *s);

/* Parse digits at *p and move it behind them; no digit gives 0 and leaves *p. */
uint64_t parse_dec(const char **p);
uint64_t parse_hex(const char **p);
uint64_t parse_oct(const char **p);
/* Move *p behind prefix when the text starts with it. */
bool parse_skip(const char **p, const char *prefix);

/*
 * In the text of a /proc status or fdinfo file, the first character behind "key" and the white
 * space that follows it, for the line that starts with key; NULL when there is none.
 */
const char *proc_field(const char *text, const char *key);
/* The number there; 0 when there is none. */
uint64_t proc_dec(const char *text, const char *key);
uint64_t proc_hex(const char *text, const char *key);

/* ---- io.c: whole reads and writes; the only place that knows EINTR and short counts - */

/* Read up to n bytes until end of file; returns the bytes read or -errno. */
ssize_t io_read(int fd, void *buf, size_t n);
/* Read exactly n bytes at off; 0, -EIO when the file ends before, or -errno. */
int io_pread(int fd, void *buf, size_t n, off_t off);
int io_write(int fd, const void *buf, size_t n);
int io_pwrite(int fd, const void *buf, size_t n, off_t off);
/* Read a whole small file (of /proc, say) and terminate it; bytes read, -EFBIG, or -errno. */
ssize_t io_read_file(const char *path, char *buf, size_t cap);

/* ---- arena.c: memory of our own, given back all at once ----------------------------- */

/*
 * A bump allocator over anonymous mappings. Not thread-safe. Memory is zeroed and 16-byte
 * aligned. Freed as a whole. A zeroed struct arena is empty and ready for use.
 */
struct arena {
	struct arena_block *head;
};

void *arena_alloc(struct arena *a, size_t n); /* NULL when the kernel has no memory */
void arena_free(struct arena *a);

/* ---- blob.c: a growing byte array ----------------------------------------------------- */

/* Bytes in one mapping that moves as it grows. err is sticky: the first -errno, or 0. */
struct blob {
	uint8_t *data;
	size_t len, cap;
	int err;
};

void *blob_grow(struct blob *b, size_t n); /* n new zeroed bytes, NULL when out of memory */
void blob_put(struct blob *b, const void *p, size_t n);
void blob_free(struct blob *b);

/* ---- clone.S ------------------------------------------------------------------------ */

/*
 * clone(2) with its own stack: the child calls fn(arg) and exits with what that returns. pid or -errno.
 * Without CLONE_SETTLS it keeps the thread pointer of the caller.
 */
long clone_on_stack(unsigned long flags, void *stack_top, int (*fn)(void *), void *arg)
	__attribute__((visibility("hidden")));

struct clone_args;
/* The same by clone3(2): args (<linux/sched.h>) of size bytes name the stack. */
long clone3_on_stack(struct clone_args *args, size_t size, int (*fn)(void *), void *arg)
	__attribute__((visibility("hidden")));

/* ---- maps.c: lines of /proc/PID/maps ---------------------------------------------------- */

struct map_line {
	uint64_t start, end;
	uint64_t offset; /* bytes */
	uint64_t dev;	 /* makedev(3) */
	uint64_t ino;
	int prot;	 /* PROT_* */
	bool shared;
	const char *name; /* not terminated: name_len bytes; "" for anonymous memory */
	size_t name_len;
};

/*
 * Parse the line at *p, not reading at or behind end, and move *p to the next one.
 * Returns 1, 0 at the end, -EINVAL for a line that is none.
 */
int maps_next(const char **p, const char *end, struct map_line *m);

#endif
