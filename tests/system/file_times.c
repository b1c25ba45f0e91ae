/* Files that are open for writing and were last written to long ago, one of them removed: nor have
 * they been since. */
#include "harness.h"
#include <fcntl.h>
#include <sys/stat.h>

static const struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 5},
					 {.tv_sec = 1100000000, .tv_nsec = 123456789}};

static int make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, "content", 7) != 7 || lseek(fd, 2, SEEK_SET) < 0 ||
	    futimens(fd, times))
		die(name);
	return fd;
}

static void check_old(int fd, const char *name)
{
	struct stat st = {0};
	char buf[10];

	check(!fstat(fd, &st) && st.st_mtim.tv_sec == times[1].tv_sec &&
		      st.st_mtim.tv_nsec == times[1].tv_nsec,
	      "%s was written to at %ld.%09ld", name, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	check(read(fd, buf, sizeof(buf)) == 5 && !memcmp(buf, "ntent", 5),
	      "%s: its content is another", name);
}

int main(void)
{
	int kept = make("kept"), removed = make("removed");

	unlink("removed");
	ready();
	check_old(kept, "kept");
	check_old(removed, "removed");
	return verdict();
}
