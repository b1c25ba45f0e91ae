/*
 * Pseudo terminals of the job's own: what the plugins of masters and slaves have in common.
 */
#ifndef CKPT_PLUGINS_PTY_H
#define CKPT_PLUGINS_PTY_H

#include <ckpt/plugin.h>
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <sys/sysmacros.h>

enum {
	DEV_TTY = 0x0500,  /* /dev/tty: the controlling terminal, whichever it is */
	DEV_PTMX = 0x0502, /* /dev/ptmx: each open is a new master */
	PTS_MAJOR = 136,   /* of slaves, and those behind it, for a million each */
	PTS_MAJORS = 8,
};

static inline bool pts_is_slave(uint64_t rdev)
{
	return major(rdev) >= PTS_MAJOR && major(rdev) < PTS_MAJOR + PTS_MAJORS;
}

static inline uint32_t pts_index(uint64_t rdev)
{
	return (major(rdev) - PTS_MAJOR) << 20 | minor(rdev);
}

enum pty_flag {
	PTY_PACKET = 1,
	PTY_LOCKED = 2,
	PTY_EXCLUSIVE = 4, /* the slave */
	PTY_OPENED = 8,	   /* the slave has been opened, */
	PTY_CLOSED = 16,   /* and closed by all */
	PTY_STOPPED = 32,  /* output, by the STOP character, */
	PTY_HELD = 64,	   /* or by tcflow(3) */
};

struct pty_size {
	uint16_t rows, columns, xpixel, ypixel;
};

/*
 * A pair; of its master. What is on its way follows: nin of uint16_t (enum pty_mark), then nout bytes,
 * then nraw.
 */
struct pty_state {
	uint32_t index;
	uint32_t flags;	    /* enum pty_flag */
	int32_t session;    /* whose controlling terminal it is, 0: nobody's, */
	int32_t foreground; /* and the process group there */
	uint64_t dev;	    /* of the slave */
	uint32_t status;    /* in packet mode: what has not been told to the master yet */
	uint32_t nin;	    /* the slave's input: processed */
	uint32_t nout;	    /* what the master has not read */
	uint32_t nraw;	    /* the slave's input for which it has no room: not processed */
	struct pty_size size;
	struct termios2 termios;
	uint32_t reserved;
};
_Static_assert(sizeof(struct pty_state) == 96, "on disk");

/* Of a byte of canonical input, above the byte. */
enum pty_mark {
	PTY_LINE_END = 0x100,
	PTY_EOF = 0x200, /* instead of a byte */
};

enum {
	PTY_OUT_MAX = 24 << 10, /* more than the kernel takes */
	PTY_IN_MAX = 24 << 10,
};

struct pty_bytes {
	uint16_t in[PTY_IN_MAX];
	uint8_t out[PTY_OUT_MAX];
	uint8_t raw[PTY_IN_MAX];
};

/*
 * pty_bytes.c. Both take a master and a slave, non-blocking; st->termios is what it is to be. Nobody else
 * reads or writes meanwhile.
 *
 * Take what is on its way, and the states that can only be found by trying: fills *b, the counts, status,
 * and PTY_STOPPED, PTY_HELD. False: there was nothing, and nothing has been changed. *err: 0 or -errno.
 */
bool pty_drain(int master, int slave, struct pty_state *st, struct pty_bytes *b, int *err)
	__attribute__((visibility("hidden")));
/* Put it back, and settings, packet mode and stop. 0 or -errno. */
int pty_refill(int master, int slave, const struct pty_state *st, const uint16_t *in, const uint8_t *out,
	       const uint8_t *raw) __attribute__((visibility("hidden")));

/* A new open file of the slave, through the master; does not become anybody's controlling terminal. */
static inline int pty_open_slave(int master, int flags)
{
	return sys_ioctl(master, TIOCGPTPEER, (void *)(long)(flags | O_NOCTTY | O_CLOEXEC));
}

extern const struct plugin plugin_ptm, plugin_pts;

/*
 * pty.c: is f, a terminal, the slave of a pair that the job has, or of one that is gone? Then it is saved as
 * such and true returned.
 */
bool pts_save(struct plugin_ctx *c, struct plugin_file *f) __attribute__((visibility("hidden")));

#endif
