/*
 * Regular files, as they come back: opened again by path, at the same position. What the program did to them
 * after the checkpoint is undone, so that a restarted program finds what it had.
 *
 * restore() looks and changes nothing, but that it makes files which are gone; fill() cuts back and puts
 * content in its place.
 *
 * What stands at the path now may be anything. So it is looked at before it is opened, which would wait
 * at a FIFO; and what the program writes does not go where a symbolic link leads that was not there.
 */
#include "regular.h"
#include "lock.h"
#include <unistd.h>

static const char *const companion_suffixes[] = {"-journal", "-wal", "-shm"};
enum { COMPANIONS = sizeof(companion_suffixes) / sizeof(companion_suffixes[0]) };

static bool state_get(struct plugin_ctx *c, const struct plugin_file *f, struct regular_state *st)
{
	unsigned int i;
	size_t n;

	for (i = 0; plugin_get(c, f, i, st, sizeof(*st), &n); i++)
		if (st->magic == REGULAR_MAGIC)
			return true;
	return false;
}

/* ---- What the image has of it ------------------------------------------------------------ */

/* Is the inode open for writing through any open file? */
static bool inode_written(const struct plugin_file *f)
{
	const struct plugin_file *p = f;

	do {
		if (plugin_writes(p))
			return true;
		p = p->twin;
	} while (p != f);
	return false;
}

/* The open file of the inode through which its content was saved; NULL: it was not. */
static struct plugin_file *content_of(struct plugin_file *f)
{
	struct plugin_file *p = f;

	do {
		if (p->object && p->policy != FILES_TRUNCATE && p->policy != FILES_IGNORE)
			return p;
		p = p->twin;
	} while (p != f);
	return NULL;
}

/* Did the program have this path open? */
static bool was_open(struct plugin_ctx *c, const char *path, size_t n)
{
	struct plugin_file *f = NULL;

	while ((f = plugin_file_next(c, f)))
		if (str_len(f->link) == n && __builtin_memcmp(f->link, path, n) == 0)
			return true;
	return false;
}

/* Journal, WAL or index of a database that the program had open: a part of that, whatever file it is. */
static bool is_companion(struct plugin_ctx *c, const struct plugin_file *f)
{
	size_t n = str_len(f->link);

	for (int i = 0; i < COMPANIONS; i++)
		if (str_ends(f->link, companion_suffixes[i]))
			return was_open(c, f->link, n - str_len(companion_suffixes[i]));
	return false;
}

/* ---- Is it what it was? ------------------------------------------------------------------ */

/* Another open file of the inode has been restored, and made this file anew for it. */
static bool made_by_twin(const struct plugin_file *f, const struct stat *now)
{
	const struct plugin_file *p;
	struct stat st;

	for (p = f->twin; p != f; p = p->twin)
		if (p->fd >= 0 && sys_call2(__NR_fstat, p->fd, &st) == 0 &&
		    st.st_dev == now->st_dev && st.st_ino == now->st_ino)
			return true;
	return false;
}

static bool is_same(const struct plugin_file *f, const struct stat *st)
{
	return (uint64_t)st->st_size == f->size &&
	       st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec == f->mtime_ns;
}

/* The saved content may take the place of whatever is there: of nothing, or of what is a later state of it. */
static bool may_be_replaced(struct plugin_ctx *c, struct plugin_file *f, const struct stat *st)
{
	struct plugin_file *p = content_of(f);
	struct regular_state state;

	if (!p || !state_get(c, p, &state))
		return false;
	return !st->st_size || state.use == FILE_SEQUENTIAL || is_companion(c, p);
}

/* 0: as far as its use asks. */
static int file_compare(struct plugin_ctx *c, struct plugin_file *f, const struct stat *st, enum file_use use)
{
	bool log = use == FILE_SEQUENTIAL || f->policy == FILES_TRUNCATE;

	if (is_same(f, st) || may_be_replaced(c, f, st))
		return 0;
	if (st->st_ino != f->ino && !made_by_twin(f, st) && !(f->moved && inode_written(f)))
		return plugin_changed(c, f, "is another file now");
	if (use == FILE_READ_ONLY && !inode_written(f))
		return plugin_changed(c, f, "has changed since the checkpoint");
	if (log && (uint64_t)st->st_size < f->size)
		return plugin_changed(c, f, "has %lu bytes, it had %lu at the checkpoint",
				      (unsigned long)st->st_size, (unsigned long)f->size);
	if (use == FILE_UNSAVED && !log)
		plugin_caution(c, f, "has changed since the checkpoint and its content was not saved");
	return 0;
}

static int file_check(struct plugin_ctx *c, struct plugin_file *f, int fd, enum file_use use)
{
	struct stat st;
	int err = sys_call2(__NR_fstat, fd, &st);

	if (!err && S_ISLNK(st.st_mode))
		return plugin_fail(c, f, 0, "is a symbolic link now");
	if (err || !S_ISREG(st.st_mode))
		return plugin_fail(c, f, err, "is no regular file now");
	return f->policy == FILES_IGNORE ? 0 : file_compare(c, f, &st, use);
}

/* ---- Opening ----------------------------------------------------------------------------- */

/* A log that was rotated since has another name, which f->data is then; fill() gives it back its own. */
static void renamed_find(struct plugin_ctx *c, struct plugin_file *f, enum file_use use)
{
	bool log = use == FILE_SEQUENTIAL || (use == FILE_READ_ONLY && inode_written(f));

	if (log && f->policy != FILES_IGNORE)
		f->data = (void *)plugin_renamed(c, f);
}

/* What stands at the path, not opened yet. */
static int place_open(const struct plugin_file *f)
{
	return sys_open(f->data ? f->data : f->link, O_PATH | O_CLOEXEC | (plugin_writes(f) ? O_NOFOLLOW : 0), 0);
}

/* Its mode may forbid what it did not when the file was made: for the owner it can be changed. */
static int open_despite_mode(struct plugin_ctx *c, const struct plugin_file *f, int place)
{
	const char *path = plugin_fd_path(c, place);
	struct stat st;
	int fd = plugin_open_again(place, f->flags);

	if (fd != -EACCES || sys_call2(__NR_fstat, place, &st))
		return fd;
	if (sys_call2(__NR_chmod, path, (st.st_mode & 07777) | 0600))
		return fd;
	fd = plugin_open_again(place, f->flags);
	sys_call2(__NR_chmod, path, st.st_mode & 07777);
	return fd;
}

/* A file that is gone: does it come back, if but as an empty one? */
static bool may_be_made(struct plugin_ctx *c, struct plugin_file *f)
{
	if (content_of(f) || f->policy == FILES_IGNORE)
		return true;
	if (f->policy != FILES_FORCE || !plugin_writes(f))
		return false;
	plugin_caution(c, f, "is gone; it begins anew");
	return true;
}

static int file_make(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open(f->link, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return plugin_fail(c, f, fd, "is gone, and can't be made anew");
	f->made = true;
	sys_call2(__NR_fchmod, fd, f->mode & 07777);
	sys_close(fd);
	plugin_note(c, f, "was gone; it is made anew");
	return 0;
}

static int named_restore(struct plugin_ctx *c, struct plugin_file *f, enum file_use use)
{
	int place, err = 0, fd;

	renamed_find(c, f, use);
	place = place_open(f);
	if (place == -ENOENT && may_be_made(c, f)) {
		err = file_make(c, f);
		place = err ? err : place_open(f);
	}
	if (err)
		return err;
	if (place == -ENOENT)
		return plugin_fail(c, f, 0, "is gone, and the program had it open");
	if (place < 0)
		return plugin_fail(c, f, place, "can't be opened again");
	err = file_check(c, f, place, use);
	fd = err ? err : open_despite_mode(c, f, place);
	sys_close(place);
	return !err && fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

/* ---- Not open ---------------------------------------------------------------------------- */

/* It stays as it is. */
static int closed_leave(struct plugin_file *f)
{
	f->policy = FILES_IGNORE;
	return sys_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
}

/* Is there anything to be put back, and can it be? */
static bool closed_changed(struct plugin_ctx *c, struct plugin_file *f, enum file_use use)
{
	struct stat st;
	int err = sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, AT_SYMLINK_NOFOLLOW);

	if (f->policy == FILES_IGNORE || (!err && is_same(f, &st)))
		return false;
	if (err)
		return err == -ENOENT && content_of(f);
	if (!S_ISREG(st.st_mode) || (st.st_ino != f->ino && !f->moved)) {
		plugin_caution(c, f, "is another file since the checkpoint, and stays as it is");
		return false;
	}
	if (use == FILE_SEQUENTIAL && (uint64_t)st.st_size < f->size)
		plugin_caution(c, f, "has %lu bytes, it had %lu at the checkpoint, and stays as it is",
			       (unsigned long)st.st_size, (unsigned long)f->size);
	return use != FILE_SEQUENTIAL || (uint64_t)st.st_size > f->size;
}

/* Nothing that becomes of it is a reason not to restart. */
static int closed_restore(struct plugin_ctx *c, struct plugin_file *f, enum file_use use)
{
	int fd = closed_changed(c, f, use) ? named_restore(c, f, use) : -1;

	return fd < 0 ? closed_leave(f) : fd;
}

static int deleted_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int object = plugin_object_fd(c, f, f->object);
	int fd = object < 0 ? object : plugin_open_again(object, f->flags);

	return object >= 0 && fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

int regular_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st;
	int fd, err;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = st.use == FILE_DELETED ? deleted_restore(c, f)
	     : f->closed	    ? closed_restore(c, f, st.use)
				    : named_restore(c, f, st.use);
	if (fd < 0)
		return fd;
	f->fd = fd;
	err = locks_restore(c, f);
	return err ? err : fd;
}

/* ---- Content ----------------------------------------------------------------------------- */

/*
 * A journal or WAL that SQLite has made after the checkpoint belongs to a later state of the database: it would
 * be played back onto this one. One that has not changed since is the database's.
 */
static int companion_set_aside(struct plugin_ctx *c, const struct plugin_file *f, const char *suffix)
{
	enum { COARSE_NS = 20000000 }; /* times of files are those of the last tick */
	size_t n = str_len(f->link), m = str_len(suffix);
	char *path = plugin_alloc(c, n + m + 1);
	struct stat st;

	if (!path)
		return -ENOMEM;
	__builtin_memcpy(path, f->link, n);
	__builtin_memcpy(path + n, suffix, m);
	if (was_open(c, path, n + m) || sys_call4(__NR_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec < plugin_saved_at(c) - COARSE_NS)
		return 0;
	return plugin_set_aside(c, f, path);
}

static bool is_database(const struct plugin_file *f)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)];

	return sys_call4(__NR_pread64, f->fd, head, sizeof(head), 0) == sizeof(head) &&
	       __builtin_memcmp(head, magic, sizeof(magic)) == 0;
}

static int companions_set_aside(struct plugin_ctx *c, const struct plugin_file *f)
{
	int err = 0;

	for (int i = 0; !err && i < COMPANIONS && is_database(f); i++)
		err = companion_set_aside(c, f, companion_suffixes[i]);
	return err ? plugin_fail(c, f, err, "a journal that came later can't be set aside") : 0;
}

static int cut_back(struct plugin_ctx *c, const struct plugin_file *f, const struct stat *now)
{
	int err;

	if ((uint64_t)now->st_size <= f->size)
		return 0;
	err = sys_call2(__NR_ftruncate, f->fd, f->size);
	return err ? plugin_fail(c, f, err, "can't be cut back to %lu bytes", (unsigned long)f->size) : 0;
}

/* Of what has the content of that time: others take a newer one for changed. Only its owner may. */
static void time_put_back(const struct plugin_file *f)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{f->mtime_ns / 1000000000, f->mtime_ns % 1000000000},
	};

	sys_call4(__NR_utimensat, f->fd, NULL, times, 0);
}

/* Cut a log back, or put the saved content in its place. */
static int content_restore(struct plugin_ctx *c, struct plugin_file *f, enum file_use use)
{
	struct stat st;
	int err = sys_call2(__NR_fstat, f->fd, &st);

	if (err || use == FILE_READ_ONLY || f->policy == FILES_IGNORE)
		return 0;
	if (f->data) {
		err = plugin_rename_back(c, f, f->data);
		return err ? plugin_fail(c, f, err, "can't have its name again") : cut_back(c, f, &st);
	}
	if (f->policy == FILES_TRUNCATE)
		return cut_back(c, f, &st);
	if (use == FILE_IN_PLACE || (use == FILE_SEQUENTIAL && f->object && !is_same(f, &st))) {
		err = plugin_object_fd(c, f, f->object);
		if (err >= 0)
			time_put_back(f);
		return err < 0 ? err : companions_set_aside(c, f);
	}
	return use == FILE_SEQUENTIAL ? cut_back(c, f, &st) : 0;
}

/* A log that is shorter, and was forced, goes on at its end: no hole. */
static int64_t position(const struct plugin_file *f, enum file_use use)
{
	struct stat st;
	bool log = use == FILE_SEQUENTIAL && f->policy == FILES_FORCE && !sys_call2(__NR_fstat, f->fd, &st);

	return log && st.st_size < f->pos ? st.st_size : f->pos;
}

int regular_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st;
	off_t pos;
	int err;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	err = st.use == FILE_DELETED ? 0 : content_restore(c, f, st.use);
	if (err)
		return err;
	if (st.use == FILE_DELETED)
		time_put_back(f);
	pos = sys_lseek(f->fd, position(f, st.use), SEEK_SET);
	return pos < 0 ? plugin_fail(c, f, pos, "its position can't be set") : 0;
}
