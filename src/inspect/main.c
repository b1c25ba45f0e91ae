/*
 * ckpt_inspect FILE: what is in an image, for people or with --json, and with --verify whether all
 * of it is as it was written.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "die.h"
#include "diff.h"
#include "generations.h"
#include "html.h"
#include "inspect.h"

enum { STATUS_DAMAGED = 1 };

struct options {
	bool json, stacks, python, locals, verify, diff, environment, secrets;
	int pid;
	const char *core, *html, *path, *key;
	const char *later; /* with --diff */
};

static const char usage[] = "usage: ckpt_inspect [--json] [--stacks] [--python [--locals]] [--environment [--secrets]] [--verify] FILE\n"
			    "       ckpt_inspect [--json] DIRECTORY\n"
			    "       ckpt_inspect --html PAGE [--stacks] [--python [--locals]] [--environment] [--verify] FILE\n"
			    "       ckpt_inspect --core CORE [--pid PID] FILE\n"
			    "       ckpt_inspect --diff [--json] BEFORE AFTER\n"
			    "       with --key FILE for encrypted images\n";

static int pid_parse(const char *s)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(s, &end, 10);
	if (errno || end == s || *end || pid <= 0 || pid > INT_MAX)
		die_status(STATUS_USAGE, "--pid %.40s: must be a process id", s);
	return (int)pid;
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"core", required_argument, NULL, 'c'},
		{"html", required_argument, NULL, 'H'},
		{"pid", required_argument, NULL, 'p'},
		{"environment", no_argument, NULL, 'e'},
		{"secrets", no_argument, NULL, 'S'},
		{"diff", no_argument, NULL, 'd'},
		{"stacks", no_argument, NULL, 's'},
		{"python", no_argument, NULL, 'P'},
		{"locals", no_argument, NULL, 'l'},
		{"verify", no_argument, NULL, 'v'},
		{"key", required_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'v':
			o->verify = true;
			break;
		case 'e':
			o->environment = true;
			break;
		case 'S':
			o->environment = o->secrets = true;
			break;
		case 'd':
			o->diff = true;
			break;
		case 's':
			o->stacks = true;
			break;
		case 'P':
			o->python = true;
			break;
		case 'l':
			o->python = o->locals = true;
			break;
		case 'c':
			o->core = optarg;
			break;
		case 'H':
			o->html = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'p':
			o->pid = pid_parse(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(STATUS_DONE);
		case 'V':
			version_show();
		default:
			exit(STATUS_USAGE);
		}
	}
	if (optind != argc - 1 - o->diff)
		die_status(STATUS_USAGE, "%s must be given (see --help)", o->diff ? "two images" : "one image");
	o->path = argv[optind];
	o->later = argv[argc - 1];
}

static void diff(const struct options *o, struct report *before)
{
	struct report after;
	struct difference *d;
	size_t n;

	report_load(&after, o->later, o->key);
	d = report_diff(before, &after, &n);
	(o->json ? diff_json : diff_text)(before, &after, d, n);
}

/* The images of a directory; true when path is one. */
static bool directory(const struct options *o)
{
	struct generation *g;
	struct stat st;
	size_t n;

	if (o->diff || o->core || o->html || stat(o->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	g = generations_read(o->path, o->key, &n);
	if (o->json)
		generations_json(o->path, g, n);
	else
		generations_text(g, n);
	return true;
}

static void image(const struct options *o)
{
	struct report r;

	report_load(&r, o->path, o->key);
	if (o->verify && report_verify(&r) > 0)
		exit(STATUS_DAMAGED);
	r.secrets = o->secrets;
	if (o->stacks)
		report_stacks(&r);
	if (o->python)
		report_python(&r, o->locals);
	if (o->environment)
		report_environment(&r);
	if (o->core)
		report_core(&r, report_process(&r, o->pid), o->core);
	else if (o->html)
		report_html(&r, o->html);
	else if (o->diff)
		diff(o, &r);
	else if (o->json)
		report_json(&r);
	else if (o->stacks || o->python)
		report_stacks_text(&r);
	else
		report_text(&r);
}

int main(int argc, char **argv)
{
	struct options o = {0};

	die_init("ckpt_inspect", STATUS_DAMAGED);
	parse_options(&o, argc, argv);
	if (!directory(&o))
		image(&o);
	if (fflush(stdout) || ferror(stdout))
		die("cannot write to standard output:");
	return STATUS_DONE;
}
