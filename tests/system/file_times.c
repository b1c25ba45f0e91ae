/* A file that is open for writing and was last written to long ago: it has not been written to since. */
#include "harness.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	const struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 5}, {.tv_sec = 1100000000, .tv_nsec = 123456789}};
	int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0600);
	struct stat st;
	char buf[10];

	if (fd < 0 || write(fd, "content", 7) != 7 || lseek(fd, 2, SEEK_SET) < 0 || futimens(fd, times))
		die("data");
	ready();
	check(!fstat(fd, &st) && st.st_mtim.tv_sec == times[1].tv_sec && st.st_mtim.tv_nsec == times[1].tv_nsec,
	      "it was written to at %ld.%09ld", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	check(read(fd, buf, sizeof(buf)) == 5 && !memcmp(buf, "ntent", 5), "its content is another");
	return verdict();
}
