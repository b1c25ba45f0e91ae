/*
 * The line is made whole before it is written, so that lines of several programs do not mix.
 */
#include "die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *die_program = "ckpt";
static int die_exit = 1;

void die_init(const char *program, int status)
{
	die_program = program;
	die_exit = status;
}

void version_show(void)
{
	printf("%s %s\n", die_program, VERSION);
	exit(STATUS_DONE);
}

static void say(int err, const char *fmt, va_list ap)
{
	char text[8192];
	size_t n;

	vsnprintf(text, sizeof(text), fmt, ap);
	n = strlen(text);
	if (n && text[n - 1] == ':')
		fprintf(stderr, "%s: %s %s\n", die_program, text, strerror(err));
	else
		fprintf(stderr, "%s: %s\n", die_program, text);
}

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	exit(die_exit);
}

void die_status(int status, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	exit(status);
}

void warn(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
}
