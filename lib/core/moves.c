/* Where moved paths lead now: see moves.h. */
#include "moves.h"

static const char *behind(const char *s)
{
	return s + str_len(s) + 1;
}

static bool is_directory_path(const char *s)
{
	return s[0] == '/' && s[1] && s[str_len(s) - 1] != '/';
}

int moves_add(char *moves, const char *from, const char *to)
{
	size_t n = str_len(from) + 1, m = str_len(to) + 1;
	char *end = moves;

	if (!is_directory_path(from) || !is_directory_path(to))
		return -EINVAL;
	while (*end)
		end += str_len(end) + 1;
	if (end - moves + n + m + 1 > MOVES_MAX)
		return -ENAMETOOLONG;
	str_copy(end, from, n);
	str_copy(end + n, to, m);
	end[n + m] = 0;
	return 0;
}

bool moves_apply(const char *moves, const char *path, char *buf, size_t n)
{
	const char *to = NULL, *rest = path;
	struct text t = {.buf = buf, .cap = n};

	for (const char *from = moves; *from; from = behind(behind(from))) {
		const char *p = path;

		if (parse_skip(&p, from) && (*p == '/' || !*p) && p > rest) {
			rest = p;
			to = behind(from);
		}
	}
	if (!to || str_len(to) + str_len(rest) >= n)
		return false;
	text_put(&t, "%s%s", to, rest);
	return true;
}
