#include "slurm_state.h"
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATE_MAX = 32768, FIELDS_MAX = 64 };

/* ---- reading ---- */

static int number_take(const char *value, uint64_t *n)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return -EBADMSG;
	errno = 0;
	*n = strtoull(value, &end, 10);
	return errno || *end ? -EBADMSG : 0;
}

static int field_take(const struct state_field *f, const char *value, void *to)
{
	if (f->size)
		return str_copy((char *)to + f->offset, value, f->size) ? 0 : -EBADMSG;
	return number_take(value, (uint64_t *)((char *)to + f->offset));
}

/* The lines of text, each of which must be a field that has not been seen. */
static int fields_take(char *text, const struct state_field *fields, size_t n, void *to)
{
	bool seen[FIELDS_MAX] = {0};
	size_t left = n;

	for (char *line = text, *end; *line; line = end + 1) {
		char *equals = strchr(line, '=');
		size_t i = 0;

		end = strchr(line, '\n');
		if (!end || !equals || equals > end)
			return -EBADMSG;
		*equals = *end = 0;
		while (i < n && !str_eq(fields[i].key, line))
			i++;
		if (i == n || seen[i] || field_take(&fields[i], equals + 1, to))
			return -EBADMSG;
		seen[i] = true;
		left--;
	}
	return left ? -EBADMSG : 0;
}

static int text_read(const char *path, char text[STATE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		close(fd);
		return -EBADMSG;
	}
	len = io_read(fd, text, STATE_MAX - 1);
	close(fd);
	if (len < 0)
		return len;
	text[len] = 0;
	return len == STATE_MAX - 1 || strlen(text) != (size_t)len ? -EBADMSG : 0;
}

int state_read(const char *path, const struct state_field *fields, size_t n, void *to, size_t size)
{
	char text[STATE_MAX];
	void *new;
	int err = text_read(path, text);

	if (err)
		return err;
	new = malloc(size);
	if (!new)
		return -ENOMEM;
	memcpy(new, to, size);
	err = fields_take(text, fields, n, new);
	if (!err)
		memcpy(to, new, size);
	free(new);
	return err;
}

/* ---- writing ---- */

static size_t fields_print(char text[STATE_MAX], const struct state_field *fields, size_t n, const void *from)
{
	struct text t = {.buf = text, .cap = STATE_MAX};

	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)from + fields[i].offset;
		size_t begin = t.len;

		if (fields[i].size)
			text_put(&t, "%s=%s", fields[i].key, at);
		else
			text_put(&t, "%s=%lu", fields[i].key, (unsigned long)*(const uint64_t *)at);
		for (; begin < t.len; begin++)
			if (text[begin] == '\n')
				text[begin] = ' ';
		text_put(&t, "\n");
	}
	return t.len;
}

static int file_write(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), err;

	if (fd < 0)
		return -errno;
	err = io_write(fd, text, len);
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int state_write(const char *path, const struct state_field *fields, size_t n, const void *from)
{
	char text[STATE_MAX], new[PATH_MAX];
	size_t len = fields_print(text, fields, n, from);
	int err;

	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	err = file_write(new, text, len);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		unlink(new);
	return err;
}
