/*
 * How our programs end and warn: one line on standard error, "program: text".
 */
#ifndef CKPT_DIE_H
#define CKPT_DIE_H

/* Exit statuses. Those of ckpt_command are its interface; env(1) has the meaning of the others. */
enum {
	STATUS_DONE = 0,
	STATUS_USAGE = 2,
	STATUS_NO_JOB = 3,    /* no coordinator or no such job */
	STATUS_REFUSED = 4,   /* or failed */
	STATUS_OWN = 125,     /* ckpt_launch, ckpt_restart: a failure of their own */
	STATUS_NO_EXEC = 126, /* the program can't be executed */
	STATUS_NO_PROGRAM = 127,
};

/* Set once at the start: the name in messages and the status that die() exits with. */
void die_init(const char *program, int status);

/* --version: say "program VERSION" on standard output and exit with 0. */
void version_show(void) __attribute__((noreturn));
/* Say why and exit. A text that ends in ':' gets " " and what errno says. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The same with an exit status of its own. */
void die_status(int status, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
