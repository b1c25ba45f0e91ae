#include "job_log.h"
#include "log.h"
#include "log_file.h"

#include <stdarg.h>
#include <stdio.h>

void job_log(const struct job *job, const char *fmt, ...)
{
	char who[JOB_ID_MAX + 8];
	va_list ap;
	int err;

	if (!on_signal_set(job->config.on_signal) || !job->config.dir[0])
		return;
	snprintf(who, sizeof(who), "job %s", job->id);
	va_start(ap, fmt);
	err = log_file_put(job->config.dir, who, fmt, ap);
	va_end(ap);
	if (err)
		log_line("job %s: its log can't be written: %s", job->id, errno_name(err));
}
