/*
 * The ways in which a program ends by itself: with which status can't be asked of anybody afterwards (marks.h). exit runs
 * what on_exit() has registered, last of all what was registered first; _exit and quick_exit are wrapped. While the
 * program runs nothing happens here.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>
#include "marks.h"
#include "wrap.h"

static int quick_status = -1;

static void on_exit_mark(int status, void *arg)
{
	(void)arg;
	mark_finished(status);
}

static void on_quick_exit_mark(void)
{
	mark_finished(quick_status);
}

WRAP(void, quick_exit, (int status))
{
	quick_status = status;
	REAL(quick_exit)(status);
	__builtin_unreachable();
}

WRAP(void, _exit, (int status))
{
	mark_finished(status);
	REAL(_exit)(status);
	__builtin_unreachable();
}

WRAP(void, _Exit, (int status))
{
	mark_finished(status);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

/* Behind preload_init(). */
__attribute__((constructor(102))) static void marks_init(void)
{
	if (!preload.active || !marks_take(getenv("CKPT_FINISHED"), getenv("CKPT_EXITED")))
		return;
	on_exit(on_exit_mark, NULL);
	at_quick_exit(on_quick_exit_mark);
}
