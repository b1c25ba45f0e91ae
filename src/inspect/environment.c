/*
 * The environment that a process was started with, from its memory. Values that look like secrets are hidden
 * unless asked for: an image is shown to others more easily than it is thought over what is in it.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "die.h"
#include "memory.h"

enum { ENVIRONMENT_MAX = 8 << 20 };

static const char *const secret_names[] = {"SECRET", "TOKEN", "PASS", "PWD_", "KEY", "CREDENTIAL", "AUTH", "COOKIE",
					   "PRIVATE", "SIGNATURE"};

/* "scheme://user:password@host" */
static bool has_password(const char *value)
{
	const char *at = strstr(value, "://");
	const char *end = at ? strpbrk(at + 3, "/?#@") : NULL;

	return end && *end == '@' && memchr(at + 3, ':', end - at - 3);
}

static bool is_secret(const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_names); i++)
		if (strcasestr(name, secret_names[i]))
			return true;
	return has_password(value);
}

static void variable_add(struct process *p, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return;
	*value++ = 0;
	p->environment = reallocarray(p->environment, p->nenvironment + 1, sizeof(*p->environment));
	if (!p->environment)
		die("out of memory");
	p->environment[p->nenvironment++] =
		(struct variable){.name = text, .value = value, .secret = is_secret(text, value)};
}

static void process_environment(const struct report *r, struct process *p)
{
	uint64_t start = p->rec.mm.env_start, end = p->rec.mm.env_end;
	struct memory *m;
	char *text;
	size_t n;

	if (end <= start || end - start > ENVIRONMENT_MAX)
		return;
	text = malloc(end - start + 1);
	if (!text)
		die("out of memory");
	m = memory_open(r, p);
	n = memory_read(m, start, text, end - start);
	memory_close(m);
	text[n] = 0;
	for (char *s = text, *next; s < text + n; s = next) {
		next = s + strlen(s) + 1;
		variable_add(p, s);
	}
}

const char *variable_value(const struct report *r, const struct variable *v)
{
	return v->secret && !r->secrets ? "(hidden)" : v->value;
}

void report_environment(struct report *r)
{
	for (size_t i = 0; i < r->nprocesses; i++)
		process_environment(r, &r->processes[i]);
}
