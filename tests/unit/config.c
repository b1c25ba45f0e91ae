#include <errno.h>
#include "protocol.h"
#include "unit.h"

#define ENV(text) text, sizeof(text)

UNIT_TEST(config_has_defaults)
{
	struct job_config c;

	ck_assert_int_eq(config_from_env(&c, ENV("HOME=/root\0CKPT_JOB=1a2b3c4d")), 0);
	ck_assert_str_eq(c.job, "1a2b3c4d");
	ck_assert_str_eq(c.name, "ckpt");
	ck_assert_str_eq(c.dir, "");
	ck_assert_uint_eq(c.keep, CKPT_DEFAULT_KEEP);
	ck_assert_int_eq(c.level, 1);
	ck_assert_uint_eq(c.interval_s, 0);
	ck_assert_int_eq(c.signo, CKPT_DEFAULT_SIGNAL);
	ck_assert_uint_eq(c.timeout_ms, CKPT_DEFAULT_TIMEOUT_MS);
	ck_assert_int_eq(config_check(&c), 0);
}

UNIT_TEST(config_takes_every_variable)
{
	struct job_config c;

	ck_assert_int_eq(
		config_from_env(&c, ENV("CKPT_JOB=a.2\0CKPT_NAME=sim\0CKPT_DIR=/x y\0"
					"CKPT_KEEP=0\0CKPT_COMPRESS=zstd:19\0"
					"CKPT_INTERVAL=2h\0CKPT_SIGNAL=63\0CKPT_TIMEOUT=1m\0"
					"CKPT_IGNORE=socket:*,/dev/x\0CKPT_KEYFILE=/k\0CKPT_FILES=save:*.h5")),
		0);
	ck_assert_str_eq(c.job, "a.2");
	ck_assert_str_eq(c.name, "sim");
	ck_assert_str_eq(c.dir, "/x y");
	ck_assert_uint_eq(c.keep, 0);
	ck_assert_int_eq(c.level, 19);
	ck_assert_uint_eq(c.interval_s, 7200);
	ck_assert_int_eq(c.signo, 63);
	ck_assert_uint_eq(c.timeout_ms, 60000);
	ck_assert_str_eq(c.ignore, "socket:*,/dev/x");
	ck_assert_str_eq(c.keyfile, "/k");
	ck_assert_int_eq(config_set(&c, "CKPT_KEYFILE", "k"), -EINVAL);
	ck_assert_str_eq(c.files, "save:*.h5");
}

UNIT_TEST(config_needs_a_job)
{
	struct job_config c = {.keep = 7};

	ck_assert_int_eq(config_from_env(&c, ENV("XCKPT_JOB=a\0CKPT_JOBS=b\0CKPT_JOB=")), -ENOENT);
	ck_assert_int_eq(config_from_env(&c, "", 0), -ENOENT);
	ck_assert_uint_eq(c.keep, 7);
}

UNIT_TEST(config_ignores_what_is_cut_off)
{
	struct job_config c;

	ck_assert_int_eq(config_from_env(&c, "CKPT_JOB=a", 10), -ENOENT);
	ck_assert_int_eq(config_from_env(&c, "CKPT_JOB=a\0CKPT_KEEP=x", 21), 0);
}

UNIT_TEST(config_refuses_bad_values)
{
	static const char *const bad[][2] = {
		{"CKPT_JOB", "../x"},	      {"CKPT_JOB", ".x"},
		{"CKPT_JOB", "a b"},	      {"CKPT_JOB", "0123456789012345678901234567890123"},
		{"CKPT_NAME", "a/b"},	      {"CKPT_NAME", "\033[2J"},
		{"CKPT_DIR", "relative"},     {"CKPT_KEEP", "-1"},
		{"CKPT_KEEP", "4294967296"},  {"CKPT_KEEP", "99999999999999999999"},
		{"CKPT_KEEP", "2x"},	      {"CKPT_COMPRESS", "zstd:0"},
		{"CKPT_COMPRESS", "zstd:20"}, {"CKPT_COMPRESS", "zstd:"},
		{"CKPT_COMPRESS", "zstd1"},   {"CKPT_COMPRESS", "gzip"},
		{"CKPT_INTERVAL", "1w"},      {"CKPT_INTERVAL", "m"},
		{"CKPT_INTERVAL", "1mm"},     {"CKPT_INTERVAL", "50000d"},
		{"CKPT_SIGNAL", "0"},	      {"CKPT_SIGNAL", "65"},
		{"CKPT_SIGNAL", "9"},	      {"CKPT_SIGNAL", "32"},
		{"CKPT_TIMEOUT", "0"},	      {"CKPT_TIMEOUT", "99999999"},
		{"CKPT_FILES", "save:a,b"},
	};
	struct job_config c;

	config_default(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(config_set(&c, bad[i][0], bad[i][1]) == -EINVAL, "%s=%s", bad[i][0],
			      bad[i][1]);
	ck_assert_int_eq(config_set(&c, "CKPT_LINGER", "1"), -ENOENT);
}

UNIT_TEST(config_received_is_checked)
{
	struct job_config good, c;

	config_default(&good);
	config_set(&good, "CKPT_JOB", "a");
	ck_assert_int_eq(config_check(&good), 0);
	c = good;
	c.signo = 0;
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c = good;
	c.level = 20;
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c = good;
	c.name[0] = '/';
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c = good;
	c.on_signal[10 - 1] = 126;
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c.on_signal[10 - 1] = ON_SIGNAL_CHECKPOINT;
	ck_assert_int_eq(config_check(&c), 0);
	c.on_signal[9 - 1] = ON_SIGNAL_CHECKPOINT;
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c = good;
	c.on_signal[c.signo - 1] = ON_SIGNAL_CHECKPOINT;
	ck_assert_int_eq(config_check(&c), -EINVAL);
	c = good;
	c.timeout_ms = 0;
	ck_assert_int_eq(config_check(&c), -EINVAL);
}

UNIT_TEST(config_reads_times)
{
	uint32_t s;

	ck_assert_int_eq(config_parse_seconds("90", &s), 0);
	ck_assert_uint_eq(s, 90);
	ck_assert_int_eq(config_parse_seconds("10m", &s), 0);
	ck_assert_uint_eq(s, 600);
	ck_assert_int_eq(config_parse_seconds("1d", &s), 0);
	ck_assert_uint_eq(s, 86400);
	ck_assert_int_eq(config_parse_seconds("0", &s), 0);
	ck_assert_uint_eq(s, 0);
}

/* What a text of CKPT_ON_SIGNAL comes to, written anew; "-" when it is none. */
static const char *on_signal_again(const char *text)
{
	static char buf[256];
	uint8_t action[ON_SIGNAL_MAX];
	struct text t = TEXT(buf);

	if (on_signal_parse(text, action))
		return "-";
	ck_assert(on_signal_valid(action));
	on_signal_put(&t, action);
	return buf;
}

UNIT_TEST(config_reads_signals_that_ask_for_a_checkpoint)
{
	static const char *const good[][2] = {
		{"USR1=checkpoint", "USR1=checkpoint"},
		{"SIGTERM=checkpoint+exit,10=checkpoint", "USR1=checkpoint,TERM=checkpoint+exit:85"},
		{"RTMIN=checkpoint+exit:1", "RTMIN=checkpoint+exit:1"},
		{"RTMAX-1=checkpoint+exit:125", "RTMIN+29=checkpoint+exit:125"},
		{"64=checkpoint", "64=checkpoint"},
	};
	static const char *const bad[] = {
		"", "USR1", "USR1=", "USR1=check", "USR1=checkpoint,", ",", "USR1=checkpoint,10=checkpoint",
		"KILL=checkpoint", "STOP=checkpoint", "SEGV=checkpoint", "0=checkpoint", "65=checkpoint",
		"32=checkpoint", "RTMIN+31=checkpoint", "RTMIN-1=checkpoint", "RTMIN+=checkpoint",
		"USR=checkpoint", "USR11=checkpoint", "USR1=checkpoint+exit:", "USR1=checkpoint+exit:0",
		"USR1=checkpoint+exit:126", "USR1=checkpoint+exit:1x", "USR1=checkpoint+exit:0085",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_str_eq(on_signal_again(good[i][0]), good[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_str_eq(on_signal_again(bad[i]), "-");
}
