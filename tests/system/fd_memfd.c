/* memfd: content, holes, name, seals, two openings of one, offsets. */
#include "harness.h"
#include <sys/mman.h>
#include <sys/stat.h>

enum { END = 4 << 20 };

int main(void)
{
	int fd = memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING), again, sealed, none;
	char path[64], link[64] = "", buf[8] = "";
	struct stat st;

	sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
	none = memfd_create("none", 0);
	if (fd < 0 || write(fd, "begin", 5) != 5 || pwrite(fd, "end", 3, END - 3) != 3 ||
	    write(sealed, "constant", 8) != 8 || write(none, "x", 1) != 1)
		die("memfd_create");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	if (again < 0 || fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		die("seals");

	ready();

	check(fstat(fd, &st) == 0 && st.st_size == END && st.st_blocks * 512 < END / 2,
	      "size %lld, blocks %lld", (long long)st.st_size, (long long)st.st_blocks);
	check(pread(fd, buf, 5, 0) == 5 && !memcmp(buf, "begin", 5), "its beginning");
	check(pread(fd, buf, 8, END - 3) == 3 && !memcmp(buf, "end", 3), "its end");
	check(lseek(fd, 0, SEEK_CUR) == 5 && lseek(again, 0, SEEK_CUR) == 0, "offsets");
	check(write(fd, "!", 1) == 1 && pread(again, buf, 6, 0) == 6 && buf[5] == '!', "apart");
	check(readlink(path, link, sizeof(link) - 1) > 0 &&
		      !strcmp(link, "/memfd:a name (deleted)"),
	      "its name is %s", link);
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GET_SEALS) == 0, "flags");
	check(write(sealed, "x", 1) < 0 && errno == EPERM, "a sealed one is written");
	check(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK),
	      "seals %#x", fcntl(sealed, F_GET_SEALS));
	check(fcntl(none, F_GET_SEALS) == F_SEAL_SEAL, "seals %#x", fcntl(none, F_GET_SEALS));
	return verdict();
}
