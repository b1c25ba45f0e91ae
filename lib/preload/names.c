/*
 * Mapped files of /dev/shm that are shown as deleted but have a name. sem_open(3) makes a file under a name of
 * its own, links it to that of the semaphore and removes the first, which maps goes on to show. Such an area
 * is one of a file with a name, or a restarted program and one that opens the semaphore later would
 * not have the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include "preload.h"
#include "frozen.h"

#define SHM_DIR "/dev/shm/"
#define GONE	" (deleted)"

static bool is_candidate(const struct map_line *m)
{
	const size_t dir = sizeof(SHM_DIR) - 1, gone = sizeof(GONE) - 1;

	return m->shared && m->name_len > dir + gone && __builtin_memcmp(m->name, SHM_DIR, dir) == 0 &&
	       __builtin_memcmp(m->name + m->name_len - gone, GONE, gone) == 0;
}

/* Is what the directory calls so the inode that is mapped? */
static bool is_mapped_file(const char *path, const struct map_line *m)
{
	struct stat st;

	return sys_call4(__NR_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == m->ino && st.st_dev == m->dev;
}

/* The path of the inode in /dev/shm; false: it has none. */
static bool name_find(const struct map_line *m, char *path, size_t n)
{
	char buf[4096];
	int fd = sys_open(SHM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool found = false;
	long len;

	if (fd < 0)
		return false;
	while (!found && (len = sys_getdents(fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; !found && at < len;) {
			const struct sys_dirent *d = (const struct sys_dirent *)(buf + at);
			struct text t = {path, 0, n};

			at += d->reclen;
			if (d->ino != m->ino)
				continue;
			text_put(&t, SHM_DIR "%s", d->name);
			found = is_mapped_file(path, m);
		}
	}
	sys_close(fd);
	return found;
}

/* Put another name into the text; the next line is *next then. */
static void name_replace(struct memory *m, size_t cap, const struct map_line *line, const char *name,
			 const char **next)
{
	char *at = (char *)line->name, *behind = at + line->name_len;
	size_t n = str_len(name), rest = m->maps + m->maps_len - behind;

	if (m->maps_len - line->name_len + n >= cap)
		return;
	__builtin_memmove(at + n, behind, rest + 1);
	__builtin_memcpy(at, name, n);
	m->maps_len += n - line->name_len;
	*next += n - line->name_len;
}

void memory_find_names(struct memory *m, size_t cap)
{
	const char *p = m->maps;
	struct map_line line;
	char path[512];

	while (maps_next(&p, m->maps + m->maps_len, &line) > 0)
		if (is_candidate(&line) && name_find(&line, path, sizeof(path)))
			name_replace(m, cap, &line, path, &p);
}
