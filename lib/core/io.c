/*
 * Whole reads and writes. Interruptions and short counts end here.
 */
#include <errno.h>
#include <fcntl.h>
#include "core.h"

ssize_t io_read(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_read(fd, (char *)buf + done, n - done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += r;
	}
	return done;
}

int io_pread(int fd, void *buf, size_t n, off_t off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_pread(fd, (char *)buf + done, n - done, off + done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			return -EIO;
		done += r;
	}
	return 0;
}

int io_write(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_write(fd, (const char *)buf + done, n - done);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EIO;
		done += r;
	}
	return 0;
}

int io_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = sys_pwrite(fd, (const char *)buf + done, n - done, off + done);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EIO;
		done += r;
	}
	return 0;
}

ssize_t io_read_file(const char *path, char *buf, size_t cap)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = io_read(fd, buf, cap);
	sys_close(fd);
	if (n < 0)
		return n;
	if ((size_t)n == cap)
		return -EFBIG;
	buf[n] = 0;
	return n;
}
