/* Variables that take the place of others: see graft.h. */
#include "graft.h"

enum { NAME_MAX_BYTES = 256 };

/* Bytes of the name, 0 for an entry that sets nothing. */
static size_t name_len(const char *entry)
{
	size_t n = 0;

	while (entry[n] && entry[n] != '=')
		n++;
	return entry[n] ? n : 0;
}

bool graft_means(const char *globs, const char *entry)
{
	size_t n = name_len(entry);
	char name[NAME_MAX_BYTES];

	if (!n || n >= sizeof(name))
		return false;
	__builtin_memcpy(name, entry, n);
	name[n] = 0;
	while (*globs) {
		if (str_glob(&globs, name))
			return true;
		parse_skip(&globs, ",");
	}
	return false;
}

const char *graft_first(const char *graft)
{
	return graft + str_len(graft) + 1;
}

bool graft_same(const char *a, const char *b)
{
	size_t n = name_len(a);

	return n && name_len(b) == n && !__builtin_memcmp(a, b, n);
}

const char *graft_find(const char *graft, const char *entry)
{
	for (const char *e = graft_first(graft); *e; e += str_len(e) + 1)
		if (graft_same(e, entry))
			return e;
	return NULL;
}
