#include "job_log.h"
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

/* A FIFO or a device in the log's place is none of it, and nothing to wait for. */
static int log_file(const struct job *job)
{
	char path[CKPT_PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/log", job->config.dir);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

static int put_time(char *line, size_t n)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	return strftime(line, n, "%Y-%m-%d %H:%M:%S ", &tm);
}

/* One write, so that lines of several coordinators stay whole. */
void job_log(const struct job *job, const char *fmt, ...)
{
	char line[LINE_SIZE];
	size_t len;
	va_list ap;
	int fd;

	if (!on_signal_set(job->config.on_signal) || !job->config.dir[0])
		return;
	len = put_time(line, sizeof(line));
	len += snprintf(line + len, sizeof(line) - len, "job %s: ", job->id);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	for (char *p = line + len; *p; p++)
		if (*p == '\n')
			*p = ' ';
	len = strlen(line);
	line[len++] = '\n';
	fd = log_file(job);
	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		log_line("job %s: its log can't be written", job->id);
	if (fd >= 0)
		close(fd);
}
