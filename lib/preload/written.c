/* Notes of files that are opened to be changed: see written.h. Of threads that note at once none waits for another. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "files.h"
#include "written.h"
#include "frozen.h"

struct written *written;

/* A memfd, for anonymous memory that is shared is shown by another name after a restart. */
void written_init(void)
{
	size_t n = ALIGN_UP(sizeof(*written), CKPT_PAGE);
	const char *files = preload.config.files;
	void *p;
	int fd;

	while (*files && *files != ':')
		files++;
	fd = *files ? sys_call2(__NR_memfd_create, "ckpt_written", MFD_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (sys_call2(__NR_ftruncate, fd, n) == 0) {
		p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		written = sys_is_err(p) ? NULL : p;
	}
	sys_close(fd);
}

static struct written_file *set_of(uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino * 0x9e3779b97f4a7c15ull) ^ (dev * 0xc2b2ae3d27d4eb4full);

	return written->file[h >> 32 & (WRITTEN_SETS - 1)];
}

static bool is_of(const struct written_file *w, const struct stat *st)
{
	return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE) == WRITTEN_NOTED && w->ino == st->st_ino &&
	       w->dev == st->st_dev;
}

/* The one of the set that gives way: a free one, or that which was opened longest ago. */
static struct written_file *oldest_of(struct written_file *set)
{
	struct written_file *w = set;

	for (struct written_file *i = set; i < set + WRITTEN_WAYS; i++) {
		if (i->state == WRITTEN_FREE)
			return i;
		if (w->state == WRITTEN_TAKEN || (i->state == WRITTEN_NOTED && i->stamp < w->stamp))
			w = i;
	}
	return w;
}

bool written_is_named(const char *path)
{
	enum files_policy policy = files_policy_named(preload.config.files, path);

	return policy == FILES_SAVE || policy == FILES_TRUNCATE;
}

static bool path_of(int fd, char *path)
{
	char name[64];
	struct text t = TEXT(name);
	ssize_t n;

	text_put(&t, "/proc/thread-self/fd/%d", fd);
	n = sys_readlink(name, path, WRITTEN_PATH_MAX);
	if (n <= 0 || n == WRITTEN_PATH_MAX)
		return false;
	path[n] = 0;
	return true;
}

static void note_new(struct written_file *set, int fd, const struct stat *st)
{
	char path[WRITTEN_PATH_MAX];
	struct written_file *w = oldest_of(set);
	uint32_t state = w->state;

	if (state == WRITTEN_TAKEN || !path_of(fd, path) || !written_is_named(path) ||
	    !__atomic_compare_exchange_n(&w->state, &state, WRITTEN_TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	w->dev = st->st_dev;
	w->ino = st->st_ino;
	w->moved = false;
	w->stamp = __atomic_add_fetch(&written->stamp, 1, __ATOMIC_RELAXED);
	str_copy(w->path, path, sizeof(w->path));
	__atomic_store_n(&w->state, WRITTEN_NOTED, __ATOMIC_RELEASE); /* pairs with is_of() */
}

void written_note(int fd, int flags)
{
	struct written_file *set;
	struct stat st;

	if (!written || (flags & O_ACCMODE) == O_RDONLY || flags & O_PATH || !preload.active ||
	    sys_call2(__NR_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_nlink)
		return;
	set = set_of(st.st_dev, st.st_ino);
	for (struct written_file *w = set; w < set + WRITTEN_WAYS; w++) {
		if (!is_of(w, &st))
			continue;
		__atomic_store_n(&w->stamp, __atomic_add_fetch(&written->stamp, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
		return;
	}
	note_new(set, fd, &st);
}

static void file_move(struct written_file *w, void (*move)(char *path, size_t n))
{
	uint32_t state = WRITTEN_NOTED;

	if (!__atomic_compare_exchange_n(&w->state, &state, WRITTEN_TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	if (!w->moved)
		move(w->path, sizeof(w->path));
	w->moved = true;
	__atomic_store_n(&w->state, WRITTEN_NOTED, __ATOMIC_RELEASE);
}

void written_move(void (*move)(char *path, size_t n))
{
	for (int i = 0; written && i < WRITTEN_SETS; i++)
		for (int k = 0; k < WRITTEN_WAYS; k++)
			file_move(&written->file[i][k], move);
}
