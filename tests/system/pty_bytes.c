/*
 * Bytes on their way through pseudo terminals, in either direction, in each mode, queues that are full, and
 * a line that is still being typed.
 */
#include "pty.h"

static char pattern[1 << 16];

/* Write until nothing goes in any more; how many bytes. */
static size_t stuff(int fd, int other)
{
	size_t n = 0;
	ssize_t w;

	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	do {
		w = write(fd, pattern + n, 700);
		n += w > 0 ? (size_t)w : 0;
		poll_fd(other, POLLIN);
	} while (w > 0);
	return n;
}

static void expect_pattern(int fd, size_t n, const char *name)
{
	static char got[1 << 16];
	size_t have = 0;
	ssize_t r;

	while (poll_fd(fd, POLLIN) & POLLIN && (r = read(fd, got + have, sizeof(got) - have)) > 0)
		have += (size_t)r;
	check(have == n && !memcmp(got, pattern, n), "%s: %zu bytes, %zu were there", name, have, n);
	for (size_t i = 0; i < n && i < have; i++)
		if (got[i] != pattern[i]) {
			check(false, "%s: byte %zu is %d, was %d", name, i, got[i], pattern[i]);
			break;
		}
}

static void echo_expect(const struct pair *p)
{
	EXPECT(p->m, "echo of a line", "typed\r\n");
	EXPECT(p->s, "line echoed", "typed\n");
}

int main(void)
{
	struct pair out = pair_open(), lines = pair_open(), raw = pair_open(), echo = pair_open();
	struct pair full_out = pair_open(), full_raw = pair_open(), full_lines = pair_open();
	struct pair full_part = pair_open(), special = pair_open();
	size_t n_out, n_raw, n_lines;
	char all[256], line[4096];
	int last;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 61 == 60 ? '\n' : ' ' + (char)(i * 7 % 89);
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	PUT(out.s, "one\ntwo");
	set_local(lines.s, 0, ECHO);
	PUT(lines.m, "one\ntwo\n\4end\4\26\4\26\n\26\3x\4par\26\25t");
	set_raw(raw.s);
	put(raw.m, all, sizeof(all));
	PUT(echo.m, "typed\n");
	set_raw(full_out.s);
	n_out = stuff(full_out.s, full_out.m);
	set_raw(full_raw.s);
	n_raw = stuff(full_raw.m, full_raw.s);
	set_local(full_lines.s, 0, ECHO);
	n_lines = stuff(full_lines.m, full_lines.s);
	n_lines -= n_lines % 61; /* whole ones */
	set_local(full_part.s, 0, ECHO);
	memset(line, 'l', sizeof(line));
	put(full_part.m, line, 4000);
	set_local(special.s, 0, ECHO | ISIG);
	PUT(special.m, "\1\2\3\5\6\7\10x\31\32\33\34;\n");

	ready();

	EXPECT(out.m, "output", "one\r\ntwo");
	EXPECT(lines.s, "first line", "one\n");
	EXPECT(lines.s, "second line", "two\n");
	EXPECT(lines.s, "end of file", "");
	EXPECT(lines.s, "line with an end of file", "end");
	EXPECT(lines.s, "line with quoted characters", "\4\n\3x");
	expect_nothing(lines.s, "unfinished line");
	PUT(lines.m, "\177\177\n");
	EXPECT(lines.s, "line edited", "par\n");
	EXPECT(special.s, "control characters", "\1\2\3\5\6\7\10x\31\32\33\34;\n");
	expect_bytes(raw.s, "all bytes", all, sizeof(all));
	echo_expect(&echo);
	expect_nothing(lines.m, "echo");
	expect_pattern(full_out.m, n_out, "full output");
	expect_pattern(full_raw.s, n_raw, "full raw input");
	expect_pattern(full_lines.s, n_lines, "full input of lines");
	expect_nothing(full_part.s, "unfinished line");
	PUT(full_part.m, "\177\n");
	last = (int)read(full_part.s, line, sizeof(line));
	check(last == 4000 && line[3999] == '\n', "long line: %d", last);
	return verdict();
}
