#include "log_file.h"
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

/* A FIFO or a device in the log's place is none of it, and nothing to wait for. */
static int log_file_open(const char *dir)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/log", dir);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

static size_t head_put(char *line, size_t n, const char *who)
{
	time_t now = time(NULL);
	struct tm tm;
	size_t len;

	localtime_r(&now, &tm);
	len = strftime(line, n, "%Y-%m-%d %H:%M:%S ", &tm);
	return len + snprintf(line + len, n - len, "%.100s: ", who);
}

/* One write, so that lines of several writers stay whole. */
int log_file_put(const char *dir, const char *who, const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	size_t len = head_put(line, sizeof(line), who);
	int fd = log_file_open(dir), err;

	if (fd < 0)
		return -errno;
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	for (char *p = line + len; *p; p++)
		if (*p == '\n')
			*p = ' ';
	len = strlen(line);
	line[len++] = '\n';
	err = io_write(fd, line, len);
	close(fd);
	return err;
}
