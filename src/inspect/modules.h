/*
 * modules.c: the ELF files that a process has mapped, executable, libraries and vdso: where each begins, its table
 * for unwinding, and its functions' names, if the file is still the one that was mapped.
 */
#ifndef CKPT_INSPECT_MODULES_H
#define CKPT_INSPECT_MODULES_H

#include "memory.h"

struct module {
	const char *path;
	uint64_t bias;		/* what is added to addresses of the file */
	uint64_t eh_frame_hdr;	/* address in the process, 0: none */
	uint64_t start, end;	/* of the area that it was found by */
	const struct symbol *symbols; /* by address */
	size_t nsymbols;
};

struct modules;

struct modules *modules_open(struct memory *m);
/* The file that the code at pc is of, NULL: none. */
const struct module *module_at(struct modules *all, uint64_t pc);
/* The function that pc is in and where in it; NULL: unknown. */
const char *module_function(const struct module *module, uint64_t pc, uint64_t *offset);

#endif
