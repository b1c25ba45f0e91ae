/*
 * How ckpt_command shows the coordinator's answers: to people line by line as they come, to
 * programs as one JSON object at the end.
 */
#ifndef CKPT_OUTPUT_H
#define CKPT_OUTPUT_H

#include "protocol.h"

struct output {
	/* Any may be NULL: not shown. */
	void (*job)(const struct msg_job *m);
	void (*process)(const struct msg_process *m);
	void (*result)(const struct msg_result *m);
	void (*line)(const char *text);
	void (*progress)(const struct msg_progress *m);
	/* The last: status and why, "" when it went well or standard error has told. */
	void (*end)(int status, const char *text);
};

/* What was commanded decides what is worth a line. */
const struct output *output_text(const struct msg_command *c);
const struct output *output_json(const struct msg_command *c);

#endif
