/*
 * Opens a file in each way that there is to change one, and closes it. It says in "names" which are to be put back when
 * it goes back; at the end each has what was written in two steps.
 *
 * test: once
 */
#define _LARGEFILE64_SOURCE
#include "harness.h"
#include <sys/syscall.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

static const int add = O_WRONLY | O_APPEND;

static const char *so_far = "";

/* What creat(2) has emptied gets its content again. */
static int of_anew(int fd)
{
	if (fd < 0 || write(fd, so_far, strlen(so_far)) != (ssize_t)strlen(so_far))
		die("creat");
	return fd;
}

static int by_open(const char *path) { return open(path, add | O_CREAT, 0600); }
static int by_open64(const char *path) { return open64(path, add | O_CREAT, 0600); }
static int by_creat(const char *path) { return of_anew(creat(path, 0600)); }
static int by_creat64(const char *path) { return of_anew(creat64(path, 0600)); }
static int by_openat(const char *path) { return openat(AT_FDCWD, path, add | O_CREAT, 0600); }
static int by_openat64(const char *path) { return openat64(AT_FDCWD, path, add | O_CREAT, 0600); }
static int by_open_2(const char *path) { return __open_2(path, add); }
static int by_open64_2(const char *path) { return __open64_2(path, add); }
static int by_openat_2(const char *path) { return __openat_2(AT_FDCWD, path, add); }
static int by_openat64_2(const char *path) { return __openat64_2(AT_FDCWD, path, add); }

static int of_stream(FILE *f)
{
	int fd = f ? dup(fileno(f)) : -1;

	if (f)
		fclose(f);
	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static int by_fopen(const char *path) { return of_stream(fopen(path, "a")); }
static int by_fopen64(const char *path) { return of_stream(fopen64(path, "ae")); }
static int by_update(const char *path) { return of_stream(fopen(path, "r+")); }
static int by_freopen(const char *path) { return of_stream(freopen(path, "a", fopen("/dev/null", "r"))); }
static int by_freopen64(const char *path) { return of_stream(freopen64(path, "a", fopen("/dev/null", "r"))); }

static const struct {
	const char *name;
	int (*by)(const char *path);
} ways[] = {
	{"by-open", by_open},
	{"by-open64", by_open64},
	{"by-creat", by_creat},
	{"by-creat64", by_creat64},
	{"by-openat", by_openat},
	{"by-openat64", by_openat64},
	{"by-open_2", by_open_2},
	{"by-open64_2", by_open64_2},
	{"by-openat_2", by_openat_2},
	{"by-openat64_2", by_openat64_2},
	{"by-fopen", by_fopen},
	{"by-fopen64", by_fopen64},
	{"by-update", by_update},
	{"by-freopen", by_freopen},
	{"by-freopen64", by_freopen64},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static void step(const char *text)
{
	for (int i = 0; i < WAYS; i++) {
		int fd = ways[i].by(ways[i].name);

		if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
			die("%s", ways[i].name);
		close(fd);
	}
}

static void names_put(void)
{
	FILE *f = fopen("names", "w");

	for (int i = 0; i < WAYS; i++)
		fprintf(f, "%s\n", ways[i].name);
	fclose(f);
}

int main(void)
{
	for (int i = 0; i < WAYS; i++) /* by nobody's leave */
		close((int)syscall(SYS_openat, AT_FDCWD, ways[i].name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
	names_put();
	step("first\n");

	ready();

	so_far = "first\n";
	step("second\n");
	for (int i = 0; i < WAYS; i++) {
		char text[64] = "";
		int fd = open(ways[i].name, O_RDONLY);

		check(read(fd, text, sizeof(text) - 1) > 0 && !strcmp(text, "first\nsecond\n"), "%s: \"%s\"", ways[i].name,
		      text);
		close(fd);
	}
	return verdict();
}
