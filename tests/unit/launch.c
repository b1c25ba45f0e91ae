/*
 * ckpt_launch as it is built: what it gives to the program, and how it fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime.h"
#include "protocol.h"
#include "unit.h"

static char top[UNIT_DIR_MAX];
static char out[65536];

static int run(const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	FILE *f;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	f = popen(line, "r");
	ck_assert_ptr_nonnull(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int launch(const char *args)
{
	char path[CKPT_PATH_MAX];

	runtime_beside("../bin/ckpt_launch", path, sizeof(path));
	return run("cd %s; %s %s 2>&1", top, path, args);
}

static void set_up(void)
{
	char path[64];

	unit_dir(top);
	snprintf(path, sizeof(path), "%s/sock", top);
	setenv("CKPT_SOCKET", path, 1);
	setenv("CKPT_LINGER", "1", 1);
	for (const char *const *name =
		     (const char *const[]){"CKPT_DIR", "CKPT_NAME", "CKPT_KEEP", NULL};
	     *name; name++)
		unsetenv(*name);
}

static void tear_down(void)
{
	run("rm -rf %s", top);
}

static void expect(const char *part)
{
	ck_assert_msg(strstr(out, part), "no \"%s\" in: %s", part, out);
}

/* A file in the test's directory. */
static void make_file(const char *name, const char *text, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

UNIT_TEST(launch_sets_the_environment)
{
	char line[CKPT_PATH_MAX];

	set_up();
	ck_assert_int_eq(launch("--keep 5 --compress=none --interval 2h --name n1 /usr/bin/env"),
			 0);
	expect("CKPT_KEEP=5\n");
	expect("CKPT_COMPRESS=none\n");
	expect("CKPT_INTERVAL=2h\n");
	expect("CKPT_NAME=n1\n");
	expect("CKPT_JOB=");
	expect("CKPT_FIRST=");
	expect("CKPT_SESSION=");
	expect("/libckpt.so");
	snprintf(line, sizeof(line), "CKPT_DIR=%s\n", top);
	expect(line);
	tear_down();
}

UNIT_TEST(launch_keeps_preloaded_libraries_and_variables)
{
	set_up();
	setenv("CKPT_KEEP", "9", 1);
	ck_assert_int_eq(run("true"), 0);
	setenv("LD_PRELOAD", "libm.so.6", 1);
	ck_assert_int_eq(launch("env"), 0);
	unsetenv("LD_PRELOAD");
	expect("libckpt.so:libm.so.6\n");
	expect("CKPT_KEEP=9\n");
	expect("CKPT_NAME=env\n");
	tear_down();
}

UNIT_TEST(launch_names_a_job_by_its_script)
{
	set_up();
	make_file("my sim.sh", "echo $CKPT_NAME\n", 0755);
	ck_assert_int_eq(launch("sh -e 'my sim.sh'"), 0);
	ck_assert_int_eq(launch("sh 'my sim.sh'"), 0);
	ck_assert_str_eq(out, "my_sim\n");
	ck_assert_int_eq(launch("'./my sim.sh'"), 0);
	ck_assert_str_eq(out, "my_sim\n");
	ck_assert_int_eq(launch("sh -c 'echo $CKPT_NAME'"), 0);
	ck_assert_str_eq(out, "sh\n");
	tear_down();
}

UNIT_TEST(launch_leaves_options_behind_the_program_alone)
{
	set_up();
	ck_assert_int_eq(launch("echo --keep x"), 0);
	ck_assert_str_eq(out, "--keep x\n");
	tear_down();
}

UNIT_TEST(launch_passes_on_the_exit_status)
{
	set_up();
	ck_assert_int_eq(launch("sh -c 'exit 42'"), 42);
	ck_assert_str_eq(out, "");
	tear_down();
}

UNIT_TEST(launch_says_when_a_program_can_not_be_run)
{
	set_up();
	make_file("plain", "#!/bin/sh\n", 0644);
	ck_assert_int_eq(launch("nonexistent-program"), 127);
	ck_assert_str_eq(
		out, "ckpt_launch: cannot run nonexistent-program: No such file or directory\n");
	ck_assert_int_eq(launch("./plain"), 126);
	expect("cannot run ./plain: Permission denied");
	ck_assert_int_eq(launch("/tmp"), 126);
	tear_down();
}

UNIT_TEST(launch_fails_with_125_and_one_line)
{
	static const char *const bad[][2] = {
		{"", "no program given"},
		{"--nonsense true", "--nonsense"},
		{"--keep x true", "--keep (CKPT_KEEP) x: must be"},
		{"--compress gzip true", "--compress (CKPT_COMPRESS) gzip: must be"},
		{"--name a/b true", "--name (CKPT_NAME) a/b: must be"},
		{"--signal 9 true", "--signal (CKPT_SIGNAL) 9: must be"},
		{"--on-signal KILL=checkpoint true", "--on-signal (CKPT_ON_SIGNAL) KILL=checkpoint: must be"},
		{"--on-signal 64=checkpoint true", "signal 64 is reserved for checkpoints themselves (--signal)"},
		{"--ckptdir /nonexistent true", "directory for images /nonexistent: No such file"},
		{"--ckptdir /dev/null true", "directory for images /dev/null: not a directory"},
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(launch(bad[i][0]), 125);
		expect(bad[i][1]);
		ck_assert_ptr_eq(strchr(out, '\n'), strrchr(out, '\n'));
	}
	tear_down();
}

UNIT_TEST(launch_warns_of_a_static_program_and_runs_it)
{
	char source[256];

	set_up();
	make_file("x.c", "#include <stdio.h>\nint main(void) { puts(\"ran\"); return 3; }\n", 0644);
	snprintf(source, sizeof(source), "cd %s && cc -static -o static x.c 2>/dev/null", top);
	if (!run("%s", source)) {
		ck_assert_int_eq(launch("./static"), 3);
		expect("ckpt_launch: ./static can't be checkpointed: it is statically linked\n");
		expect("ran\n");
		make_file("script", "#! ./static\n", 0755);
		ck_assert_int_eq(launch("./script"), 3);
		expect("./script can't be checkpointed: it is statically linked\n");
	}
	tear_down();
}
