/*
 * Files that are opened to be changed are noted, when --files names some (written.h): when they are closed the kernel
 * knows no more that this program was at them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "written.h"
#include "wrap.h"

static int noted(int fd, int flags)
{
	if (fd >= 0)
		written_note(fd, flags);
	return fd;
}

/* The mode is there only if a file may be made; what is read else is not looked at. */
#define MODE_OF(flags)                                                                             \
	({                                                                                         \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		mode;                                                                              \
	})

WRAP(int, open, (const char *path, int flags, ...))
{
	return noted(REAL(open)(path, flags, MODE_OF(flags)), flags);
}

WRAP(int, open64, (const char *path, int flags, ...))
{
	return noted(REAL(open64)(path, flags, MODE_OF(flags)), flags);
}

WRAP(int, openat, (int dir, const char *path, int flags, ...))
{
	return noted(REAL(openat)(dir, path, flags, MODE_OF(flags)), flags);
}

WRAP(int, openat64, (int dir, const char *path, int flags, ...))
{
	return noted(REAL(openat64)(dir, path, flags, MODE_OF(flags)), flags);
}

WRAP(int, creat, (const char *path, mode_t mode))
{
	return noted(REAL(creat)(path, mode), O_WRONLY);
}

WRAP(int, creat64, (const char *path, mode_t mode))
{
	return noted(REAL(creat64)(path, mode), O_WRONLY);
}

/* What a compiler makes of them with _FORTIFY_SOURCE. */
WRAP(int, __open_2, (const char *path, int flags))
{
	return noted(REAL(__open_2)(path, flags), flags);
}

WRAP(int, __open64_2, (const char *path, int flags))
{
	return noted(REAL(__open64_2)(path, flags), flags);
}

WRAP(int, __openat_2, (int dir, const char *path, int flags))
{
	return noted(REAL(__openat_2)(dir, path, flags), flags);
}

WRAP(int, __openat64_2, (int dir, const char *path, int flags))
{
	return noted(REAL(__openat64_2)(dir, path, flags), flags);
}

/* fopen(3) does not call what others can wrap. */
static FILE *stream_noted(FILE *f, const char *mode)
{
	int err = errno, fd = f && mode ? fileno(f) : -1;

	if (fd >= 0 && (mode[0] != 'r' || strchr(mode, '+')))
		written_note(fd, O_WRONLY);
	errno = err;
	return f;
}

WRAP(FILE *, fopen, (const char *path, const char *mode))
{
	return stream_noted(REAL(fopen)(path, mode), mode);
}

WRAP(FILE *, fopen64, (const char *path, const char *mode))
{
	return stream_noted(REAL(fopen64)(path, mode), mode);
}

WRAP(FILE *, freopen, (const char *path, const char *mode, FILE *f))
{
	return stream_noted(REAL(freopen)(path, mode, f), mode);
}

WRAP(FILE *, freopen64, (const char *path, const char *mode, FILE *f))
{
	return stream_noted(REAL(freopen64)(path, mode, f), mode);
}
