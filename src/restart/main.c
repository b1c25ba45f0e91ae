/* ckpt_restart: goes on with a program from its image. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "connect.h"
#include "die.h"
#include "files.h"
#include "restart.h"
#include "runtime.h"

static void usage(FILE *f)
{
	fprintf(f, "usage: ckpt_restart [--verbose] [--no-capsule] [--files=POLICY[:GLOB][,...]] [--tcp=reset|refuse]\n"
		   "                    [--map-path OLD=NEW] [--env GLOB] [--own-output INODE[,...]] [--key=FILE] [--tell WHO]\n"
		   "                    [--failure-status N] [--end-with-first] IMAGE|DIRECTORY|LINK\n");
}

/* What exits with it is not mistaken for the program. */
static void failure_option(struct options *o, const char *arg)
{
	const char *p = arg;

	o->failure = parse_dec(&p);
	if (p == arg || *p || p - arg > 3 || o->failure < 1 || o->failure > 255)
		die("--failure-status=%.100s: must be a number from 1 to 255", arg);
	die_init("ckpt_restart", o->failure);
}

/* Whoever reads the log of a job has to know what it went on from. */
static void choice_tell(const struct restart *r)
{
	time_t created = r->image.header.created_ns / 1000000000;
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", localtime_r(&created, &tm));
	fprintf(stderr, "ckpt: %s: goes on from %s (generation %lu of %s)\n", r->opt.tell, r->path,
		(long)r->job.generation, date);
}

static void options_read(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"map-path", required_argument, NULL, 'm'},
		{"verbose", no_argument, NULL, 'v'},
		{"no-capsule", no_argument, NULL, 'n'},
		{"files", required_argument, NULL, 'f'},
		{"tcp", required_argument, NULL, 't'},
		{"key", required_argument, NULL, 'k'},
		{"env", required_argument, NULL, 'e'},
		{"own-output", required_argument, NULL, 'o'},
		{"tell", required_argument, NULL, 'T'},
		{"failure-status", required_argument, NULL, 's'},
		{"end-with-first", no_argument, NULL, 'E'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+hvV", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			moves_option(o, optarg);
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'n':
			o->no_capsule = true;
			break;
		case 'f':
			if (files_add(o->files, sizeof(o->files), optarg))
				die("--files=%.200s: must be %s", optarg, FILES_EXPECTED);
			break;
		case 't':
			if (config_parse_tcp(optarg, &o->tcp_refuse))
				die("--tcp=%s: must be reset or refuse", optarg);
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'e':
			graft_option(o, optarg);
			break;
		case 'o':
			output_option(optarg);
			o->outputs = optarg;
			break;
		case 'T':
			o->tell = optarg;
			break;
		case 's':
			failure_option(o, optarg);
			break;
		case 'E':
			o->end_with_first = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'V':
			version_show();
		default:
			usage(stderr);
			exit(STATUS_OWN);
		}
	}
	if (optind + 1 != argc) {
		usage(stderr);
		exit(STATUS_OWN);
	}
	o->path = argv[optind];
}

/* The program gets our controlling terminal, in the foreground when we are. */
static void terminal_find(struct restart *r)
{
	for (int fd = 0; fd < 3; fd++) {
		pid_t group = tcgetpgrp(fd);

		if (group < 0)
			continue;
		r->on_terminal = true;
		r->foreground = group == getpgrp();
	}
}

/* There is to be one; and we may have been a program of a job, before ckpt_become(), which it is to forget. */
static void coordinator_greet(void)
{
	struct msg_hello h = {.pid = getpid(), .flags = HELLO_LEAVES};
	int fd = coordinator_connect(true);

	if (fd < 0)
		return;
	MSG_INIT(&h, MSG_HELLO);
	config_default(&h.config);
	str_copy(h.config.job, "none", sizeof(h.config.job));
	msg_send(fd, &h.m);
	close(fd);
}

int main(int argc, char **argv)
{
	static struct restart r;

	die_init("ckpt_restart", STATUS_OWN);
	signals_hold();
	r.pid = getpid();
	r.argc = argc;
	r.argv = argv;
	options_read(argc, argv, &r.opt);
	runtime_fault(&r.fault);
	fault_armed = r.fault.pid ? 0 : r.fault.armed;
	if (r.opt.no_capsule && geteuid() != 0)
		die("--no-capsule is for root: only root may choose process ids outside of a capsule");
	image_choose(&r);
	state_read(&r);
	signals_hold_some(&r);
	if (r.opt.tell)
		choice_tell(&r);
	if (r.opt.verbose)
		newer_tell(&r);
	fault(FAULT_RESTART_STATE);
	runtime_socket_path(r.socket);
	coordinator_greet();
	terminal_find(&r);
	return capsule_run(&r);
}
