/* python_lines.c: tables from instructions to lines of code. */
#ifndef CKPT_INSPECT_PYTHON_LINES_H
#define CKPT_INSPECT_PYTHON_LINES_H

#include "python_offsets.h"

/* The line of the instruction at an offset in bytes; 0: it has none. The table may be damaged. */
int python_line(enum python_lines kind, const uint8_t *table, size_t n, int first_line, int64_t at);

#endif
