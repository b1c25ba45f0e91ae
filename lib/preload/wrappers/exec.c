/*
 * exec gives the signals that are ours their default action, which is to kill, until the new program's
 * constructor has run. So they are blocked across every exec; the constructor unblocks them. Nothing can be
 * asked of a program that has just been killed. What starts programs inside of libc, past these wrappers,
 * is wrapped too; system(3), which waits for the program, is made anew (system.c).
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <wordexp.h>
#include "wrap.h"

static uint64_t owned_block(void)
{
	uint64_t old = 0;

	if (preload.active)
		sys_sigprocmask(SIG_BLOCK, &preload.owned, &old);
	return old;
}

/* errno is left alone: sys_* do not touch it. */
static void owned_unblock(uint64_t old)
{
	uint64_t set = preload.owned & ~old;

	if (preload.active && set)
		sys_sigprocmask(SIG_UNBLOCK, &set, NULL);
}

#define ACROSS(call)                                                                               \
	({                                                                                         \
		uint64_t old_ = owned_block();                                                  \
		int ret_ = (call);                                                                 \
		owned_unblock(old_);                                                            \
		ret_;                                                                              \
	})

WRAP(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
	return ACROSS(REAL(execve)(path, argv, envp));
}

WRAP(int, execv, (const char *path, char *const argv[]))
{
	return ACROSS(REAL(execv)(path, argv));
}

WRAP(int, execvp, (const char *file, char *const argv[]))
{
	return ACROSS(REAL(execvp)(file, argv));
}

WRAP(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
	return ACROSS(REAL(execvpe)(file, argv, envp));
}

WRAP(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
	return ACROSS(REAL(fexecve)(fd, argv, envp));
}

WRAP(int, execveat, (int dirfd, const char *path, char *const argv[], char *const envp[], int flags))
{
	return ACROSS(REAL(execveat)(dirfd, path, argv, envp, flags));
}

WRAP(int, posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	return ACROSS(REAL(posix_spawn)(pid, path, fa, attr, argv, envp));
}

WRAP(int, posix_spawnp, (pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
			 const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	return ACROSS(REAL(posix_spawnp)(pid, file, fa, attr, argv, envp));
}

/* Runs commands to their end, and cannot be checkpointed meanwhile when no other thread can take the signal. */
WRAP(int, wordexp, (const char *words, wordexp_t *we, int flags))
{
	return ACROSS(REAL(wordexp)(words, we, flags));
}

WRAP(FILE *, popen, (const char *command, const char *type))
{
	uint64_t old = owned_block();
	FILE *f = REAL(popen)(command, type);

	owned_unblock(old);
	return f;
}

/* Number of arguments up to the terminating NULL, which is counted. */
static size_t count_args(va_list ap)
{
	size_t n = 2;

	while (va_arg(ap, char *))
		n++;
	return n;
}

/* The list form's arguments as an array, on the caller's stack: malloc is not allowed after vfork. */
#define ARGV_FROM(first)                                                                           \
	({                                                                                         \
		va_list ap_;                                                                       \
		va_start(ap_, first);                                                              \
		size_t n_ = count_args(ap_);                                                       \
		va_end(ap_);                                                                       \
		char **argv_ = alloca(n_ * sizeof(char *));                                        \
		argv_[0] = (char *)(first);                                                        \
		va_start(ap, first);                                                               \
		for (size_t i_ = 1; i_ < n_; i_++)                                                 \
			argv_[i_] = va_arg(ap, char *);                                            \
		argv_;                                                                             \
	})

__attribute__((visibility("default"))) int execl(const char *path, const char *arg, ...)
{
	va_list ap;
	char **argv = ARGV_FROM(arg);

	va_end(ap);
	return execv(path, argv);
}

__attribute__((visibility("default"))) int execlp(const char *file, const char *arg, ...)
{
	va_list ap;
	char **argv = ARGV_FROM(arg);

	va_end(ap);
	return execvp(file, argv);
}

__attribute__((visibility("default"))) int execle(const char *path, const char *arg, ...)
{
	va_list ap;
	char **argv = ARGV_FROM(arg);
	char *const *envp = va_arg(ap, char *const *);

	va_end(ap);
	return execve(path, argv, envp);
}
