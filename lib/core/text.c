/*
 * Text without libc: for messages, paths and the files of /proc.
 */
#include <errno.h>
#include "core.h"

/* ---- comparing and copying ---- */

size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool str_eq(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool str_starts(const char *s, const char *prefix)
{
	return parse_skip(&s, prefix);
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = str_len(s), m = str_len(suffix);

	return n >= m && str_eq(s + n - m, suffix);
}

bool str_copy(char *dst, const char *src, size_t n)
{
	size_t i = 0;

	if (!n)
		return false;
	for (; src[i] && i < n - 1; i++)
		dst[i] = src[i];
	dst[i] = 0;
	return !src[i];
}

/* ---- parsing ---- */

/* Value of a digit of any base up to 16; 16 for any other character. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static uint64_t parse_number(const char **p, unsigned int base)
{
	uint64_t v = 0;
	unsigned int d;

	for (; (d = digit_value(**p)) < base; (*p)++)
		v = v * base + d;
	return v;
}

static bool glob_ends(const char *p)
{
	return !*p || *p == ',';
}

/* At a mismatch the last '*' takes one character more. */
bool str_glob(const char **p, const char *s)
{
	const char *q = *p, *star = NULL, *from = s;
	bool all;

	while (*s) {
		if (*q == '*') {
			star = ++q;
			from = s;
		} else if (!glob_ends(q) && (*q == '?' || *q == *s)) {
			q++;
			s++;
		} else if (star) {
			q = star;
			s = ++from;
		} else {
			break;
		}
	}
	while (*q == '*')
		q++;
	all = !*s && glob_ends(q);
	while (!glob_ends(q))
		q++;
	*p = q;
	return all;
}

uint64_t parse_dec(const char **p)
{
	return parse_number(p, 10);
}

uint64_t parse_hex(const char **p)
{
	return parse_number(p, 16);
}

uint64_t parse_oct(const char **p)
{
	return parse_number(p, 8);
}

bool parse_skip(const char **p, const char *prefix)
{
	const char *s = *p;

	for (; *prefix; s++, prefix++)
		if (*s != *prefix)
			return false;
	*p = s;
	return true;
}

const char *proc_field(const char *text, const char *key)
{
	const char *p = text;

	while (*p) {
		if (parse_skip(&p, key)) {
			while (*p == ' ' || *p == '\t')
				p++;
			return p;
		}
		while (*p && *p != '\n')
			p++;
		if (*p)
			p++;
	}
	return NULL;
}

uint64_t proc_dec(const char *text, const char *key)
{
	const char *p = proc_field(text, key);

	return p ? parse_dec(&p) : 0;
}

uint64_t proc_hex(const char *text, const char *key)
{
	const char *p = proc_field(text, key);

	return p ? parse_hex(&p) : 0;
}

/* ---- formatting ---- */

static void put_char(struct text *t, char c)
{
	if (t->len + 1 >= t->cap)
		return;
	t->buf[t->len++] = c;
	t->buf[t->len] = 0;
}

static void put_string(struct text *t, const char *s)
{
	for (; *s; s++)
		put_char(t, *s);
}

/* v in base 10 or 16, with zeros in front up to width characters. */
static void put_number(struct text *t, uint64_t v, unsigned int base, unsigned int width)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (width > n) {
		put_char(t, '0');
		width--;
	}
	while (n)
		put_char(t, digits[--n]);
}

static void put_signed(struct text *t, int64_t v, unsigned int width)
{
	uint64_t u = v;

	if (v < 0) {
		put_char(t, '-');
		u = -u;
		width -= width > 0;
	}
	put_number(t, u, 10, width);
}

void text_vput(struct text *t, const char *fmt, va_list ap)
{
	if (!t)
		return;
	t->buf[t->len] = 0;
	for (; *fmt; fmt++) {
		unsigned int width;
		bool wide = false;

		if (*fmt != '%') {
			put_char(t, *fmt);
			continue;
		}
		fmt++;
		width = parse_dec(&fmt);
		for (; *fmt == 'l'; fmt++)
			wide = true;
		switch (*fmt) {
		case 's':
			put_string(t, va_arg(ap, const char *));
			break;
		case 'c':
			put_char(t, va_arg(ap, int));
			break;
		case 'd':
			put_signed(t, wide ? va_arg(ap, long) : va_arg(ap, int), width);
			break;
		case 'u':
			put_number(t, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int),
				   10, width);
			break;
		case 'x':
			put_number(t, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int),
				   16, width);
			break;
		case '%':
			put_char(t, '%');
			break;
		default: /* what follows in ap has an unknown size */
			return;
		}
	}
}

void text_put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vput(t, fmt, ap);
	va_end(ap);
}

/* ---- names of errors ---- */

#define NAME(e) [e] = #e

/* Arrays, not pointers: the restorer must not need relocations for it. */
/* clang-format off */
static const char errno_names[][16] = {
	NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO),
	NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM),
	NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV),
	NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE),
	NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS),
	NAME(EMLINK), NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EDEADLK),
	NAME(ENAMETOOLONG), NAME(ENOLCK), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP),
	NAME(ENOMSG), NAME(EIDRM), NAME(ECHRNG), NAME(EL2NSYNC), NAME(EL3HLT), NAME(EL3RST),
	NAME(ELNRNG), NAME(EUNATCH), NAME(ENOCSI), NAME(EL2HLT), NAME(EBADE), NAME(EBADR),
	NAME(EXFULL), NAME(ENOANO), NAME(EBADRQC), NAME(EBADSLT), NAME(EBFONT), NAME(ENOSTR),
	NAME(ENODATA), NAME(ETIME), NAME(ENOSR), NAME(ENONET), NAME(ENOPKG), NAME(EREMOTE),
	NAME(ENOLINK), NAME(EADV), NAME(ESRMNT), NAME(ECOMM), NAME(EPROTO), NAME(EMULTIHOP),
	NAME(EDOTDOT), NAME(EBADMSG), NAME(EOVERFLOW), NAME(ENOTUNIQ), NAME(EBADFD),
	NAME(EREMCHG), NAME(ELIBACC), NAME(ELIBBAD), NAME(ELIBSCN), NAME(ELIBMAX),
	NAME(ELIBEXEC), NAME(EILSEQ), NAME(ERESTART), NAME(ESTRPIPE), NAME(EUSERS),
	NAME(ENOTSOCK), NAME(EDESTADDRREQ), NAME(EMSGSIZE), NAME(EPROTOTYPE), NAME(ENOPROTOOPT),
	NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EPFNOSUPPORT),
	NAME(EAFNOSUPPORT), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENETDOWN),
	NAME(ENETUNREACH), NAME(ENETRESET), NAME(ECONNABORTED), NAME(ECONNRESET), NAME(ENOBUFS),
	NAME(EISCONN), NAME(ENOTCONN), NAME(ESHUTDOWN), NAME(ETOOMANYREFS), NAME(ETIMEDOUT),
	NAME(ECONNREFUSED), NAME(EHOSTDOWN), NAME(EHOSTUNREACH), NAME(EALREADY),
	NAME(EINPROGRESS), NAME(ESTALE), NAME(EUCLEAN), NAME(ENOTNAM), NAME(ENAVAIL),
	NAME(EISNAM), NAME(EREMOTEIO), NAME(EDQUOT), NAME(ENOMEDIUM), NAME(EMEDIUMTYPE),
	NAME(ECANCELED), NAME(ENOKEY), NAME(EKEYEXPIRED), NAME(EKEYREVOKED), NAME(EKEYREJECTED),
	NAME(EOWNERDEAD), NAME(ENOTRECOVERABLE), NAME(ERFKILL), NAME(EHWPOISON),
};
/* clang-format on */

const char *errno_name(int err)
{
	unsigned int n = err < 0 ? -(unsigned int)err : (unsigned int)err;

	if (n >= ARRAY_SIZE(errno_names) || !errno_names[n][0])
		return "E?";
	return errno_names[n];
}
