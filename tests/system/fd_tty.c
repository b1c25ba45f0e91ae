/*
 * Terminals: settings, /dev/tty opened by the program, copies, close-on-exec, input.
 * test: tty
 */
#include "harness.h"
#include <termios.h>

int main(void)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC), copy = dup2(1, 50);
	struct termios set, got;
	char line[64] = "";

	if (tty < 0 || copy < 0 || tcgetattr(0, &set))
		die("/dev/tty");
	set.c_lflag &= ~(ECHO | ISIG);
	set.c_cc[VQUIT] = 3;
	set.c_oflag |= OPOST;
	if (tcsetattr(0, TCSANOW, &set))
		die("tcsetattr");

	ready();

	check(isatty(0) && isatty(1) && isatty(2), "the standard streams are no terminal");
	check(isatty(tty) && fcntl(tty, F_GETFD) == FD_CLOEXEC, "/dev/tty");
	check(isatty(copy), "a copy of standard output is no terminal");
	check(tcgetattr(tty, &got) == 0 && got.c_lflag == set.c_lflag &&
		      got.c_iflag == set.c_iflag && got.c_cc[VQUIT] == 3,
	      "settings: c_lflag %#x, was %#x", got.c_lflag, set.c_lflag);
	check(read(0, line, sizeof(line)) == 6 && !strcmp(line, "typed\n"), "input: %s", line);
	return verdict();
}
