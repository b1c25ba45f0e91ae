/* FIFOs: both ends open, one opened for both, a reader that waits for its first writer, bytes. */
#include "harness.h"
#include <poll.h>
#include <sys/stat.h>

static int events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	poll(&p, 1, 0);
	return p.revents;
}

int main(void)
{
	int both, r, w, waiting, late;
	char buf[16] = "";

	if (mkfifo("both", 0600) || mkfifo("ends", 0600) || mkfifo("waiting", 0600))
		die("mkfifo");
	both = open("both", O_RDWR);
	r = open("ends", O_RDONLY | O_NONBLOCK);
	w = open("ends", O_WRONLY | O_APPEND);
	waiting = open("waiting", O_RDONLY | O_NONBLOCK);
	if (both < 0 || r < 0 || w < 0 || waiting < 0)
		die("open");
	if (write(both, "both", 4) != 4 || write(w, "ends", 4) != 4)
		die("write");

	ready();

	check(read(both, buf, sizeof(buf)) == 4 && !memcmp(buf, "both", 4), "opened for both: %s",
	      buf);
	check(read(r, buf, sizeof(buf)) == 4 && !memcmp(buf, "ends", 4), "two ends: %s", buf);
	check(read(r, buf, sizeof(buf)) < 0 && errno == EAGAIN, "more bytes than there were");
	check(write(w, "new", 3) == 3 && read(r, buf, sizeof(buf)) == 3, "the ends are apart");
	check(fcntl(r, F_GETFL) & O_NONBLOCK, "O_NONBLOCK lost");
	check(events(waiting) == 0, "no writer has come, and poll says %#x", events(waiting));
	late = open("waiting", O_WRONLY | O_NONBLOCK);
	check(late >= 0 && write(late, "w", 1) == 1, "a writer that comes later: %s",
	      strerror(errno));
	check(read(waiting, buf, sizeof(buf)) == 1 && buf[0] == 'w', "what it wrote");
	close(late);
	check(events(waiting) == POLLHUP, "after it has gone, poll says %#x", events(waiting));
	return verdict();
}
