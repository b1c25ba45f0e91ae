#include "log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;

void log_open(const char *socket_path)
{
	const char *level = getenv("CKPT_LOG"), *slash = strrchr(socket_path, '/');
	char path[PATH_MAX];

	if (!level || strcmp(level, "debug"))
		return;
	snprintf(path, sizeof(path), "%.*s/coordinator.log", (int)(slash - socket_path),
		 socket_path);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void log_line(const char *fmt, ...)
{
	char text[1024];
	struct timespec ts;
	va_list ap;

	if (log_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(log_fd, "%lld.%06ld [%d] %s\n", (long long)ts.tv_sec, ts.tv_nsec / 1000, getpid(),
		text);
}
