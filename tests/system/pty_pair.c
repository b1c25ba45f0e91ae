/*
 * Pairs of pseudo terminals: numbers, names, settings, window size, lock, exclusive mode, and which ends are
 * open.
 */
#include "pty.h"
#include <sys/stat.h>

enum { NPAIRS = 5 };

static void settings_make(const struct pair *p)
{
	struct winsize size = {31, 97, 310, 970};
	struct termios t;

	tcgetattr(p->s, &t);
	t.c_lflag &= ~ECHO;
	t.c_iflag |= IXOFF | IUTF8;
	t.c_oflag &= ~ONLCR;
	t.c_cc[VERASE] = 'x';
	cfsetspeed(&t, B9600);
	if (tcsetattr(p->s, TCSANOW, &t) || ioctl(p->m, TIOCSWINSZ, &size) || fchmod(p->s, 0622))
		die("settings");
}

static void settings_check(const struct pair *p)
{
	struct winsize size = {0};
	struct termios t = {0};
	struct stat st;

	check(!tcgetattr(p->s, &t) && !(t.c_lflag & ECHO) && t.c_lflag & ICANON, "c_lflag %#x", t.c_lflag);
	check((t.c_iflag & (IXOFF | IUTF8)) == (IXOFF | IUTF8) && !(t.c_oflag & ONLCR), "flags");
	check(t.c_cc[VERASE] == 'x' && cfgetospeed(&t) == B9600, "ERASE %d", t.c_cc[VERASE]);
	check(!ioctl(p->s, TIOCGWINSZ, &size) && size.ws_row == 31 && size.ws_col == 97 && size.ws_xpixel == 310 &&
		      size.ws_ypixel == 970, "window size %dx%d", size.ws_col, size.ws_row);
	check(!fstat(p->s, &st) && (st.st_mode & 0777) == 0622, "mode %o", st.st_mode);
}

static int number_get(int fd, unsigned long request)
{
	int n = -1;

	ioctl(fd, request, &n);
	return n;
}

int main(void)
{
	struct pair p[NPAIRS];
	unsigned int number[NPAIRS];
	char name[NPAIRS][64];
	int unopened, closed, hung, second, locked, yes = 1;
	char byte;

	for (int i = 0; i < NPAIRS; i++) {
		p[i] = pair_open();
		number[i] = number_of(p[i].m);
		ttyname_r(p[i].s, name[i], sizeof(name[i]));
	}
	close(p[1].m); /* a number that is free between others */
	close(p[1].s);
	settings_make(&p[0]);
	second = slave_open(p[0].m, O_WRONLY | O_NONBLOCK);
	unopened = master_open();
	closed = p[2].m;
	close(p[2].s);
	hung = p[3].s;
	close(p[3].m);
	locked = master_open();
	ioctl(locked, TIOCSPTLCK, &yes);
	if (ioctl(p[4].s, TIOCEXCL))
		die("TIOCEXCL");

	ready();

	for (int i = 0; i < NPAIRS; i++) {
		if (i == 1)
			continue;
		if (i != 3)
			check(number_of(p[i].m) == number[i], "number %u, was %u", number_of(p[i].m), number[i]);
		if (i == 0 || i == 4)
			check(!strcmp(ttyname(p[i].s) ?: "none", name[i]), "name %s, was %s", ttyname(p[i].s),
			      name[i]);
	}
	settings_check(&p[0]);
	check((fcntl(second, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_WRONLY | O_NONBLOCK), "flags of a slave");
	check(!(poll_fd(unopened, POLLIN) & POLLHUP), "a slave never opened was closed");
	check(poll_fd(closed, POLLIN) & POLLHUP && read(closed, &byte, 1) == -1 && errno == EIO,
	      "closed slave");
	check(read(hung, &byte, 1) == 0 && write(hung, "x", 1) == -1 && errno == EIO, "hung-up slave");
	check(number_get(locked, TIOCGPTLCK) == 1 && number_get(unopened, TIOCGPTLCK) == 0, "lock");
	check(number_get(p[4].s, TIOCGEXCL) == 1, "exclusive mode");
	PUT(p[0].m, "line\n");
	EXPECT(p[0].s, "line", "line\n");
	PUT(second, "up\n");
	EXPECT(p[0].m, "from the other slave", "up\n");
	second = slave_open(unopened, O_RDWR);
	PUT(second, "first\n");
	EXPECT(unopened, "first words", "first\r\n");
	return verdict();
}
