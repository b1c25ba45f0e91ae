/*
 * ckpt_launch: puts a job's configuration and libckpt.so into the environment, and becomes the
 * program. Nothing of it is left: pid, descriptors and standard streams are as the caller gave
 * them.
 */
#include "connect.h"
#include "die.h"
#include "files.h"
#include "image.h"
#include "program.h"
#include "protocol.h"
#include "runtime.h"
#include "slurm.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: ckpt_launch [--ckptdir DIR] [--keep N] [--compress zstd[:LEVEL]|none] [--interval "
	"TIME]\n"
	"                   [--name NAME] [--signal N] [--timeout TIME] [--tcp reset|refuse]\n"
	"                   [--ignore GLOB[,GLOB]] [--files POLICY[:GLOB][,...]]\n"
	"                   [--encrypt[=KEYFILE]] [--on-signal SIGNAL=ACTION[,...]] program [argument ...]\n";

/* Options that are environment variables too; the option has precedence. */
static const struct setting {
	const char *option, *variable, *expects;
} settings[] = {
	{"files", "CKPT_FILES", FILES_EXPECTED},
	{"ckptdir", "CKPT_DIR", "a directory"},
	{"keep", "CKPT_KEEP", "a number of generations, 0 for all"},
	{"compress", "CKPT_COMPRESS", "zstd, zstd:1 to zstd:19, or none"},
	{"interval", "CKPT_INTERVAL", "a time such as 90, 10m, 2h or 1d, 0 for never"},
	{"name", "CKPT_NAME", "letters, digits, '.', '-', '_' and '+'"},
	{"signal", "CKPT_SIGNAL", "the number of a signal that is free for use"},
	{"timeout", "CKPT_TIMEOUT", "a time such as 10 or 1m"},
	{"tcp", "CKPT_TCP", "reset or refuse"},
	{"ignore", "CKPT_IGNORE", "patterns of links such as 'socket:*,/dev/nvidia*', 511 characters at most"},
	{"on-signal", "CKPT_ON_SIGNAL", ON_SIGNAL_EXPECTED},
	{"encrypt", "CKPT_KEYFILE", "the name of a key file, 1023 characters at most"},
};
enum { NSETTINGS = ARRAY_SIZE(settings), SETTING_FILES = 0, SETTING_ENCRYPT = NSETTINGS - 1 };

/*
 * The reserved signal and those that ask for a checkpoint. One that comes before libckpt has its handlers would kill:
 * its constructor unblocks them.
 */
static uint64_t signals_to_block;

static void set_env(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		die("cannot set %s:", name);
}

/* ---- options ---- */

static void help(void)
{
	fputs(usage, stdout);
	exit(0);
}

enum { OPT_HELP = 256, OPT_VERSION };

/* May be given several times: what comes later goes to the end. */
static void files_option(const char *value)
{
	static char list[CKPT_FILES_MAX];

	if (files_add(list, sizeof(list), value))
		die("--files %.200s: must be %s", value, FILES_EXPECTED);
	set_env(settings[SETTING_FILES].variable, list);
}

/* Only --encrypt may be without a value: then the variable has it. */
static void set_setting(const struct setting *s, const char *value)
{
	const char *set = getenv(s->variable);

	if (value)
		set_env(s->variable, value);
	else if (!set || !*set)
		die("--%s: no key file is named (--%s=FILE or %s); to make one: "
		    "(umask 077; head -c 32 /dev/urandom | base64 >FILE)", s->option, s->option, s->variable);
}

/* Take the options into the environment; returns the index of the program in argv. */
static int parse_options(int argc, char **argv)
{
	struct option options[NSETTINGS + 3] = {{0}};
	int c, i;

	for (i = 0; i < NSETTINGS; i++)
		options[i] = (struct option){settings[i].option, required_argument, NULL, i + 1};
	options[SETTING_ENCRYPT].has_arg = optional_argument;
	options[NSETTINGS] = (struct option){"help", no_argument, NULL, OPT_HELP};
	options[NSETTINGS + 1] = (struct option){"version", no_argument, NULL, OPT_VERSION};
	/* '+': what follows the program is the program's. */
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h' || c == OPT_HELP)
			help();
		if (c == OPT_VERSION)
			version_show();
		if (c == '?')
			exit(STATUS_OWN);
		if (c - 1 == SETTING_FILES)
			files_option(optarg);
		else
			set_setting(&settings[c - 1], optarg);
	}
	if (optind == argc)
		die("no program given (see --help)");
	return optind;
}

static void check_marks(void)
{
	static const char *const marks[] = {"CKPT_FINISHED", "CKPT_EXITED"};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *value = getenv(marks[i]);

		if (value && *value && (*value != '/' || strlen(value) >= CKPT_PATH_MAX))
			die("%s=%.200s: must be an absolute path", marks[i], value);
	}
}

/* CKPT_DIR absolute, there, and writable: better now than at the first checkpoint. */
static void check_dir(void)
{
	const char *value = getenv("CKPT_DIR");
	const char *given = value && *value ? value : ".";
	char *dir = realpath(given, NULL);
	struct stat st;

	if (!dir)
		die("directory for images %s:", given);
	if (stat(dir, &st))
		die("directory for images %s:", dir);
	if (!S_ISDIR(st.st_mode))
		die("directory for images %s: not a directory", dir);
	if (access(dir, W_OK | X_OK))
		die("directory for images %s: not writable:", dir);
	set_env("CKPT_DIR", dir);
	free(dir);
}

/* CKPT_KEYFILE absolute, and a key in it: better now than at the first checkpoint. The key goes nowhere. */
static void check_keyfile(void)
{
	const char *value = getenv("CKPT_KEYFILE");
	uint8_t key[IMAGE_KEY_BYTES];
	char buf[CKPT_PATH_MAX + 256], *path;
	struct text why = TEXT(buf);
	int err;

	if (!value || !*value)
		return;
	path = realpath(value, NULL);
	if (!path)
		die("the key file %s:", value);
	err = image_key_read(path, key, &why);
	image_key_wipe(key, sizeof(key));
	if (err)
		die("%s", buf);
	set_env("CKPT_KEYFILE", path);
	free(path);
}

/* CKPT_ON_COMMIT: the coordinator, which runs it, is in no directory of the caller's. */
static void check_hook(void)
{
	const char *value = getenv("CKPT_ON_COMMIT");

	if (value && *value && *value != '/')
		die("CKPT_ON_COMMIT=%.200s: must be an absolute path", value);
}

static void check_settings(void)
{
	struct job_config c;

	check_dir();
	check_keyfile();
	check_marks();
	config_default(&c);
	for (size_t i = 0; i < NSETTINGS; i++) {
		const struct setting *s = &settings[i];
		const char *value = getenv(s->variable);

		if (value && *value && config_set(&c, s->variable, value))
			die("--%s (%s) %.200s: must be %s", s->option, s->variable, value,
			    s->expects);
	}
	if (config_signals_clash(&c))
		die("--on-signal (CKPT_ON_SIGNAL): signal %d is reserved for checkpoints themselves (--signal)",
		    c.signo);
	check_hook();
	signals_to_block = on_signal_set(c.on_signal) | 1ull << (c.signo - 1);
}

/* ---- environment ---- */

static void set_job(void)
{
	char id[JOB_ID_MAX];
	uint32_t n;

	if (getenv("CKPT_JOB")) { /* what becomes of the job that we are in is not for this one to say */
		unsetenv("CKPT_FINISHED");
		unsetenv("CKPT_EXITED");
	}
	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		die("cannot get random bytes:");
	snprintf(id, sizeof(id), "%08x", n);
	set_env("CKPT_JOB", id);
	snprintf(id, sizeof(id), "%d", getpid());
	set_env("CKPT_FIRST", id);
	snprintf(id, sizeof(id), "%d", getsid(0));
	set_env("CKPT_SESSION", id);
}

static void set_name(char *const argv[])
{
	const char *name = getenv("CKPT_NAME");
	char stem[JOB_NAME_MAX];

	if (name && *name)
		return;
	program_stem(argv, stem, sizeof(stem));
	set_env("CKPT_NAME", stem);
}

/* A library of a launched program that launches another is there already. */
static void set_preload(void)
{
	const char *old = getenv("LD_PRELOAD");
	char library[CKPT_PATH_MAX], *value;

	runtime_library(library, sizeof(library));
	if (strpbrk(library, " :"))
		die("%s: the dynamic loader can't load a path with a blank or a colon in it",
		    library);
	if (!old || !*old) {
		set_env("LD_PRELOAD", library);
		return;
	}
	if (!strncmp(old, library, strlen(library)) && strchr(" :", old[strlen(library)]))
		return;
	if (asprintf(&value, "%s:%s", library, old) < 0)
		die("out of memory");
	set_env("LD_PRELOAD", value);
	free(value);
}

static void set_socket(void)
{
	char path[SOCKET_PATH_MAX];
	int fd = coordinator_connect(true);

	if (fd == -ECANCELED)
		exit(STATUS_OWN); /* it has been told why */
	if (fd < 0)
		die("cannot reach the coordinator: %s", strerror(-fd));
	close(fd);
	runtime_socket_path(path);
	set_env(CKPT_ENV_SOCKET, path);
}

/* ---- the program ---- */

static void die_not_run(const char *name, int err)
{
	errno = err;
	die_status(err == ENOENT ? STATUS_NO_PROGRAM : STATUS_NO_EXEC, "cannot run %s:", name);
}

static void prepare(const struct program *p, char *const argv[])
{
	set_job();
	set_name(argv);
	if (p->obstacle)
		warn("%s can't be checkpointed: %s", argv[0], p->obstacle);
	if (p->no_preload)
		return;
	set_socket();
	set_preload();
	if (!p->obstacle)
		sys_sigprocmask(0 /* SIG_BLOCK */, &signals_to_block, NULL);
}

/* Those that were blocked at the very first, and are not the job's to take. */
static void signals_let_go(const struct program *p, uint64_t early)
{
	if (!p->obstacle)
		early &= ~signals_to_block;
	sys_sigprocmask(1 /* SIG_UNBLOCK */, &early, NULL);
}

int main(int argc, char **argv)
{
	struct program program;
	uint64_t early;
	int err;

	die_init("ckpt_launch", STATUS_OWN);
	early = slurm_here() ? slurm_signals_block() : 0;
	argv += parse_options(argc, argv);
	if (slurm_nested()) {
		warn("%s runs as a part of the job of ckpt that is here already", argv[0]);
		execvp(argv[0], argv);
		die_not_run(argv[0], errno);
	}
	if (slurm_here())
		slurm_begin(argv);
	check_settings();
	err = program_find(&program, argv[0]);
	if (err)
		die_not_run(argv[0], -err);
	prepare(&program, argv);
	signals_let_go(&program, early);
	execvp(argv[0], argv);
	die_not_run(argv[0], errno);
}
