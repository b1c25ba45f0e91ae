/* Files that tell how the job has ended: see marks.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include "marks.h"
#include "moves.h"
#include "frozen.h"

/* Copies: the program may change its environment. "": not wanted. */
static char finished[CKPT_PATH_MAX], exited[CKPT_PATH_MAX];

static void path_take(const char *value, char path[CKPT_PATH_MAX])
{
	if (!value || *value != '/' || !str_copy(path, value, CKPT_PATH_MAX))
		path[0] = 0;
}

bool marks_take(const char *finished_value, const char *exited_value)
{
	if (sys_getpid() != preload.first_pid)
		return false;
	path_take(finished_value, finished);
	path_take(exited_value, exited);
	return finished[0];
}

/* A child of it, also one that still has its memory, is not meant. */
static void mark(const char *path)
{
	int fd;

	if (!path[0] || !preload.active || sys_getpid() != preload.first_pid)
		return;
	fd = sys_open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd >= 0)
		sys_close(fd);
}

void mark_finished(int status)
{
	if ((status & 0xff) == 0)
		mark(finished);
}

void mark_exited(void)
{
	mark(exited);
}

void marks_move(void)
{
	char now[CKPT_PATH_MAX];

	if (moves_apply(restart_control.moves, finished, now, sizeof(now)))
		str_copy(finished, now, sizeof(finished));
	if (moves_apply(restart_control.moves, exited, now, sizeof(now)))
		str_copy(exited, now, sizeof(exited));
}
