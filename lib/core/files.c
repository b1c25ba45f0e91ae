/* The text of --files: see files.h. */
#include "files.h"

/* Arrays, not pointers: the restorer must not need relocations for them. */
static const char names[][16] = {
	[FILES_BY_USE] = "by use", [FILES_TRUNCATE] = "truncate", [FILES_SAVE] = "save",
	[FILES_IGNORE] = "ignore", [FILES_FORCE] = "force",
};

const char *files_policy_name(enum files_policy policy)
{
	return names[policy < ARRAY_SIZE(names) ? policy : FILES_BY_USE];
}

/* The policy whose name stands at *p, before a ':', a ',' or the end; *p is moved there. FILES_BY_USE: none. */
static enum files_policy policy_read(const char **p)
{
	for (unsigned int i = FILES_TRUNCATE; i < ARRAY_SIZE(names); i++) {
		const char *end = *p;

		if (parse_skip(&end, names[i]) && (!*end || *end == ':' || *end == ',')) {
			*p = end;
			return i;
		}
	}
	return FILES_BY_USE;
}

static bool has_slash(const char *glob)
{
	while (*glob && *glob != ',' && *glob != '/')
		glob++;
	return *glob == '/';
}

static const char *last_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

/* Does what stands at *p, behind a policy's name, match? *p is moved behind it. */
static bool glob_match(const char **p, const char *path)
{
	if (**p != ':')
		return true;
	++*p;
	return str_glob(p, has_slash(*p) ? path : last_name(path));
}

bool files_valid(const char *list)
{
	bool first = true;

	for (const char *p = list; *p; first = false) {
		if (!first && *p++ != ',')
			return false;
		if (policy_read(&p) == FILES_BY_USE)
			return false;
		if (*p == ':' && (!p[1] || p[1] == ','))
			return false;
		glob_match(&p, "");
	}
	return true;
}

int files_add(char *list, size_t n, const char *more)
{
	struct text t = {.buf = list, .len = str_len(list), .cap = n};

	if (!*more || !files_valid(more))
		return -EINVAL;
	if (t.len + 1 + str_len(more) >= n)
		return -ENAMETOOLONG;
	text_put(&t, "%s%s", t.len ? "," : "", more);
	return 0;
}

static enum files_policy policy_find(const char *list, const char *path, bool named)
{
	enum files_policy found = FILES_BY_USE;

	for (const char *p = list; *p; p += *p == ',') {
		enum files_policy policy = policy_read(&p);
		bool has_glob = *p == ':';

		if (policy == FILES_BY_USE)
			break; /* no list of ours */
		if (glob_match(&p, path) && (has_glob || !named))
			found = policy;
	}
	return found;
}

enum files_policy files_policy(const char *list, const char *path)
{
	return policy_find(list, path, false);
}

enum files_policy files_policy_named(const char *list, const char *path)
{
	return policy_find(list, path, true);
}
