/*
 * What a program file is, as far as it decides whether libckpt can be loaded into it.
 */
#ifndef CKPT_PROGRAM_H
#define CKPT_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

struct program {
	char path[PATH_MAX]; /* the file that is executed, found along PATH */
	/* Why it can't be checkpointed, NULL when it can. */
	const char *obstacle;
	bool no_preload; /* the loader can't be asked to load libckpt, or would complain of it */
};

/*
 * Find the program that execvp(name) would run and look at it; for a script at its interpreter. An
 * -errno of the search: -ENOENT, -EACCES.
 */
int program_find(struct program *p, const char *name);

/*
 * Stem for image names: of the script when argv runs one under an interpreter (python3 sim.py ->
 * sim), else of the program. Always a valid CKPT_NAME.
 */
void program_stem(char *const argv[], char *stem, unsigned long n);

#endif
