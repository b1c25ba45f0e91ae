/* What the CPU of this machine offers to programs, and whether an image's needs are met. */
#ifndef CKPT_CPU_H
#define CKPT_CPU_H

#include "records.h"

void cpu_describe(struct rec_cpu *c);

/*
 * Whether a program that saw `need` can run where `have` is. Returns NULL, or the name of the first
 * feature that is missing ("avx512f").
 */
const char *cpu_missing(const struct rec_cpu *need, const struct rec_cpu *have);

#endif
