/*
 * Files without a name: content, holes, two openings of one file; O_TMPFILE can still get a name.
 */
#include "harness.h"
#include <sys/stat.h>

enum { HOLE = 8 << 20 };

static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, "head", 4) != 4 || pwrite(fd, "tail", 4, HOLE) != 4)
		die("%s", path);
	return fd;
}

int main(void)
{
	int fd = make("deleted"), ro = open("deleted", O_RDONLY);
	int tmp = open(".", O_TMPFILE | O_RDWR, 0600);
	char buf[8] = "", link[64], from[64];
	struct stat st;

	unlink("deleted");
	if (tmp >= 0 && write(tmp, "temporary", 9) != 9)
		die("O_TMPFILE");
	fchmod(fd, 0004);
	lseek(ro, HOLE, SEEK_SET);

	ready();

	check(pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "head", 4), "its beginning is %.4s", buf);
	check(read(ro, buf, 8) == 4 && !memcmp(buf, "tail", 4), "its end is %.4s", buf);
	check(lseek(fd, 0, SEEK_CUR) == 4, "offset");
	check(pwrite(fd, "TAIL", 4, HOLE) == 4 && pread(ro, buf, 4, HOLE) == 4 &&
		      !memcmp(buf, "TAIL", 4),
	      "two openings of one file are apart");
	check(fstat(fd, &st) == 0 && st.st_nlink == 0 && (st.st_mode & 07777) == 0004,
	      "links %d, mode %o", (int)st.st_nlink, st.st_mode);
	check(st.st_size == HOLE + 4, "size %lld", (long long)st.st_size);
	check(st.st_blocks * 512 < HOLE / 2, "its hole has %lld blocks", (long long)st.st_blocks);
	check(access("deleted", F_OK) < 0, "it has its name again");
	check(snprintf(link, sizeof(link), "/proc/self/fd/%d", fd) && readlink(link, from, 1) == 1,
	      "readlink");
	if (tmp >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", tmp);
		unlink("named");
		check(linkat(AT_FDCWD, link, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0,
		      "linkat: %s", strerror(errno));
		check(pread(tmp, buf, 8, 0) == 8 && !memcmp(buf, "temporar", 8),
		      "O_TMPFILE's content");
	}
	return verdict();
}
