/*
 * Patterns: str_glob() against a matcher that simply tries everything. The input is PATTERN[,PATTERN...] and, behind a
 * zero byte, the text.
 */
#include <stdlib.h>
#include <string.h>
#include "core.h"

enum { INPUT_MAX = 24 }; /* trying everything takes its time */

static bool at_end(const char *p)
{
	return !*p || *p == ',';
}

static bool matches(const char *p, const char *s)
{
	if (at_end(p))
		return !*s;
	if (*p == '*')
		return matches(p + 1, s) || (*s && matches(p, s + 1));
	return *s && (*p == '?' || *p == *s) && matches(p + 1, s + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *zero = memchr(data, 0, n);
	char *pattern, *text;
	const char *p;

	if (!zero || n > INPUT_MAX)
		return -1;
	pattern = strdup((const char *)data);
	text = strndup((const char *)zero + 1, data + n - zero - 1);
	for (p = pattern;; p++) {
		const char *begin = p;

		if (str_glob(&p, text) != matches(begin, text) || !at_end(p))
			abort();
		if (!*p)
			break;
	}
	free(pattern);
	free(text);
	return 0;
}
