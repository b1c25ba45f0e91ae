/*
 * Pipes and FIFOs: their bytes, size, and ends, in packet mode with the packets' boundaries.
 *
 * The bytes are read without taking them: tee(2) copies them to a pipe of our own. Every end is an
 * open file of the pipe's inode, so at restart the first makes the pipe and the others open it
 * again. An end whose counterpart is open nowhere comes back alone; one whose counterpart is open
 * only outside the job can't.
 */
#include <ckpt/plugin.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { SPLICE_NONBLOCK = 2 /* SPLICE_F_NONBLOCK */ };

/*
 * Of the first reading end of a pipe, which alone can look into it, or without one of the first end. Lengths
 * of the packets follow (uint32_t), then the bytes.
 */
struct pipe_state {
	uint32_t capacity;
	uint32_t npackets; /* 0: bytes without boundaries */
	uint64_t nbytes;
	uint32_t hung_up; /* its writers have gone */
	uint32_t reserved;
};

static bool pipe_match(const struct plugin_file *f)
{
	return S_ISFIFO(f->mode) && !(f->flags & O_PATH);
}

/* One that has been removed is as good as a pipe. */
static bool is_fifo(const struct plugin_file *f)
{
	return f->link[0] == '/' && !str_ends(f->link, " (deleted)");
}

typedef bool end_test(const struct plugin_file *f);

/* The first open file, by id, of f's pipe that is such an end. */
static struct plugin_file *pipe_end(struct plugin_file *f, end_test *is_end)
{
	struct plugin_file *p = f, *first = NULL;

	do {
		if (is_end(p) && (!first || p->id < first->id))
			first = p;
		p = p->twin;
	} while (p != f);
	return first;
}

static bool any_end(const struct plugin_file *f)
{
	return !(f->flags & O_PATH);
}

static bool reading_end(const struct plugin_file *f)
{
	return any_end(f) && plugin_reads(f);
}

static bool writing_end(const struct plugin_file *f)
{
	return any_end(f) && plugin_writes(f);
}

static bool packet_end(const struct plugin_file *f)
{
	return plugin_writes(f) && f->flags & O_DIRECT;
}

/* ---- Save -------------------------------------------------------------------------------- */

static bool has_hung_up(const struct plugin_file *f)
{
	struct pollfd p = {.fd = f->fd};

	sys_call3(__NR_poll, &p, 1, 0);
	return p.revents & (POLLHUP | POLLERR);
}

/* A reader of a FIFO that no writer has opened yet: a read without waiting finds the end. */
static bool never_written(struct plugin_ctx *c, const struct plugin_file *f)
{
	int fd, n = 1;
	char byte;

	if (!is_fifo(f) || !plugin_reads(f) || sys_ioctl(f->fd, FIONREAD, &n) || n)
		return false;
	fd = plugin_reopen(c, f, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = sys_read(fd, &byte, 1);
	sys_close(fd);
	return n == 0;
}

/* Copy what waits in the pipe to one of our own; its read end, or -errno. */
static int pipe_copy(const struct plugin_file *f, const struct pipe_state *st)
{
	int fds[2];
	long n = sys_call2(__NR_pipe2, fds, O_CLOEXEC | O_NONBLOCK);

	if (n)
		return n;
	sys_fcntl(fds[1], F_SETPIPE_SZ, st->capacity);
	n = sys_call4(__NR_tee, f->fd, fds[1], st->nbytes, SPLICE_NONBLOCK);
	sys_close(fds[1]);
	if (n == (long)st->nbytes)
		return fds[0];
	sys_close(fds[0]);
	return n < 0 ? n : -ENOSPC;
}

/* Read all of the copy; one read ends where a packet ends. Lengths go to len[]. */
static int packets_read(int fd, struct pipe_state *st, uint32_t *len, uint8_t *bytes, uint32_t max)
{
	uint64_t at = 0;
	ssize_t n;

	for (st->npackets = 0; at < st->nbytes && st->npackets < max; at += n) {
		n = sys_read(fd, bytes + at, st->nbytes - at);
		if (n <= 0)
			return n < 0 ? n : -EIO;
		len[st->npackets++] = n;
	}
	return at == st->nbytes ? 0 : -EIO;
}

/* Lengths and bytes in one piece of memory; NULL after a refusal. */
static void *content_read(struct plugin_ctx *c, const struct plugin_file *reader,
			  struct pipe_state *st, size_t *size)
{
	uint32_t max = st->capacity / 4096 + 1;
	uint32_t *len = plugin_alloc(c, max * sizeof(*len) + st->nbytes);
	int fd, err;

	if (!len)
		return NULL;
	fd = pipe_copy(reader, st);
	err = fd < 0 ? fd : packets_read(fd, st, len, (uint8_t *)(len + max), max);
	if (fd >= 0)
		sys_close(fd);
	if (err) {
		plugin_refuse(c, reader, "its %lu bytes can't be copied: %s",
			      (unsigned long)st->nbytes, errno_name(err));
		return NULL;
	}
	__builtin_memmove(len + st->npackets, len + max, st->nbytes);
	*size = st->npackets * sizeof(*len) + st->nbytes;
	return len;
}

static void content_save(struct plugin_ctx *c, struct plugin_file *f,
			 const struct plugin_file *reader)
{
	struct pipe_state st = {.hung_up = reader && has_hung_up(reader)};
	uint8_t *content = NULL;
	size_t size = 0;
	int n = 0;

	st.capacity = sys_fcntl(f->fd, F_GETPIPE_SZ, 0);
	if (reader && sys_ioctl(reader->fd, FIONREAD, &n) == 0 && n > 0) {
		st.nbytes = n;
		content = content_read(c, reader, &st, &size);
		if (!content)
			return;
		if (st.npackets == 1 && !pipe_end(f, packet_end)) {
			st.npackets = 0;
			content += sizeof(uint32_t);
			size -= sizeof(uint32_t);
		}
	}
	plugin_put(c, f, &st, sizeof(st), content, size);
}

static void pipe_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct plugin_file *reader = pipe_end(f, reading_end);
	struct plugin_file *writer = pipe_end(f, writing_end);
	struct plugin_file *first = reader ? reader : pipe_end(f, any_end);

	if ((!reader || !writer) && !has_hung_up(f) && !never_written(c, f))
		plugin_outside(c, f, "its other end is outside the job");
	else if (f == first)
		content_save(c, f, reader);
}

/* ---- Restart ----------------------------------------------------------------------------- */

static int fifo_reader(const struct plugin_file *f)
{
	return sys_open(f->link, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
}

/* A writer can't be opened before there is a reader: a helper that is both. */
static int fifo_writer(const struct plugin_file *f, uint32_t flags)
{
	int both = sys_open(f->link, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
	int fd = both < 0 ? both : plugin_open_again(both, flags);

	if (both >= 0)
		sys_close(both);
	return fd;
}

static int fifo_restore(struct plugin_ctx *c, const struct plugin_file *f, uint32_t flags)
{
	int fd = plugin_writes(f) ? fifo_writer(f, flags) : fifo_reader(f);
	struct stat st;

	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened again");
	if (sys_call2(__NR_fstat, fd, &st) || !S_ISFIFO(st.st_mode))
		return plugin_fail(c, f, 0, "is no FIFO now");
	return fd;
}

/* A new pipe's end with these flags; all its other ends are opened through this one. */
static int pipe_make(struct plugin_ctx *c, const struct plugin_file *f, uint32_t flags)
{
	int fds[2];
	int fd = sys_call2(__NR_pipe2, fds, O_CLOEXEC);

	if (fd)
		return plugin_fail(c, f, fd, "pipe");
	fd = plugin_open_again(fds[0], flags);
	sys_close(fds[0]);
	sys_close(fds[1]);
	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

/* O_DIRECT is for F_SETFL only, and O_NONBLOCK keeps open(2) from waiting. */
static int pipe_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	uint32_t flags = (f->flags & O_ACCMODE) | O_NONBLOCK;
	struct plugin_file *first = pipe_end(f, any_end);
	int fd;

	if (is_fifo(f))
		return fifo_restore(c, f, flags);
	if (first == f || first->fd < 0)
		return pipe_make(c, f, flags);
	fd = plugin_open_again(first->fd, flags);
	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

/* Write packets, or with npackets 0 all bytes at once, to a pipe that has room for them. */
static int content_write(int fd, const struct pipe_state *st, const void *content)
{
	const uint32_t *len = content;
	const uint8_t *bytes = (const uint8_t *)(len + st->npackets);
	uint32_t all = st->nbytes;
	uint32_t i, n = st->npackets ? st->npackets : 1;
	ssize_t done;

	if (!st->npackets)
		len = &all;
	for (i = 0; i < n; bytes += len[i++]) {
		done = sys_write(fd, bytes, len[i]);
		if (done != (ssize_t)len[i])
			return done < 0 ? done : -ENOSPC;
	}
	return 0;
}

static bool content_fits(const struct pipe_state *st, const void *content, size_t n)
{
	const uint32_t *len = content;
	uint64_t sum = 0;
	uint32_t i;

	if (st->nbytes > n || n - st->nbytes != st->npackets * sizeof(*len))
		return false;
	for (i = 0; i < st->npackets; i++)
		sum += len[i];
	return !st->npackets || sum == st->nbytes;
}

static int pipe_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct pipe_state st;
	size_t n;
	const void *content = plugin_get(c, f, 0, &st, sizeof(st), &n);
	int fd, err;

	if (!content)
		return 0;
	if (!content_fits(&st, content, n))
		return plugin_fail(c, f, 0, "its record is damaged");
	err = sys_fcntl(f->fd, F_SETPIPE_SZ, st.capacity);
	if (err < 0)
		plugin_caution(c, f, "its size of %u bytes can't be set", st.capacity);
	if (!st.nbytes && !(is_fifo(f) && st.hung_up))
		return 0;
	fd = plugin_open_again(f->fd, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return plugin_fail(c, f, fd, "its writing end");
	if (st.npackets)
		sys_fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK | O_DIRECT);
	err = st.nbytes ? content_write(fd, &st, content) : 0;
	sys_close(fd);
	return err ? plugin_fail(c, f, err, "its bytes can't be put back") : 0;
}

const struct plugin plugin_pipe = {
	.name = "pipe",
	.match = pipe_match,
	.save = pipe_save,
	.restore = pipe_restore,
	.fill = pipe_fill,
};
