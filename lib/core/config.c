/*
 * The environment of a job. ckpt_launch writes it, libckpt reads its own, the coordinator reads
 * that of a process it did not know; one table of variables is all three's truth.
 */
#include "protocol.h"
#include "files.h"

#include <errno.h>

enum { LEVEL_MAX = 19, DEFAULT_LEVEL = 1 };

/* A whole decimal number up to max, with nothing behind it. */
static int parse_number(const char *s, uint64_t max, uint64_t *n)
{
	const char *p = s;
	uint64_t v = parse_dec(&p);

	/* Ten digits hold every limit here and can't overflow. */
	if (p == s || *p || p - s > 10 || v > max)
		return -EINVAL;
	*n = v;
	return 0;
}

int config_parse_level(const char *s, int *level)
{
	uint64_t n = DEFAULT_LEVEL;

	if (str_eq(s, "none")) {
		*level = 0;
		return 0;
	}
	if (!parse_skip(&s, "zstd"))
		return -EINVAL;
	if (*s && (*s != ':' || parse_number(s + 1, LEVEL_MAX, &n) || !n))
		return -EINVAL;
	*level = n;
	return 0;
}

/* Seconds in a unit, 0 for no unit. */
static uint64_t unit_seconds(char c)
{
	return c == 's' || !c ? 1 : c == 'm' ? 60 : c == 'h' ? 3600 : c == 'd' ? 86400 : 0;
}

int config_parse_seconds(const char *s, uint32_t *seconds)
{
	const char *p = s;
	uint64_t n = parse_dec(&p), unit = unit_seconds(*p);

	if (p == s || p - s > 10 || !unit || (*p && p[1]) || n > UINT32_MAX / unit)
		return -EINVAL;
	*seconds = n * unit;
	return 0;
}

/* Into paths and terminals: letters, digits and punctuation that neither gives a meaning to. */
static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '-' || c == '_' || c == '+';
}

static int set_plain(char *dst, const char *s, size_t n)
{
	if (!*s || *s == '.' || str_len(s) >= n)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (!is_plain(*p))
			return -EINVAL;
	str_copy(dst, s, n);
	return 0;
}

static int set_job(struct job_config *c, const char *s)
{
	return set_plain(c->job, s, sizeof(c->job));
}

static int set_name(struct job_config *c, const char *s)
{
	return set_plain(c->name, s, sizeof(c->name));
}

static int set_dir(struct job_config *c, const char *s)
{
	if (*s != '/' || str_len(s) >= sizeof(c->dir))
		return -EINVAL;
	str_copy(c->dir, s, sizeof(c->dir));
	return 0;
}

static int set_keep(struct job_config *c, const char *s)
{
	uint64_t n;
	int err = parse_number(s, UINT32_MAX, &n);

	if (!err)
		c->keep = n;
	return err;
}

static int set_level(struct job_config *c, const char *s)
{
	int level, err = config_parse_level(s, &level);

	if (!err)
		c->level = level;
	return err;
}

static int set_interval(struct job_config *c, const char *s)
{
	return config_parse_seconds(s, &c->interval_s);
}

static int set_signal(struct job_config *c, const char *s)
{
	uint64_t n;

	if (parse_number(s, ON_SIGNAL_MAX, &n) || !signal_is_free(n))
		return -EINVAL;
	c->signo = n;
	return 0;
}

static int set_on_signal(struct job_config *c, const char *s)
{
	return on_signal_parse(s, c->on_signal);
}

static int set_timeout(struct job_config *c, const char *s)
{
	uint32_t seconds;
	int err = config_parse_seconds(s, &seconds);

	if (err || !seconds || seconds > INT32_MAX / 1000)
		return -EINVAL;
	c->timeout_ms = seconds * 1000;
	return 0;
}

int config_parse_tcp(const char *s, bool *refuse)
{
	*refuse = str_eq(s, "refuse");
	return *refuse || str_eq(s, "reset") ? 0 : -EINVAL;
}

static int set_tcp(struct job_config *c, const char *s)
{
	bool refuse;
	int err = config_parse_tcp(s, &refuse);

	if (!err)
		c->tcp_refuse = refuse;
	return err;
}

static int set_ignore(struct job_config *c, const char *s)
{
	if (str_len(s) >= sizeof(c->ignore))
		return -EINVAL;
	str_copy(c->ignore, s, sizeof(c->ignore));
	return 0;
}

static int set_keyfile(struct job_config *c, const char *s)
{
	if (*s != '/' || str_len(s) >= sizeof(c->keyfile))
		return -EINVAL;
	str_copy(c->keyfile, s, sizeof(c->keyfile));
	return 0;
}

static int set_files(struct job_config *c, const char *s)
{
	if (str_len(s) >= sizeof(c->files) || !files_valid(s))
		return -EINVAL;
	str_copy(c->files, s, sizeof(c->files));
	return 0;
}

static const struct variable {
	const char *name;
	int (*set)(struct job_config *c, const char *value);
} variables[] = {
	{"CKPT_JOB", set_job},	     {"CKPT_NAME", set_name},	    {"CKPT_DIR", set_dir},
	{"CKPT_KEEP", set_keep},     {"CKPT_COMPRESS", set_level},  {"CKPT_INTERVAL", set_interval},
	{"CKPT_SIGNAL", set_signal}, {"CKPT_TIMEOUT", set_timeout},
	{"CKPT_TCP", set_tcp},	     {"CKPT_IGNORE", set_ignore},   {"CKPT_KEYFILE", set_keyfile},
	{"CKPT_FILES", set_files},   {"CKPT_ON_SIGNAL", set_on_signal},
};

int config_set(struct job_config *c, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (str_eq(name, variables[i].name))
			return variables[i].set(c, value);
	return -ENOENT;
}

bool config_signals_clash(const struct job_config *c)
{
	return c->on_signal[c->signo - 1];
}

int config_check(const struct job_config *c)
{
	struct job_config scratch;

	if (set_job(&scratch, c->job) || set_name(&scratch, c->name))
		return -EINVAL;
	if (c->dir[0] && set_dir(&scratch, c->dir))
		return -EINVAL;
	if (c->keyfile[0] && set_keyfile(&scratch, c->keyfile))
		return -EINVAL;
	if (c->level < 0 || c->level > LEVEL_MAX || !c->timeout_ms || c->timeout_ms > INT32_MAX)
		return -EINVAL;
	if (c->signo <= 0 || !signal_is_free(c->signo))
		return -EINVAL;
	return on_signal_valid(c->on_signal) && !config_signals_clash(c) ? 0 : -EINVAL;
}

void config_default(struct job_config *c)
{
	*c = (struct job_config){
		.name = "ckpt",
		.keep = CKPT_DEFAULT_KEEP,
		.level = DEFAULT_LEVEL,
		.signo = CKPT_DEFAULT_SIGNAL,
		.timeout_ms = CKPT_DEFAULT_TIMEOUT_MS,
	};
}

/* Set what the string "NAME=value" says, when NAME is one of ours; an empty value is as good as
 * none. */
static int set_from(struct job_config *c, const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = s;

		if (parse_skip(&value, variables[i].name) && *value == '=')
			return value[1] ? variables[i].set(c, value + 1) : 0;
	}
	return 0;
}

int config_from_env(struct job_config *c, const char *env, size_t n)
{
	struct job_config found;
	size_t at = 0;

	config_default(&found);
	while (at < n) {
		size_t end = at;

		while (end < n && env[end])
			end++;
		if (end == n)
			break; /* cut off: not terminated, not looked at */
		if (set_from(&found, env + at))
			return -EINVAL;
		at = end + 1;
	}
	if (!found.job[0])
		return -ENOENT;
	if (config_signals_clash(&found))
		return -EINVAL;
	*c = found;
	return 0;
}
