/*
 * msg_check() and config: whatever bytes come, a message that is taken has its length and ends its
 * strings, and a configuration that is taken can go into paths.
 */
#include <stdlib.h>
#include <string.h>
#include "protocol.h"

static void use(const char *s, size_t n)
{
	if (strnlen(s, n) == n)
		abort();
}

static void use_config(const struct job_config *c)
{
	use(c->job, sizeof(c->job));
	use(c->name, sizeof(c->name));
	use(c->dir, sizeof(c->dir));
	if (!config_check(c) && (strchr(c->job, '/') || strchr(c->name, '/')))
		abort();
}

static void fuzz_message(const uint8_t *data, size_t n)
{
	/* Exactly as long as it is: a read behind its end is found. */
	union any_msg *m = malloc(n ? n : 1);

	memcpy(m, data, n);
	if (!msg_check(m, n)) {
		if (m->m.size != n || n > sizeof(*m))
			abort();
		if (m->m.type == MSG_HELLO)
			use_config(&m->hello.config);
		if (m->m.type == MSG_LEADER)
			use_config(&m->leader.config);
		if (m->m.type == MSG_RESULT)
			use(m->result.text, sizeof(m->result.text));
	}
	free(m);
}

static void fuzz_environment(const uint8_t *data, size_t n)
{
	char *env = malloc(n ? n : 1);
	struct job_config c;

	memcpy(env, data, n);
	if (!config_from_env(&c, env, n) && config_check(&c))
		abort();
	free(env);
}

/* A head that fits leads the fuzzer behind it at once. */
static void fuzz_body(const uint8_t *data, size_t n)
{
	union any_msg m;

	if (n < 2 || n > sizeof(m))
		return;
	memset(&m, 0, sizeof(m));
	memcpy(&m, data, n);
	for (unsigned size = sizeof(m.m); size <= sizeof(m); size += 8) {
		msg_init(&m.m, data[0], size);
		fuzz_message((uint8_t *)&m, size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_message(data, n);
	fuzz_environment(data, n);
	fuzz_body(data, n);
	return 0;
}
