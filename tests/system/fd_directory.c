/* Directories: position in a listing, O_PATH, openat() by way of them. */
#include "harness.h"
#include <dirent.h>
#include <sys/stat.h>

enum { N = 500 };

int main(void)
{
	static char seen[N];
	struct dirent *e;
	struct stat a, b;
	char name[32], link[64] = "";
	DIR *d;
	int i, path, sym, n = 0;

	mkdir("many", 0700);
	for (i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many/file %d", i);
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	if (symlink("nowhere", "dangling") && errno != EEXIST)
		die("symlink");
	d = opendir("many");
	path = open("many", O_PATH | O_CLOEXEC);
	sym = open("dangling", O_PATH | O_NOFOLLOW);
	if (!d || path < 0 || sym < 0)
		die("many");
	for (i = 0; i < 50 && (e = readdir(d)); i++)
		if (sscanf(e->d_name, "file %d", &n) == 1)
			seen[n]++;

	ready();

	while ((e = readdir(d)))
		if (sscanf(e->d_name, "file %d", &n) == 1)
			seen[n]++;
	for (i = 0; i < N; i++)
		check(seen[i] == 1, "file %d was listed %d times", i, seen[i]);
	check(openat(dirfd(d), "file 7", O_RDONLY) >= 0, "openat: %s", strerror(errno));
	check(fcntl(path, F_GETFL) & O_PATH, "O_PATH lost");
	check(fcntl(path, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check(fstatat(path, "file 8", &a, 0) == 0, "by way of O_PATH: %s", strerror(errno));
	check(fstat(path, &a) == 0 && stat("many", &b) == 0 && a.st_ino == b.st_ino,
	      "another directory");
	check(readlinkat(sym, "", link, sizeof(link)) == 7 && !memcmp(link, "nowhere", 7),
	      "the symbolic link: %s", link);
	return verdict();
}
