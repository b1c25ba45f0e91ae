/*
 * seed DIR [IMAGE]: first inputs for the fuzzers, one directory each. Of a real image everything is taken but what
 * its chunks hold: they are as large, but of zeros, so that it is small enough to be fuzzed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "../unit/sample.h"

static int create(const char *top, const char *target, const char *name)
{
	char path[4096];
	struct text t = TEXT(path);
	int fd;

	text_put(&t, "%s/%s", top, target);
	mkdir(path, 0755);
	text_put(&t, "/%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* A sample image of one process or two; the byte behind it tells image_fuzz whether to mend checksums. */
static int seed_image(const char *top, const char *name, int processes, int level, const char *last)
{
	int fd = create(top, "image_fuzz", name);
	int r = processes == 1 ? sample_write(fd, level) : sample_write_two(fd, level);

	if (r == 0)
		r = io_pwrite(fd, last, 1, lseek(fd, 0, SEEK_END));
	close(fd);
	return r;
}

static int put_zeros(struct image_writer *w, const struct image *img)
{
	static uint8_t zeros[IMAGE_CHUNK_MAX];
	struct image_chunk *chunks = calloc(img->nchunks + 1, sizeof(*chunks));
	struct image_scratch scratch;
	uint32_t first;
	int r = image_scratch_init(&scratch, w->level, IMAGE_CHUNK_MAX);

	if (r == 0)
		r = image_take_chunks(w, img->nchunks, &first);
	for (uint64_t i = 0; r == 0 && i < img->nchunks; i++)
		r = image_put_chunk(w, &scratch, zeros, img->chunks[i].raw, &chunks[i]);
	return r < 0 ? r : image_put_chunks(w, 0, 0, chunks, img->nchunks);
}

/* All but the tables of chunks. */
static int put_sections(struct image_writer *w, struct image *img)
{
	char buf[256];
	struct text why = TEXT(buf);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < img->nsections; i++) {
		const struct image_section *s = &img->sections[i];
		void *data;
		size_t n;

		if (s->type == SECTION_CHUNKS)
			continue;
		r = image_read_section(img, s, &data, &n, &why);
		if (r == 0)
			r = image_put_section(w, s->type, s->flags, s->owner, data, n);
	}
	return r;
}

static int seed_real(const char *top, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = create(top, "image_fuzz", "real"), r;
	struct image_writer w = {.fd = to, .level = 19};
	struct image img;
	char buf[256] = "";
	struct text why = TEXT(buf);

	r = from < 0 ? from : image_open(&img, from, &why);
	if (r < 0) {
		fprintf(stderr, "seed: %s: %s\n", path, buf);
		return r;
	}
	w.shared = sample_shared(img.nprocesses);
	r = w.shared ? image_begin(&w, img.header.created_ns) : -ENOMEM;
	if (r == 0)
		r = put_zeros(&w, &img);
	w.level = 0; /* tables and records as they are, for the fuzzer to see them */
	if (r == 0)
		r = put_sections(&w, &img);
	if (r == 0)
		r = image_end(&w);
	if (r == 0)
		r = io_pwrite(to, "m", 1, lseek(to, 0, SEEK_END));
	close(to);
	return r;
}

static int seed_maps(const char *top)
{
	static char maps[1 << 20];
	ssize_t n = io_read_file("/proc/self/maps", maps, sizeof(maps));
	int fd = create(top, "maps_fuzz", "self"), r;

	r = n < 0 ? (int)n : io_write(fd, maps, n);
	close(fd);
	return r;
}

/* What the kernel says of an open file of a kind; the first byte is the fuzzer's number of the plugin. */
static int seed_fdinfo(const char *top, const char *name, char plugin, int fd)
{
	char path[64], info[4096] = {plugin};
	struct text t = TEXT(path);
	int out = create(top, "fdinfo_fuzz", name), r;
	ssize_t n;

	text_put(&t, "/proc/self/fdinfo/%d", fd);
	n = io_read_file(path, info + 1, sizeof(info) - 1);
	r = n < 0 ? (int)n : io_write(out, info, n + 1);
	close(out);
	close(fd);
	return r;
}

/* With two items, of which one is a signalfd. */
static int epoll_make(void)
{
	int ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef0};
	sigset_t set;

	sigemptyset(&set);
	epoll_ctl(ep, EPOLL_CTL_ADD, signalfd(-1, &set, 0), &e);
	epoll_ctl(ep, EPOLL_CTL_ADD, eventfd(0, 0), &e);
	return ep;
}

static int inotify_make(void)
{
	int fd = inotify_init1(0);

	inotify_add_watch(fd, "/", IN_CREATE);
	inotify_add_watch(fd, "/tmp", IN_ALL_EVENTS);
	return fd;
}

static int locked_make(void)
{
	struct flock part = {.l_type = F_WRLCK, .l_start = 10, .l_len = 20}, rest = {.l_type = F_RDLCK, .l_start = 40};
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	flock(fd, LOCK_EX);
	fcntl(fd, F_SETLK, &part);
	fcntl(fd, F_OFD_SETLK, &rest);
	return fd;
}

static int seed_fdinfos(const char *top)
{
	sigset_t set;
	int r;

	sigfillset(&set);
	r = seed_fdinfo(top, "epoll", 0, epoll_make());
	r |= seed_fdinfo(top, "eventfd", 1, eventfd(7, EFD_SEMAPHORE));
	r |= seed_fdinfo(top, "inotify", 2, inotify_make());
	r |= seed_fdinfo(top, "pidfd", 3, syscall(SYS_pidfd_open, getpid(), 0));
	r |= seed_fdinfo(top, "signalfd", 4, signalfd(-1, &set, 0));
	r |= seed_fdinfo(top, "timerfd", 5, timerfd_create(CLOCK_MONOTONIC, 0));
	r |= seed_fdinfo(top, "locks", 6, locked_make());
	return r;
}

static int seed_globs(const char *top)
{
	static const char globs[] = "/a*b?,*.log\0/axxbc";
	int fd = create(top, "glob_fuzz", "patterns"), r = io_write(fd, globs, sizeof(globs) - 1);

	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: seed DIR [IMAGE]\n");
		return 2;
	}
	if (seed_image(argv[1], "raw", 1, 0, "m") < 0 || seed_image(argv[1], "zstd", 1, 1, "m") < 0 ||
	    seed_image(argv[1], "as-is", 1, 1, "r") < 0 || seed_image(argv[1], "two", 2, 0, "m") < 0 ||
	    (argc == 3 && seed_real(argv[1], argv[2]) < 0) || seed_maps(argv[1]) < 0 || seed_fdinfos(argv[1]) < 0 || seed_globs(argv[1]) < 0) {
		fprintf(stderr, "seed: cannot write to %s\n", argv[1]);
		return 1;
	}
	return 0;
}
