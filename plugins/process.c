/* Processes that files refer to (pidfds, /proc): those of the job, and its zombies. */
#include "process.h"

/* "/proc/PID/stat" */
static void stat_path(char *path, int pid)
{
	static const char prefix[] = "/proc/", suffix[] = "/stat";
	char digits[12];
	int n = 0;

	__builtin_memcpy(path, prefix, sizeof(prefix) - 1);
	path += sizeof(prefix) - 1;
	do
		digits[n++] = '0' + pid % 10;
	while (pid /= 10);
	while (n)
		*path++ = digits[--n];
	__builtin_memcpy(path, suffix, sizeof(suffix));
}

/* The parent of a zombie, 0 if it is none. Its name, in parentheses, may have any characters. */
static int zombie_parent(int pid)
{
	char path[32], text[512];
	const char *p = NULL, *q;
	ssize_t n;
	int fd;

	stat_path(path, pid);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	text[n > 0 ? n : 0] = 0;
	for (q = text; *q; q++)
		if (*q == ')')
			p = q + 1;
	return p && parse_skip(&p, " Z ") ? (int)parse_dec(&p) : 0;
}

bool process_comes_back(struct plugin_ctx *c, int pid)
{
	int parent;

	if (pid <= 0)
		return false;
	if (plugin_has_process(c, pid))
		return true;
	parent = zombie_parent(pid);
	return parent && plugin_has_process(c, parent);
}
