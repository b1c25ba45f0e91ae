/*
 * Agreement between the processes that save the two ends of a connection. One that saves has something for the
 * other to do in resume(), but that may have left: a checkpoint can be called off at any time, and then everybody
 * goes his way without waiting for the others. So each end has a word (plugin_shared_word()):
 *
 *   0 -> GRANTED	the process has begun to save, and will call resume()
 *   -> TAKEN		somebody does what must be followed by something in its resume()
 *   -> READY		and has done so
 *   -> DONE		and so has resume()
 *   -> CLOSED		resume() has come, and nobody had
 *
 * A process grants all its sockets at once, so nobody who waits for a grant waits for one who waits.
 */
#include "tcp.h"

enum word { NONE, GRANTED, TAKEN, READY, DONE, CLOSED };
enum { WAIT_TRIES = 20000, WAIT_US = 100 };

/* Pairs with each other: what one end has done is seen by the other. */
static bool word_change(uint32_t *w, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(w, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint32_t word_read(const uint32_t *w)
{
	return __atomic_load_n(w, __ATOMIC_ACQUIRE);
}

bool tcp_turn_take(struct plugin_ctx *c, const struct plugin_file *other)
{
	uint32_t *w = plugin_shared_word(c, other);
	int i;

	for (i = 0; w && i < WAIT_TRIES && word_read(w) <= GRANTED; i++) {
		if (word_change(w, GRANTED, TAKEN) || (other->mine && word_change(w, NONE, TAKEN)))
			return true;
		sock_nap(WAIT_US);
	}
	return false;
}

void tcp_turn_ready(struct plugin_ctx *c, const struct plugin_file *other)
{
	word_change(plugin_shared_word(c, other), TAKEN, READY);
}

void tcp_turn_grant(struct plugin_ctx *c, const struct plugin_file *f)
{
	uint32_t *w = plugin_shared_word(c, f);
	struct plugin_file *g;

	if (!w || word_read(w) != NONE)
		return;
	for (g = plugin_file_next(c, NULL); g; g = plugin_file_next(c, g)) {
		w = g->mine && g->plugin == f->plugin ? plugin_shared_word(c, g) : NULL;
		if (w)
			word_change(w, NONE, GRANTED);
	}
}

bool tcp_turn_has(struct plugin_ctx *c, const struct plugin_file *f)
{
	uint32_t *w = plugin_shared_word(c, f);
	int i;

	if (!w || word_change(w, GRANTED, CLOSED) || word_change(w, NONE, CLOSED))
		return false;
	for (i = 0; i < WAIT_TRIES && word_read(w) == TAKEN; i++)
		sock_nap(WAIT_US);
	return word_read(w) == READY;
}

void tcp_turn_done(struct plugin_ctx *c, const struct plugin_file *f)
{
	word_change(plugin_shared_word(c, f), READY, DONE);
}

bool tcp_turn_is_done(struct plugin_ctx *c, const struct plugin_file *other)
{
	return word_read(plugin_shared_word(c, other)) >= DONE;
}
