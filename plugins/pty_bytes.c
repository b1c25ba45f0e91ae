/*
 * What is on its way through a pseudo terminal. The kernel shows it to nobody who does not take it: so it is
 * taken, and put back, while all who could see it stand still.
 *
 *	slave: write -> OPOST -> queue of the master -> read :master		output
 *	master: write -> overflow -> line discipline -> queue of the slave -> read :slave	input
 *
 * Output has been processed: it goes back through the slave with OPOST off.
 *
 * The slave's queue holds input that has been processed: echoed, edited, mapped. In canonical mode it has
 * lines, each ended by a newline, an EOL character or a mark for EOF, and after them one that is still being
 * typed, which only shows in non-canonical mode. It goes back through the master, without echo, signals or
 * mapping, byte for byte; characters that still would mean something are quoted (LNEXT).
 *
 * When the queue is full the rest of the input waits behind it, not processed: it comes when there is room.
 * So while the queue is emptied nothing must be processed, and what goes beyond the size of the queue is
 * the overflow. It goes back when the queue is full again and the settings are what they were.
 *
 * A worker of the kernel carries bytes from where a write leaves them to the discipline. poll(2) waits for it,
 * but only when it finds nothing in the queue. Otherwise a STOP character, sent behind the bytes, tells when
 * they have been processed: the slave then can't be written to.
 */
#include "pty.h"
#include <poll.h>

enum {
	QUEUE = 4095,	      /* bytes in a queue */
	QUEUE_PARMRK = 4093,  /* when a byte may become three */
	LINES_MAX = 2048,     /* with so many bytes in whole lines the queue may be full */
	PIECE = 256,	      /* a write of so many leaves no gap in the kernel's memory; */
	LAST_PIECE = 3584,    /* the last one may be as large as this */
	NAP_NS = 100000,
	NAPS = 5000, /* half a second: on a loaded machine the kernel worker that moves bytes comes late */
	MARK_STOP = 0xff, /* no part of text in UTF-8 */
	MARK_START = 0xfe,
	STATUS_FLUSH = TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE,
	STATUS_FLOW = TIOCPKT_NOSTOP | TIOCPKT_DOSTOP | TIOCPKT_IOCTL,
};

static short poll_now(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	sys_call3(__NR_poll, &p, 1, 0);
	return p.revents;
}

static int count_waiting(int fd)
{
	int n = 0;

	sys_ioctl(fd, FIONREAD, &n);
	return n;
}

static bool is_canonical(const struct termios2 *t)
{
	return t->c_lflag & ICANON && !(t->c_lflag & EXTPROC);
}

/* What packet mode calls flow control: ^S and ^Q. A change of it is told to the master. */
static bool has_flow(const struct termios2 *t)
{
	return t->c_iflag & IXON && t->c_cc[VSTOP] == 023 && t->c_cc[VSTART] == 021;
}

/* Settings under which bytes pass as they are. */
static struct termios2 plain(const struct termios2 *t, bool canonical)
{
	struct termios2 p = *t;
	int i;

	p.c_iflag = 0;
	p.c_oflag &= ~OPOST;
	p.c_lflag = canonical ? ICANON : 0;
	for (i = 0; i < (int)sizeof(p.c_cc); i++)
		p.c_cc[i] = 0;
	return p;
}

static void nap(void)
{
	const int64_t time[2] = {0, NAP_NS};

	sys_call2(__NR_nanosleep, time, NULL);
}

/* Wait until the slave can, or can't, be written to; false when that does not come. */
static bool await_writable(int slave, bool writable)
{
	int i;

	for (i = 0; i < NAPS && !!(poll_now(slave, POLLOUT) & POLLOUT) != writable; i++)
		nap();
	return i < NAPS;
}

/* Write all; the worker makes room while the other end's queue has some. */
static int write_all(int fd, const uint8_t *p, size_t n)
{
	int naps = 0;

	while (n && naps < NAPS) {
		size_t piece = n <= LAST_PIECE ? n : PIECE;
		ssize_t done = sys_write(fd, p, piece);

		if (done < 0 && done != -EAGAIN)
			return done;
		if (done > 0) {
			p += done;
			n -= done;
		} else {
			naps++;
			nap();
		}
	}
	return n ? -ENOSPC : 0;
}

/* ---- Taking ------------------------------------------------------------------------------ */

static int take_output(int master, struct pty_state *st, struct pty_bytes *b)
{
	ssize_t n;

	while (poll_now(master, POLLIN) & POLLIN) {
		n = sys_read(master, b->out + st->nout, PTY_OUT_MAX - st->nout);
		if (n < 0)
			return n;
		if (n == 0)
			return -EMSGSIZE;
		st->nout += n;
	}
	return 0;
}

/* In packet mode a read gives either the status, one byte, or 0 and bytes. */
static void take_status(int master, struct pty_state *st)
{
	uint8_t status[2];
	int off = 0;

	if (!(st->flags & PTY_PACKET))
		return;
	if (poll_now(master, POLLPRI) & POLLPRI && sys_read(master, status, sizeof(status)) == 1)
		st->status = status[0];
	sys_ioctl(master, TIOCPKT, &off);
}

/* With the master's queue empty a slave that takes nothing is stopped. */
static void find_stop(int slave, struct pty_state *st)
{
	if (poll_now(slave, POLLOUT) & POLLOUT)
		return;
	sys_ioctl(slave, TCXONC, (void *)TCOON);
	st->flags |= poll_now(slave, POLLOUT) & POLLOUT ? PTY_HELD : PTY_STOPPED;
}

/* That IXON goes away starts output that is stopped, and brings out echoes that had to wait. */
static void settle_echoes(int slave, const struct termios2 *t)
{
	struct termios2 ixon = *t;

	ixon.c_iflag |= IXON;
	sys_ioctl(slave, TCSETS2, &ixon);
	ixon.c_iflag &= ~IXON;
	sys_ioctl(slave, TCSETS2, &ixon);
}

/*
 * Wait until what has been written to the master is processed or stopped by a full queue. Then the mark is
 * part of the overflow, and true returned.
 */
static bool await_worker(int master, int slave, const struct termios2 *t)
{
	const uint8_t mark = MARK_STOP;
	struct termios2 marking = *t;

	if (!(poll_now(slave, POLLIN) & POLLIN))
		return false;
	marking.c_iflag |= IXON;
	marking.c_iflag &= ~IXANY;
	marking.c_cc[VSTOP] = MARK_STOP;
	marking.c_cc[VSTART] = MARK_START;
	sys_ioctl(slave, TCSETS2, &marking);
	if (sys_write(master, &mark, 1) != 1)
		return false;
	await_writable(slave, false);
	settle_echoes(slave, t);
	return true;
}

static int put_input(struct pty_state *st, struct pty_bytes *b, uint16_t c)
{
	if (st->nin == PTY_IN_MAX)
		return -EMSGSIZE;
	b->in[st->nin++] = c;
	return 0;
}

static bool ends_line(const struct termios2 *t, uint8_t c)
{
	if (c == '\n')
		return true;
	return c && (c == t->c_cc[VEOL] || (c == t->c_cc[VEOL2] && t->c_lflag & IEXTEN));
}

static int take_line(const uint8_t *line, size_t n, struct pty_state *st, struct pty_bytes *b)
{
	bool ended = n && ends_line(&st->termios, line[n - 1]);
	int err = 0;
	size_t i;

	for (i = 0; i < n && !err; i++)
		err = put_input(st, b, line[i] | (ended && i == n - 1 ? PTY_LINE_END : 0));
	return err || ended ? err : put_input(st, b, PTY_EOF);
}

/* Whole lines: a read gives one. */
static int take_lines(int slave, struct pty_state *st, struct pty_bytes *b)
{
	int err = 0;
	ssize_t n;

	while (!err && poll_now(slave, POLLIN) & POLLIN) {
		n = sys_read(slave, b->raw, PTY_IN_MAX);
		err = n < 0 ? n : take_line(b->raw, n, st, b);
	}
	return err;
}

/* What is left, with settings that show all. lines: in it are lines, too, and the mark for EOF shows as 0. */
static int take_rest(int slave, struct pty_state *st, struct pty_bytes *b, bool lines)
{
	ssize_t n, i;
	int err = 0;

	do {
		poll_now(slave, POLLIN); /* what waits behind the queue moves up */
		n = sys_read(slave, b->raw, PTY_IN_MAX);
		for (i = 0; i < n && !err; i++) {
			uint16_t c = b->raw[i];

			if (lines && ends_line(&st->termios, c))
				c |= PTY_LINE_END;
			err = put_input(st, b, lines && !c ? PTY_EOF : c);
		}
	} while (n > 0 && !err);
	return n < 0 ? n : err;
}

/* What does not fit into the queue has not been processed. */
static void split_overflow(struct pty_state *st, struct pty_bytes *b)
{
	uint32_t queue = st->termios.c_iflag & PARMRK ? QUEUE_PARMRK : QUEUE;
	uint32_t i;

	for (i = queue; i < st->nin; i++)
		b->raw[st->nraw++] = b->in[i];
	if (st->nin > queue)
		st->nin = queue;
}

/*
 * The kernel goes on with the last piece of memory even when all in it has been read. Let that be a small
 * one, or what was there would not fit in again.
 */
static void renew(int from, int to)
{
	static const uint8_t nothing[PIECE];
	uint8_t buf[PIECE];
	int i, n;

	for (i = 0; i <= LAST_PIECE / PIECE; i++) {
		if (sys_write(from, nothing, PIECE) != PIECE)
			return;
		for (n = 0; n < PIECE && poll_now(to, POLLIN) & POLLIN;)
			n += sys_read(to, buf, PIECE - n);
	}
}

static int take_input(int master, int slave, struct pty_state *st, struct pty_bytes *b)
{
	struct termios2 t = plain(&st->termios, true);
	bool marked = await_worker(master, slave, &st->termios);
	bool canonical = is_canonical(&st->termios);
	bool whole = canonical && count_waiting(slave) < LINES_MAX;
	int err = 0;

	if (whole) {
		sys_ioctl(slave, TCSETS2, &t);
		err = take_lines(slave, st, b);
	}
	t = plain(&st->termios, false);
	sys_ioctl(slave, TCSETS2, &t);
	if (!err)
		err = take_rest(slave, st, b, canonical && !whole);
	split_overflow(st, b);
	if (st->nraw)
		renew(master, slave);
	if (st->nraw && marked)
		st->nraw--;
	return err;
}

static bool is_idle(int master, int slave, const struct pty_state *st)
{
	return !is_canonical(&st->termios) && !(poll_now(master, POLLIN | POLLPRI) & (POLLIN | POLLPRI)) &&
	       poll_now(slave, POLLIN | POLLOUT) == POLLOUT && !count_waiting(slave);
}

bool pty_drain(int master, int slave, struct pty_state *st, struct pty_bytes *b, int *err)
{
	int r;

	*err = 0;
	if (is_idle(master, slave, st))
		return false;
	take_status(master, st);
	*err = take_output(master, st, b);
	find_stop(slave, st);
	settle_echoes(slave, &st->termios);
	r = take_input(master, slave, st, b);
	if (!*err)
		*err = r;
	r = take_output(master, st, b);
	if (st->nout > QUEUE)
		renew(slave, master);
	if (!*err)
		*err = r;
	return true;
}

/* ---- Putting back ------------------------------------------------------------------------ */

/* Characters that mean something while input is put back. */
struct quoting {
	uint8_t lnext, eof, eol, eol2, start, stop;
};

static bool is_taken(const struct quoting *q, uint8_t c)
{
	return c == '\n' || c == q->lnext || c == q->eof || c == q->eol || c == q->eol2 || c == q->start ||
	       c == q->stop;
}

static uint8_t pick(const struct quoting *q)
{
	uint8_t c = 1;

	while (is_taken(q, c))
		c++;
	return c;
}

/* Settings to put input back; flow: START and STOP as they are to be. */
static struct termios2 filling(const struct termios2 *t, bool flow, struct quoting *q)
{
	struct termios2 p = plain(t, is_canonical(t));

	*q = (struct quoting){0};
	if (is_canonical(t)) {
		q->eol = t->c_cc[VEOL];
		q->eol2 = t->c_lflag & IEXTEN ? t->c_cc[VEOL2] : 0;
	}
	if (flow || is_canonical(t)) {
		p.c_iflag = IXON;
		q->start = flow ? t->c_cc[VSTART] : pick(q);
		q->stop = flow ? t->c_cc[VSTOP] : pick(q);
	}
	if (is_canonical(t)) {
		p.c_lflag |= IEXTEN;
		q->eof = pick(q);
		q->lnext = pick(q);
	}
	p.c_cc[VSTART] = q->start;
	p.c_cc[VSTOP] = q->stop;
	p.c_cc[VEOL] = q->eol;
	p.c_cc[VEOL2] = q->eol2;
	p.c_cc[VEOF] = q->eof;
	p.c_cc[VLNEXT] = q->lnext;
	return p;
}

/* All input is in the slave's queue before the settings change. With a full one no mark can get there. */
static int await_input(int master, int slave, const struct pty_state *st, const uint16_t *in,
		       const struct quoting *q)
{
	bool canonical = is_canonical(&st->termios);
	int expected = 0, pending = 0, i;

	for (i = 0; i < (int)st->nin; i++) {
		pending += !(in[i] & PTY_EOF);
		if (!canonical || in[i] & (PTY_EOF | PTY_LINE_END)) {
			expected += pending;
			pending = 0;
		}
	}
	for (i = 0; i < NAPS && count_waiting(slave) != expected; i++)
		nap();
	if (i == NAPS)
		return -ENOSPC;
	if (!canonical || !st->nin)
		return 0;
	if (st->nin >= QUEUE_PARMRK) {
		nap();
		return 0;
	}
	if (write_all(master, &q->stop, 1) || !await_writable(slave, false))
		return -ETIMEDOUT;
	return write_all(master, &q->start, 1) || !await_writable(slave, true) ? -ETIMEDOUT : 0;
}

static int fill_input(int master, int slave, const struct pty_state *st, const uint16_t *in,
		      const struct quoting *q)
{
	bool canonical = is_canonical(&st->termios);
	uint8_t buf[512];
	uint32_t i;
	size_t n = 0;
	int err = 0;

	for (i = 0; i < st->nin && !err; i++) {
		uint8_t c = in[i] & PTY_EOF ? q->eof : in[i];

		if (canonical && !(in[i] & (PTY_EOF | PTY_LINE_END)) && c && is_taken(q, c))
			buf[n++] = q->lnext;
		buf[n++] = c;
		if (n + 2 > sizeof(buf) || i + 1 == st->nin) {
			err = write_all(master, buf, n);
			n = 0;
		}
	}
	return err ? err : await_input(master, slave, st, in, q);
}

static void set_packet(int master)
{
	int on = 1;

	sys_ioctl(master, TIOCPKT, &on);
}

static void hold(int slave)
{
	sys_ioctl(slave, TCXONC, (void *)TCOOFF);
}

/* Stop output as it was: by the character, which can be gone back on by the other one, or for good. */
static void stop(int master, int slave, const struct pty_state *st)
{
	if (st->flags & PTY_HELD)
		hold(slave);
	if (st->flags & PTY_STOPPED && st->termios.c_iflag & IXON && st->termios.c_cc[VSTOP] &&
	    write_all(master, &st->termios.c_cc[VSTOP], 1) == 0)
		await_writable(slave, false);
}

/* A change of flow control there and back is told as what it is now. */
static void tell_flow(int slave, const struct pty_state *st)
{
	struct termios2 t = st->termios;

	if (has_flow(&t)) {
		t.c_iflag &= ~IXON;
	} else {
		t.c_iflag |= IXON;
		t.c_cc[VSTOP] = 023;
		t.c_cc[VSTART] = 021;
	}
	sys_ioctl(slave, TCSETS2, &t);
	t = st->termios;
	sys_ioctl(slave, TCSETS2, &t);
}

/* Packet mode, and what is to be told: the kernel notes it while packet mode is on. */
static void fill_status(int master, int slave, const struct pty_state *st)
{
	if (!(st->status & TIOCPKT_STOP))
		stop(master, slave, st);
	if (!(st->status & STATUS_FLUSH))
		set_packet(master);
	if (st->status & STATUS_FLOW)
		tell_flow(slave, st);
	if (st->status & TIOCPKT_START) {
		hold(slave);
		sys_ioctl(slave, TCXONC, (void *)TCOON);
	}
	if (st->status & TIOCPKT_STOP)
		stop(master, slave, st);
}

/* That queues have been flushed can be noted only while they are empty. */
static void fill_flushes(int master, int slave, const struct pty_state *st)
{
	if (!(st->flags & PTY_PACKET) || !(st->status & STATUS_FLUSH))
		return;
	set_packet(master);
	if (st->status & TIOCPKT_FLUSHREAD)
		sys_ioctl(slave, TCFLSH, (void *)TCIFLUSH);
	if (st->status & TIOCPKT_FLUSHWRITE)
		sys_ioctl(slave, TCFLSH, (void *)TCOFLUSH);
}

/* Write output back, and wait until the worker has carried it to the master's queue. */
static int fill_output(int master, int slave, const uint8_t *out, uint32_t n)
{
	int err = write_all(slave, out, n);
	int i, expected = n < QUEUE ? n : QUEUE;

	for (i = 0; !err && i < NAPS && count_waiting(master) < expected; i++)
		nap();
	return err;
}

int pty_refill(int master, int slave, const struct pty_state *st, const uint16_t *in, const uint8_t *out,
	       const uint8_t *raw)
{
	struct termios2 t = st->termios;
	struct termios2 temporary;
	struct quoting q;
	int err;

	temporary = filling(&t, st->status & STATUS_FLUSH && has_flow(&t), &q);
	sys_ioctl(slave, TCSETS2, &temporary);
	fill_flushes(master, slave, st);
	err = fill_input(master, slave, st, in, &q);
	if (!err)
		err = fill_output(master, slave, out, st->nout);
	sys_ioctl(slave, TCSETS2, &t);
	if (st->flags & PTY_PACKET)
		fill_status(master, slave, st);
	else
		stop(master, slave, st);
	return err ? err : write_all(master, raw, st->nraw);
}
