/*
 * What the compiler, libzstd and libsodium expect of a libc. Memory is never asked for: decompressors live in
 * memory that ckpt_restart has laid out.
 */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return ret;
}

void *memset(void *to, int c, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return ret;
}

void explicit_bzero(void *to, size_t n)
{
	memset(to, 0, n);
}

void __explicit_bzero_chk(void *to, size_t n, size_t room)
{
	(void)room;
	memset(to, 0, n);
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	while (n--)
		d[n] = s[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

void *malloc(size_t n)
{
	(void)n;
	return NULL;
}

void *calloc(size_t n, size_t m)
{
	(void)n;
	(void)m;
	return NULL;
}

void free(void *p)
{
	(void)p;
}

/* Stands in for what is linked but never used (restorer.ld). */
void not_called(void)
{
	__builtin_trap();
}

/* A canary that changed: nothing sensible can follow. */
void __stack_chk_fail(void)
{
	__builtin_trap();
}
