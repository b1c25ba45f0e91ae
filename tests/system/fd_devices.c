/* Devices without state, and files of /proc and /sys. */
#include "harness.h"
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void check_device(int fd, unsigned int min)
{
	struct stat st;

	check(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, min),
	      "fd %d is not device 1:%u", fd, min);
}

int main(void)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), random = open("/dev/urandom", O_RDONLY);
	int stat = open("/proc/self/stat", O_RDONLY), version = open("/proc/version", O_RDONLY);
	char buf[4096] = "x", before[4096] = "";
	int pid = -1;
	ssize_t n;

	if (null < 0 || zero < 0 || full < 0 || random < 0 || stat < 0 || version < 0)
		die("open");
	n = pread(version, before, sizeof(before), 0);
	lseek(version, 6, SEEK_SET);

	ready();

	check_device(null, 3);
	check_device(zero, 5);
	check_device(full, 7);
	check_device(random, 9);
	check(read(null, buf, 1) == 0, "/dev/null");
	check(read(zero, buf, 1) == 1 && !buf[0], "/dev/zero");
	check(write(full, buf, 1) < 0 && errno == ENOSPC, "/dev/full");
	check(fcntl(full, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check(read(random, buf, 16) == 16, "/dev/urandom");
	check(pread(stat, buf, sizeof(buf), 0) > 0 && sscanf(buf, "%d", &pid) == 1 &&
		      pid == getpid(),
	      "/proc/self/stat says %d", pid);
	check(read(version, buf, sizeof(buf)) == n - 6 && !memcmp(buf, before + 6, n - 6),
	      "position in /proc/version");
	return verdict();
}
