/*
 * Locks on files: flock(2), fcntl(2) locks of the process and of the open file (OFD), leases.
 * fdinfo lists those that its open file or, for fcntl's, its process holds:
 *
 *	lock:	1: POSIX  ADVISORY  WRITE 812 fe:00:10952942 10 14
 */
#include "lock.h"
#include <sys/file.h>

enum lock_kind { LOCK_FLOCK = 1, LOCK_POSIX, LOCK_OFD, LOCK_LEASE };

/* Stands among the other records of the file. */
struct lock_state {
	uint32_t magic; /* tells it from these */
	uint32_t kind;
	int32_t type; /* F_RDLCK, F_WRLCK */
	uint32_t reserved;
	int64_t start, len; /* len 0: to the end of the file, however it grows */
};

enum { LOCK_MAGIC = 0x4b434f4c };

/* Parse a line of fdinfo; false when it is no lock. */
static bool lock_parse(const char *line, struct lock_state *l)
{
	static const struct {
		const char *name;
		enum lock_kind kind;
	} kinds[] = {
		{"FLOCK", LOCK_FLOCK},
		{"POSIX", LOCK_POSIX},
		{"OFDLCK", LOCK_OFD},
		{"LEASE", LOCK_LEASE},
	};
	const char *p = text_in_line(line, ": ");
	size_t i;

	if (!str_starts(line, "lock:") || !p)
		return false;
	*l = (struct lock_state){.magic = LOCK_MAGIC};
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_starts(p, kinds[i].name))
			l->kind = kinds[i].kind;
	l->type = text_in_line(p, " WRITE ") ? F_WRLCK : F_RDLCK;
	return l->kind;
}

/* Start and last byte: the last two words of the line. */
static void lock_parse_range(const char *line, struct lock_state *l)
{
	const char *range = text_in_line(line, " READ ");
	uint64_t last;

	if (!range)
		range = text_in_line(line, " WRITE ");
	if (!range)
		return;
	range = text_in_line(range, " ");		 /* behind the pid */
	range = range ? text_in_line(range, " ") : NULL; /* and the inode */
	if (!range)
		return;
	l->start = parse_dec(&range);
	if (!parse_skip(&range, " ") || str_starts(range, "EOF"))
		return;
	last = parse_dec(&range);
	l->len = last - l->start + 1;
}

static struct flock flock_of(const struct lock_state *l)
{
	return (struct flock){.l_type = l->type, .l_start = l->start, .l_len = l->len};
}

/*
 * A lock of fcntl(2) is the process's, and shows in every open file that it has of the inode; not
 * each of them can take it again.
 */
static void lock_keep(struct plugin_ctx *c, const struct plugin_file *f, const struct lock_state *l)
{
	struct flock fl = flock_of(l);

	if (f->number >= 0 && (l->type == F_WRLCK ? plugin_writes(f) : plugin_reads(f)))
		plugin_keep_lock(c, f, &fl);
}

bool locks_save(struct plugin_ctx *c, const struct plugin_file *f)
{
	const char *line = plugin_fdinfo(c, f);
	struct lock_state l;
	bool delicate = false;

	for (; line && *line; line = text_next_line(line)) {
		if (!lock_parse(line, &l))
			continue;
		lock_parse_range(line, &l);
		plugin_put(c, f, &l, sizeof(l), NULL, 0);
		if (l.kind == LOCK_POSIX)
			lock_keep(c, f, &l);
		delicate |= l.kind == LOCK_POSIX || l.kind == LOCK_LEASE;
	}
	return delicate;
}

/* Has anybody a lock that would stand against one of an open file? Most files have none. */
static bool may_be_locked(const struct plugin_file *f)
{
	struct flock fl = {.l_type = F_WRLCK};

	return sys_fcntl(f->fd, F_OFD_GETLK, (long)&fl) || fl.l_type != F_UNLCK;
}

void locks_share(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *line = may_be_locked(f) ? plugin_fdinfo(c, f) : NULL;
	struct lock_state l;

	for (; line && *line; line = text_next_line(line)) {
		if (!lock_parse(line, &l) || l.kind != LOCK_POSIX)
			continue;
		lock_parse_range(line, &l);
		lock_keep(c, f, &l);
	}
}

/* ---- Restart ----------------------------------------------------------------------------- */

/* Is a lock of fcntl(2) free? 0 or -errno; *holder: the process that has it, -1: an open file. */
static int lock_test(int fd, const struct lock_state *l, int *holder)
{
	struct flock fl = flock_of(l);
	int err = sys_fcntl(fd, F_GETLK, (long)&fl);

	if (err || fl.l_type == F_UNLCK)
		return err;
	*holder = fl.l_pid;
	return -EAGAIN;
}

static int lock_take(int fd, const struct lock_state *l, int *holder)
{
	struct flock fl = flock_of(l);

	switch (l->kind) {
	case LOCK_FLOCK:
		return sys_call2(__NR_flock, fd,
				 (l->type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
	case LOCK_OFD:
		return sys_fcntl(fd, F_OFD_SETLK, (long)&fl);
	case LOCK_LEASE:
		return sys_fcntl(fd, F_SETLEASE, l->type);
	default:
		return lock_test(fd, l, holder);
	}
}

int locks_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct lock_state l;
	unsigned int i;
	size_t n;
	int err, holder = 0;

	for (i = 0; plugin_get(c, f, i, &l, sizeof(l), &n); i++) {
		err = l.magic == LOCK_MAGIC ? lock_take(f->fd, &l, &holder) : 0;
		if (err && holder > 0)
			return plugin_fail(c, f, 0, "process %d holds the lock that it had",
					   holder);
		if (err == -EAGAIN)
			return plugin_fail(c, f, 0, "another process holds the lock that it had");
		if (err)
			return plugin_fail(c, f, err, "the lock that it had can't be taken again");
	}
	return 0;
}
