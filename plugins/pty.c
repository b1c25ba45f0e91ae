/*
 * Pseudo terminals of the job's own: pairs whose master is an open file of the job.
 *
 * Who saves the master saves the pair, through a slave of its own that it opens for the moment. Slaves tell
 * no more than which they are. A slave whose master has gone has been hung up, and stays so.
 *
 * At restart the masters are made in a file system of the capsule's own (src/restart/devpts.c), all at once:
 * numbers are given out in ascending order, so those in between are kept open until all have theirs.
 */
#include "pty.h"
#include <poll.h>
#include <signal.h>

enum pts_flag {
	PTS_HUNG_UP = 1,
	PTS_DEV_TTY = 2, /* opened as /dev/tty, by a process of that session */
};

struct pts_state {
	uint32_t index;
	uint32_t flags; /* enum pts_flag */
	int32_t session;
	uint32_t reserved;
};

static bool ptm_match(const struct plugin_file *f)
{
	return S_ISCHR(f->mode) && f->rdev == DEV_PTMX && !(f->flags & O_PATH);
}

static char *path_pts(uint32_t index, char *buf)
{
	char digits[12], *d = digits + sizeof(digits);
	const char *p = "/dev/pts/";
	char *out = buf;

	*--d = 0;
	do
		*--d = '0' + index % 10;
	while (index /= 10);
	while (*p)
		*out++ = *p++;
	while ((*out++ = *d++))
		;
	return buf;
}

/* ---- Save: the pair ---------------------------------------------------------------------- */

/* The file system of slaves: that of the master's node, or the one that is mounted beside it. */
static uint64_t instance_of(const struct plugin_file *ptm)
{
	struct stat st;

	if (str_starts(ptm->link, "/dev/pts/") || sys_call2(__NR_stat, "/dev/pts", &st))
		return ptm->dev;
	return st.st_dev;
}

static bool master_hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	sys_call3(__NR_poll, &p, 1, 0);
	return p.revents & POLLHUP;
}

/* Has anybody opened the slave? To open it when nobody has would be seen at the master. */
static bool slave_is_open(struct plugin_ctx *c, const struct pty_state *st)
{
	char path[32];
	struct stat s;

	if (st->session)
		return true;
	if (sys_call2(__NR_stat, path_pts(st->index, path), &s) || s.st_dev != st->dev)
		return false;
	return plugin_file_by_inode(c, s.st_dev, s.st_ino);
}

static int sys_get(int fd, unsigned long request)
{
	int n = 0;

	return sys_ioctl(fd, request, &n) < 0 ? 0 : n;
}

static void pair_look(struct plugin_ctx *c, const struct plugin_file *f, struct pty_state *st)
{
	st->index = sys_get(f->fd, TIOCGPTN);
	st->dev = instance_of(f);
	st->session = sys_get(f->fd, TIOCGSID);
	st->foreground = st->session ? sys_get(f->fd, TIOCGPGRP) : 0;
	sys_ioctl(f->fd, TCGETS2, &st->termios);
	sys_ioctl(f->fd, TIOCGWINSZ, &st->size);
	if (sys_get(f->fd, TIOCGPKT))
		st->flags |= PTY_PACKET;
	if (sys_get(f->fd, TIOCGPTLCK))
		st->flags |= PTY_LOCKED;
	if (master_hung_up(f->fd))
		st->flags |= PTY_OPENED | PTY_CLOSED;
	else if (slave_is_open(c, st))
		st->flags |= PTY_OPENED;
}

/* One that is open keeps us from opening another when it is in exclusive mode. */
static struct plugin_file *slave_find(struct plugin_ctx *c, const struct pty_state *st)
{
	struct plugin_file *f = NULL;

	while ((f = plugin_file_next(c, f)))
		if (f->fd >= 0 && S_ISCHR(f->mode) && pts_is_slave(f->rdev) && f->dev == st->dev &&
		    pts_index(f->rdev) == st->index && !(f->flags & O_PATH))
			return f;
	return NULL;
}

static void set_lock(int master, int lock)
{
	sys_ioctl(master, TIOCSPTLCK, &lock);
}

/* A slave of our own for the moment, or -errno. */
static int slave_open(struct plugin_ctx *c, const struct plugin_file *f, const struct pty_state *st)
{
	struct plugin_file *other = slave_find(c, st);
	int fd, exclusive = other ? sys_get(other->fd, TIOCGEXCL) : 0;

	if (exclusive)
		sys_ioctl(other->fd, TIOCNXCL, NULL);
	if (st->flags & PTY_LOCKED)
		set_lock(f->fd, 0);
	fd = pty_open_slave(f->fd, O_RDWR | O_NONBLOCK);
	if (st->flags & PTY_LOCKED)
		set_lock(f->fd, 1);
	if (exclusive)
		sys_ioctl(other->fd, TIOCEXCL, NULL);
	return fd;
}

/*
 * Who is in the background of its own terminal can't read it: so be in the foreground. The group that was
 * there; 0: nothing has been changed.
 */
static int32_t foreground_take(int slave)
{
	int32_t own = sys_call1(__NR_getpgid, 0), was = 0;

	if (sys_ioctl(slave, TIOCGPGRP, &was) < 0 || was == own)
		return 0;
	return sys_ioctl(slave, TIOCSPGRP, &own) < 0 ? 0 : was;
}

static void put_pair(struct plugin_ctx *c, const struct plugin_file *f, const struct pty_state *st,
		     const struct pty_bytes *b)
{
	size_t nin = st->nin * sizeof(b->in[0]);
	uint8_t *more = plugin_alloc(c, nin + st->nout + st->nraw + 1);

	if (!more)
		return;
	__builtin_memcpy(more, b->in, nin);
	__builtin_memcpy(more + nin, b->out, st->nout);
	__builtin_memcpy(more + nin + st->nout, b->raw, st->nraw);
	plugin_put(c, f, st, sizeof(*st), more, nin + st->nout + st->nraw);
}

/* What is on its way. With O_ASYNC the bytes that are put back would be told by a signal. */
static void pair_content(struct plugin_ctx *c, const struct plugin_file *f, int slave, struct pty_state *st)
{
	struct pty_bytes *b = plugin_alloc(c, sizeof(*b));
	int32_t foreground;
	int err, back = 0;

	if (!b)
		return;
	foreground = foreground_take(slave);
	sys_fcntl(f->fd, F_SETFL, (f->flags | O_NONBLOCK) & ~O_ASYNC);
	if (pty_drain(f->fd, slave, st, b, &err))
		back = pty_refill(f->fd, slave, st, b->in, b->out, b->raw);
	sys_fcntl(f->fd, F_SETFL, f->flags);
	if (foreground)
		sys_ioctl(slave, TIOCSPGRP, &foreground);
	if (err || back)
		plugin_refuse(c, f, "bytes in it can't be saved: %s", errno_name(err ? err : back));
	else
		put_pair(c, f, st, b);
}

static void ptm_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pty_state st = {0};
	int slave, discipline = 0;

	pair_look(c, f, &st);
	if (!(st.flags & PTY_OPENED)) {
		plugin_put(c, f, &st, sizeof(st), NULL, 0);
		return;
	}
	slave = slave_open(c, f, &st);
	if (slave < 0) {
		plugin_refuse(c, f, "its slave, number %u, can't be opened: %s", st.index, errno_name(slave));
		return;
	}
	if (sys_get(slave, TIOCGEXCL))
		st.flags |= PTY_EXCLUSIVE;
	sys_ioctl(slave, TIOCGETD, &discipline);
	if (discipline)
		plugin_refuse(c, f, "its line discipline is number %d", discipline);
	else
		pair_content(c, f, slave, &st);
	sys_close(slave);
}

/* ---- Save: slaves ------------------------------------------------------------------------ */

static bool is_hung_up(const struct plugin_file *f)
{
	struct termios2 t;

	return sys_ioctl(f->fd, TCGETS2, &t) == -EIO;
}

/* Number of a master that this or another process has. */
static int64_t master_index(struct plugin_ctx *c, const struct plugin_file *f)
{
	unsigned int n;
	const char *info;

	if (f->fd >= 0)
		return sys_ioctl(f->fd, TIOCGPTN, &n) < 0 ? -1 : (int64_t)n;
	info = plugin_fdinfo(c, f);
	info = info ? proc_field(info, "tty-index:") : NULL;
	return info ? (int64_t)parse_dec(&info) : -1;
}

/* The master with this number among those made through the node at path. */
static struct plugin_file *master_at(struct plugin_ctx *c, const char *path, uint32_t index, uint64_t dev)
{
	struct plugin_file *first, *f;
	struct stat st;

	if (sys_call2(__NR_stat, path, &st))
		return NULL;
	first = f = plugin_file_by_inode(c, st.st_dev, st.st_ino);
	while (f) {
		if (ptm_match(f) && (!dev || instance_of(f) == dev) && master_index(c, f) == index)
			return f;
		f = f->twin == first ? NULL : f->twin;
	}
	return NULL;
}

/* dev: of the slaves, 0: unknown. */
static struct plugin_file *master_find(struct plugin_ctx *c, uint32_t index, uint64_t dev)
{
	struct plugin_file *f = master_at(c, "/dev/ptmx", index, dev);

	return f ? f : master_at(c, "/dev/pts/ptmx", index, dev);
}

/*
 * What was opened as /dev/tty has no inode that would tell which terminal it is, and the one of outside may
 * have the number of one inside. When it is ours its session tells.
 */
static bool dev_tty_is_own(struct plugin_ctx *c, const struct plugin_file *f, struct pts_state *st)
{
	unsigned int rdev = 0;

	st->flags = PTS_DEV_TTY;
	if (sys_ioctl(f->fd, TIOCGSID, &st->session) < 0)
		st->session = 0;
	else if (!plugin_is_member(c, st->session))
		return false;
	if (sys_ioctl(f->fd, TIOCGDEV, &rdev) < 0 || !pts_is_slave(rdev))
		return false;
	st->index = pts_index(rdev);
	return master_find(c, st->index, 0);
}

static bool slave_is_own(struct plugin_ctx *c, const struct plugin_file *f, struct pts_state *st)
{
	if (f->rdev == DEV_TTY)
		return dev_tty_is_own(c, f, st);
	st->index = pts_index(f->rdev);
	return pts_is_slave(f->rdev) && master_find(c, st->index, f->dev);
}

bool pts_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pts_state st = {0};

	if (is_hung_up(f)) {
		if (f->process == 0 && f->number < 3)
			return false; /* it was of outside */
		st.index = f->rdev == DEV_TTY ? 0 : pts_index(f->rdev);
		st.flags = PTS_HUNG_UP;
	} else if (!slave_is_own(c, f, &st)) {
		return false;
	}
	f->plugin = &plugin_pts;
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
	return true;
}

static bool pts_match(const struct plugin_file *f)
{
	(void)f;
	return false; /* plugin_tty finds out */
}

/* ---- Restart: masters -------------------------------------------------------------------- */

/* A pair that is to be made. */
struct pair {
	uint32_t index;
	bool hung_up; /* the master is nobody's: it is closed to hang up the slaves, and any number will do */
	int fd;	      /* of the master, -1: not yet; of one that is somebody's until that has been told */
	struct plugin_file *ptm;
	struct pair *next;
};

/* A master with another number. */
struct filler {
	int fd;
	struct filler *next;
};

/* Data of the first open file of the two kinds. */
struct pairs {
	struct pair *first;
	struct filler *fillers;
	uint32_t missing, highest;
};

static bool is_pty(const struct plugin_file *f)
{
	return f->plugin == &plugin_ptm || f->plugin == &plugin_pts;
}

static struct pair *pair_find(const struct pairs *all, uint32_t index, bool hung_up)
{
	struct pair *p = all->first;

	while (p && (p->index != index || p->hung_up != hung_up))
		p = p->next;
	return p;
}

static int pair_add(struct plugin_ctx *c, struct pairs *all, const struct pair *pair)
{
	struct pair *p = plugin_alloc(c, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = *pair;
	p->next = all->first;
	all->first = p;
	all->missing++;
	if (!p->hung_up && p->index > all->highest)
		all->highest = p->index;
	return 0;
}

static int master_note(struct plugin_ctx *c, struct plugin_file *f, struct pairs *all)
{
	struct pty_state st;
	size_t n;
	int err;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	if (pair_find(all, st.index, false))
		return plugin_fail(c, f, 0, "there is another pseudo terminal with number %u", st.index);
	err = pair_add(c, all, &(struct pair){.index = st.index, .fd = -1, .ptm = f});
	return err ? plugin_fail(c, f, err, "a pseudo terminal") : 0;
}

static int slave_note(struct plugin_ctx *c, const struct plugin_file *f, struct pairs *all)
{
	struct pts_state st;
	size_t n;
	int err;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	if (!(st.flags & PTS_HUNG_UP) || pair_find(all, st.index, true))
		return 0;
	err = pair_add(c, all, &(struct pair){.index = st.index, .fd = -1, .hung_up = true});
	return err ? plugin_fail(c, f, err, "a pseudo terminal") : 0;
}

/* The pair that is to have the number. */
static struct pair *pair_wanting(const struct pairs *all, uint32_t index)
{
	struct pair *p = pair_find(all, index, false);

	if (p)
		return p->fd < 0 ? p : NULL;
	for (p = all->first; p && (!p->hung_up || p->fd >= 0);)
		p = p->next;
	return p;
}

/* One more master: for a pair, or in the place of numbers that nobody has. */
static int master_open(struct plugin_ctx *c, const struct plugin_file *f, struct pairs *all)
{
	struct filler *filler = plugin_alloc(c, sizeof(*filler));
	int fd = sys_open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	unsigned int index = 0;
	struct pair *p;

	if (fd < 0 || !filler)
		return plugin_fail(c, f, filler ? fd : -ENOMEM, "/dev/ptmx can't be opened");
	sys_ioctl(fd, TIOCGPTN, &index);
	set_lock(fd, 0);
	p = pair_wanting(all, index);
	if (p) {
		p->fd = fd;
		all->missing--;
		return 0;
	}
	*filler = (struct filler){fd, all->fillers};
	all->fillers = filler;
	if (index <= all->highest)
		return 0;
	for (p = all->first; p->fd >= 0;)
		p = p->next;
	return plugin_fail(c, p->ptm ? p->ptm : f, 0, "/dev/pts/%u is taken here", p->index);
}

static int masters_open(struct plugin_ctx *c, const struct plugin_file *f, struct pairs *all)
{
	int err = 0;

	while (!err && all->missing)
		err = master_open(c, f, all);
	for (; all->fillers; all->fillers = all->fillers->next)
		sys_close(all->fillers->fd);
	return err;
}

/* All pairs, made when first asked for; NULL after a failure. */
static struct pairs *pairs_get(struct plugin_ctx *c)
{
	struct plugin_file *f = NULL, *first = NULL;
	struct pairs *all;
	int err = 0;

	while (!first && (f = plugin_file_next(c, f)))
		if (is_pty(f))
			first = f;
	if (!first || first->data)
		return first ? first->data : NULL;
	all = plugin_alloc(c, sizeof(*all));
	for (f = first; f && all && !err; f = plugin_file_next(c, f))
		if (is_pty(f))
			err = f->plugin == &plugin_ptm ? master_note(c, f, all) : slave_note(c, f, all);
	if (!all || err || masters_open(c, first, all))
		return NULL;
	first->data = all;
	return all;
}

static int ptm_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pairs *all = pairs_get(c);
	struct pair *p = all ? all->first : NULL;

	while (p && p->ptm != f)
		p = p->next;
	return p ? p->fd : -EINVAL; /* told */
}

/* The master's descriptor, which has another number since ptm_restore() returned it. */
static int pair_master(const struct pair *p)
{
	return p->ptm && p->ptm->fd >= 0 ? p->ptm->fd : p->fd;
}

/* Where the three parts of the content are; false: the record is damaged. */
static bool content_find(const struct pty_state *st, const void *content, size_t n, const uint16_t **in,
			 const uint8_t **out, const uint8_t **raw)
{
	if (st->nin > PTY_IN_MAX || st->nout > PTY_OUT_MAX || st->nraw > PTY_IN_MAX ||
	    n < st->nin * sizeof(**in) + st->nout + st->nraw)
		return false;
	*in = content;
	*out = (const uint8_t *)(*in + st->nin);
	*raw = *out + st->nout;
	return true;
}

/* Settings of the pair. That it is locked or exclusive must wait until all who have it have opened it. */
static int pair_fill(struct plugin_ctx *c, const struct plugin_file *f, int slave, const struct pty_state *st,
		     const void *content, size_t n)
{
	const uint16_t *in;
	const uint8_t *out, *raw;
	int err;

	if (!content_find(st, content, n, &in, &out, &raw))
		return plugin_fail(c, f, 0, "its record is damaged");
	sys_fcntl(f->fd, F_SETFL, O_RDWR | O_NONBLOCK);
	err = pty_refill(f->fd, slave, st, in, out, raw);
	sys_fcntl(f->fd, F_SETFL, O_RDWR | (f->flags & O_NONBLOCK));
	if (st->flags & PTY_EXCLUSIVE)
		sys_ioctl(slave, TIOCEXCL, NULL);
	if (!err && st->session)
		err = plugin_session_tty(c, st->session, st->foreground, slave);
	return err ? plugin_fail(c, f, err, "its bytes can't be put back") : 0;
}

static int ptm_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pty_state st;
	size_t n;
	const void *content = plugin_get(c, f, 0, &st, sizeof(st), &n);
	int slave, on = 1, err = 0;

	sys_ioctl(f->fd, TCSETS2, &st.termios);
	sys_ioctl(f->fd, TIOCSWINSZ, &st.size);
	if (st.flags & PTY_OPENED) {
		slave = pty_open_slave(f->fd, O_RDWR | O_NONBLOCK);
		if (slave < 0)
			return plugin_fail(c, f, slave, "its slave can't be opened");
		err = pair_fill(c, f, slave, &st, content, n);
		sys_close(slave);
	} else if (st.flags & PTY_PACKET) {
		sys_ioctl(f->fd, TIOCPKT, &on);
	}
	set_lock(f->fd, !!(st.flags & PTY_LOCKED));
	return err;
}

const struct plugin plugin_ptm = {
	.name = "ptm",
	.match = ptm_match,
	.save = ptm_save,
	.restore = ptm_restore,
	.fill = ptm_fill,
};

/* ---- Restart: slaves --------------------------------------------------------------------- */

struct opener {
	int master, flags;
};

/* In the leader of a session to be, who has the slave as controlling terminal for a moment. */
static int dev_tty_open(void *arg)
{
	const struct opener *o = arg;
	uint64_t all = ~0ull;
	int slave = pty_open_slave(o->master, O_RDWR);
	int fd = slave;

	sys_sigprocmask(SIG_SETMASK, &all, NULL);
	if (slave >= 0 && sys_call0(__NR_setsid) >= 0 && sys_ioctl(slave, TIOCSCTTY, NULL) >= 0) {
		fd = sys_open("/dev/tty", o->flags | O_NOCTTY | O_CLOEXEC, 0);
		sys_ioctl(slave, TIOCNOTTY, NULL);
	}
	if (fd != slave && slave >= 0)
		sys_close(slave);
	return fd;
}

static int pts_open(struct plugin_ctx *c, const struct plugin_file *f, const struct pts_state *st, int master)
{
	struct opener o = {master, plugin_open_flags(f->flags)};
	int fd = -EBUSY;

	if (st->flags & PTS_DEV_TTY && st->session)
		fd = plugin_as_pid(c, st->session, dev_tty_open, &o);
	return fd < 0 ? pty_open_slave(master, o.flags) : fd;
}

static int pts_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pairs *all = pairs_get(c);
	struct pts_state st;
	struct pair *p;
	size_t n;
	int fd;

	if (!all)
		return -EINVAL; /* told */
	plugin_get(c, f, 0, &st, sizeof(st), &n);
	p = pair_find(all, st.index, st.flags & PTS_HUNG_UP);
	if (!p)
		return plugin_fail(c, f, 0, "its record is damaged");
	fd = pts_open(c, f, &st, pair_master(p));
	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened") : fd;
}

/* All slaves are open: those whose master has gone are hung up by its end. */
static int pts_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pairs *all = pairs_get(c);
	struct pts_state st;
	struct pair *p;
	size_t n;

	plugin_get(c, f, 0, &st, sizeof(st), &n);
	if (f->rdev != DEV_TTY && !(st.flags & PTS_HUNG_UP))
		sys_call2(__NR_fchmod, f->fd, f->mode & 0777);
	p = all && st.flags & PTS_HUNG_UP ? pair_find(all, st.index, true) : NULL;
	if (p && p->fd >= 0) {
		sys_close(p->fd);
		p->fd = -1;
	}
	return 0;
}

const struct plugin plugin_pts = {
	.name = "pts",
	.match = pts_match,
	.save = NULL,
	.restore = pts_restore,
	.fill = pts_fill,
};
