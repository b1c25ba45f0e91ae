/*
 * The file "log" in a directory of images: what has happened to the job, a line each, for its user. The coordinator
 * writes it, and ckpt_launch in a SLURM job.
 */
#ifndef CKPT_LOG_FILE_H
#define CKPT_LOG_FILE_H

#include <stdarg.h>

/*
 * Append a line to DIR/log, made with mode 0600: local time, "who: " and the text, in which line feeds become blanks.
 * 0 or -errno; nobody is to fail for it.
 */
int log_file_put(const char *dir, const char *who, const char *fmt, va_list ap);

#endif
