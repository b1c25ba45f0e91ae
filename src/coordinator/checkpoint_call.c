/*
 * Members: added, called by the signal until they answer, refused and dropped.
 */
#include "checkpoint_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A signal is lost on a process that shares its parent's memory until it execs: it is sent again, soon at
 * first, then less and less often, for each one may interrupt something.
 */
#define CALL_AGAIN_NS (5 * NS_PER_MS)
/* One that is about to take signals is given up when it stays like that. */
#define CALL_LIMIT_NS (1000 * NS_PER_MS)

enum {
	DOUBLINGS = 5, /* of these times */
	CALLS_MAX = 64 /* at once: whoever has an answer waits meanwhile */
};

static bool members_grow(struct checkpoint *cp)
{
	uint32_t cap = cp->cap ? cp->cap * 2 : 8;
	struct member **grown;

	if (cp->nmembers < cp->cap)
		return true;
	grown = realloc(cp->members, cap * sizeof(*grown));
	if (!grown)
		return false;
	cp->members = grown;
	cp->cap = cap;
	return true;
}

struct member *checkpoint_add(struct checkpoint *cp)
{
	struct member *m = members_grow(cp) ? calloc(1, sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->cp = cp;
	m->next_call_ns = cp->ops->now();
	m->place = cp->nmembers;
	cp->members[cp->nmembers++] = m;
	member_changed(m);
	checkpoint_poll_at(cp, cp->ops->now());
	return m;
}

/* It is no part of the checkpoint any more. */
void member_drop(struct member *m)
{
	struct checkpoint *cp = m->cp;

	member_uncount(m);
	cp->members[m->place] = cp->members[--cp->nmembers];
	cp->members[m->place]->place = m->place;
	cp->ops->drop(m);
	free(m);
}

void checkpoint_refuse(struct checkpoint *cp, const char *text, bool for_now)
{
	struct text r = checkpoint_result_text(cp);

	if (!cp->nrefused++ && !cp->result.text[0])
		text_put(&r, "%s", text);
	cp->nfor_now += for_now;
	if (for_now)
		blob_put(&cp->for_now, text, strlen(text) + 1);
	else
		cp->ops->line(cp, text);
}

void checkpoint_tell(struct checkpoint *cp)
{
	const char *p = (const char *)cp->for_now.data, *end = p + cp->for_now.len;

	for (; p < end; p += strlen(p) + 1)
		cp->ops->line(cp, p);
	blob_free(&cp->for_now);
}

static uint64_t doubled(uint64_t ns, unsigned times)
{
	return ns << (times < DOUBLINGS ? times : DOUBLINGS);
}

/* Signal a member, or note when to look at it again. False: it has been dropped. */
static bool call(struct member *m)
{
	struct checkpoint *cp = m->cp;
	uint64_t now = cp->ops->now();
	char why[sizeof(cp->result.text)] = "";
	struct text t = TEXT(why);
	int err = cp->ops->call(m, cp->request, &t);

	if (!m->called_ns)
		m->called_ns = now;
	if (!err) {
		m->next_call_ns = now + doubled(CALL_AGAIN_NS, m->ncalls++);
		m->nlooks = 0;
	} else if (err == -ESRCH || (err == -EAGAIN && now - m->called_ns < CALL_LIMIT_NS)) {
		m->ncalls = m->nsignals = 0;
		m->next_call_ns = now + doubled(CALL_LATER_NS, m->nlooks++ / 8);
	} else {
		checkpoint_refuse(cp, why, false);
		member_drop(m);
		return false;
	}
	return true;
}

/* Look at members from the cursor on, and call those that are due; true when there was time for all. */
static bool call_due(struct checkpoint *cp)
{
	uint64_t now = cp->ops->now();
	unsigned ncalls = 0;

	for (uint32_t n = cp->nmembers; n > 0 && cp->count[MARK_CALLED]; n--) {
		struct member *m;

		if (cp->cursor >= cp->nmembers)
			cp->cursor = 0;
		m = cp->members[cp->cursor++];
		if (!member_is_called(m) || m->next_call_ns > now)
			continue;
		if (++ncalls > CALLS_MAX) {
			cp->cursor--;
			return false;
		}
		if (!call(m)) /* another one is in its place */
			cp->cursor--;
	}
	return true;
}

/* 0: never. */
static uint64_t next_call(const struct checkpoint *cp)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < cp->nmembers && cp->count[MARK_CALLED]; i++) {
		const struct member *m = cp->members[i];

		if (member_is_called(m) && (!next || m->next_call_ns < next))
			next = m->next_call_ns;
	}
	return next;
}

void checkpoint_poll(struct checkpoint *cp)
{
	cp->poll_ns = 0;
	if (checkpoint_is_open(cp)) {
		cp->poll_ns = call_due(cp) ? next_call(cp) : cp->ops->now();
		checkpoint_barrier_pass(cp);
	}
	checkpoint_settle(cp);
}
