/*
 * ckpt_command: one question to the coordinator, its answers shown, and the exit status that it
 * gives.
 */
#include "connect.h"
#include "die.h"
#include "output.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: ckpt_command --checkpoint [--kill] [--no-wait] [--job JOB] [--json]\n"
	"       ckpt_command --check | --status | --list [--job JOB] [--json]\n"
	"       ckpt_command --interval TIME [--job JOB] [--json]\n"
	"       ckpt_command --quit [--json]\n";

enum { OPT_CHECK = 256, OPT_JSON, TRIES = 5 };

static const struct option options[] = {
	{"checkpoint", no_argument, NULL, 'c'},	    {"kill", no_argument, NULL, 'k'},
	{"no-wait", no_argument, NULL, 'n'},	    {"check", no_argument, NULL, OPT_CHECK},
	{"status", no_argument, NULL, 's'},	    {"list", no_argument, NULL, 'l'},
	{"interval", required_argument, NULL, 'i'}, {"quit", no_argument, NULL, 'q'},
	{"job", required_argument, NULL, 'j'},	    {"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},	    {"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* Which command an option is, if it is one. */
static uint32_t command_of(int option)
{
	static const struct {
		int option;
		uint32_t command;
	} commands[] = {
		{'c', CMD_CHECKPOINT}, {'k', CMD_CHECKPOINT}, {OPT_CHECK, CMD_CHECK},
		{'s', CMD_STATUS},     {'l', CMD_LIST},	      {'i', CMD_INTERVAL},
		{'q', CMD_QUIT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].option == option)
			return commands[i].command;
	return 0;
}

static void set_command(struct msg_command *c, uint32_t command)
{
	if (c->command && command && c->command != command)
		die("only one command at a time (see --help)");
	if (command)
		c->command = command;
}

static void parse_option(struct msg_command *c, int option)
{
	set_command(c, command_of(option));
	if (option == 'k')
		c->flags |= COMMAND_KILL;
	if (option == 'n')
		c->flags |= COMMAND_NO_WAIT;
	if (option == 'i' && config_parse_seconds(optarg, &c->interval_s))
		die("--interval %s: not a time such as 90, 10m, 2h or 1d", optarg);
	if (option == 'j' && (!*optarg || !str_copy(c->job, optarg, sizeof(c->job))))
		die("--job %.40s: not a job id, pid or program name", optarg);
}

static bool parse_options(int argc, char **argv, struct msg_command *c)
{
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "ckni:slqj:h", options, NULL)) != -1) {
		if (option == '?')
			exit(STATUS_USAGE);
		if (option == 'h') {
			fputs(usage, stdout);
			exit(STATUS_DONE);
		}
		if (option == 'V')
			version_show();
		json |= option == OPT_JSON;
		parse_option(c, option);
	}
	if (optind < argc)
		die("unexpected argument %s (see --help)", argv[optind]);
	if (!c->command)
		die("no command given (see --help)");
	if ((c->flags & COMMAND_NO_WAIT) && c->command != CMD_CHECKPOINT)
		die("--no-wait goes with --checkpoint only");
	return json;
}

/* Show one answer; true when it was the last, its exit status then in *status. */
static bool show(const struct output *out, const union any_msg *m, int *status)
{
	if (m->m.type == MSG_JOB && out->job)
		out->job(&m->job);
	else if (m->m.type == MSG_PROCESS && out->process)
		out->process(&m->process);
	else if (m->m.type == MSG_RESULT && out->result)
		out->result(&m->result);
	else if (m->m.type == MSG_LINE && out->line)
		out->line(m->line.text);
	else if (m->m.type == MSG_PROGRESS && out->progress)
		out->progress(&m->progress);
	if (m->m.type != MSG_END)
		return false;
	*status = m->end.status;
	out->end(*status, m->end.text);
	return true;
}

/* Show all answers; the exit status, or -errno when nothing was answered at all. */
static int converse(int fd, const struct msg_command *c, const struct output *out)
{
	bool answered = false;
	union any_msg m;
	int err, status;

	err = msg_send(fd, &c->m);
	if (err)
		return err;
	while ((err = msg_recv(fd, &m, -1)) == 1) {
		answered = true;
		if (show(out, &m, &status))
			return status;
	}
	if (!answered)
		return err ? err : -ECONNRESET;
	out->end(STATUS_REFUSED,
		 "the coordinator has ended; a checkpoint under way may be complete or not");
	return STATUS_REFUSED;
}

static int no_coordinator(const struct output *out, int err)
{
	char text[128] = "";

	if (err == -ENOENT || err == -ECONNREFUSED)
		snprintf(text, sizeof(text), "no coordinator is running");
	else if (err == -ECONNRESET || err == -EPROTONOSUPPORT)
		snprintf(text, sizeof(text), "the coordinator gives no answer: it may be of another version of ckpt; "
			 "end it, and another is started");
	else if (err != -ECANCELED) /* has been told */
		snprintf(text, sizeof(text), "cannot reach the coordinator: %s", strerror(-err));
	out->end(STATUS_NO_JOB, text);
	return STATUS_NO_JOB;
}

/*
 * A coordinator that was about to end when we came closes without an answer: there are other tries.
 */
static int ask(const struct msg_command *c, const struct output *out)
{
	bool start = c->command != CMD_QUIT;
	int fd, status = -ECONNRESET;

	for (int tries = 0; tries < TRIES && status < 0; tries++) {
		fd = coordinator_connect(start);
		if (fd < 0)
			return no_coordinator(out, fd);
		status = converse(fd, c, out);
		close(fd);
	}
	return status < 0 ? no_coordinator(out, status) : status;
}

int main(int argc, char **argv)
{
	static struct msg_command command;
	bool json;

	die_init("ckpt_command", STATUS_USAGE);
	MSG_INIT(&command, MSG_COMMAND);
	json = parse_options(argc, argv, &command);
	die_init("ckpt_command", STATUS_NO_JOB);
	return ask(&command, json ? output_json(&command) : output_text(&command));
}
