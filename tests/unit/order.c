/* The order of a job's processes, and the memory they share. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "fake_world.h"
#include "image.h"
#include "order.h"
#include "shared_memory.h"
#include "unit.h"

UNIT_TEST(order_puts_parents_first)
{
	static const int parents[] = {3, -1, 1, 1, -1, 0}; /* in the order in which they became known */
	static const int expected[] = {1, 4, 2, 3, 0, 5};

	set_up(OP_CHECKPOINT, 6);
	for (int i = 0; i < 6; i++)
		w.members[i]->parent = parents[i] < 0 ? NULL : w.members[parents[i]];
	ck_assert_int_eq(members_order(&w.cp), 0);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_ptr_eq(w.cp.members[i], w.members[expected[i]]);
		ck_assert_uint_eq(w.cp.members[i]->index, i);
		ck_assert_uint_eq(w.cp.members[i]->place, i);
	}
}

UNIT_TEST(order_begins_with_what_the_job_was_started_as)
{
	static const int expected[] = {2, 0, 1};

	set_up(OP_CHECKPOINT, 3);
	w.members[2]->is_first = true;
	ck_assert_int_eq(members_order(&w.cp), 0);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_ptr_eq(w.cp.members[i], w.members[expected[i]]);
}

UNIT_TEST(order_of_a_ring_is_none)
{
	set_up(OP_CHECKPOINT, 2);
	w.members[0]->parent = w.members[1];
	w.members[1]->parent = w.members[0];
	ck_assert_int_eq(members_order(&w.cp), -ESTALE);
}

UNIT_TEST(shared_memory_has_room_for_all)
{
	struct shared_memory s = {NULL, -1};
	struct shared_head *h;

	ck_assert_int_eq(shared_memory_make(&s, 100), 0);
	h = s.head;
	ck_assert_uint_eq(h->magic, SHARED_MAGIC);
	ck_assert_uint_eq(h->nprocesses, 100);
	ck_assert_uint_ge(h->sections_offset, sizeof(*h) + 100 * sizeof(h->process[0]));
	ck_assert_uint_ge(h->head_len, h->sections_offset + h->sections_max * sizeof(struct image_section));
	ck_assert_uint_eq(h->head_len % CKPT_PAGE, 0);
	ck_assert_uint_eq(h->sections_offset % CKPT_PAGE, 0);
	ck_assert_uint_eq(h->top, h->head_len);
	h->process[99].pid = 1; /* it is there */
	shared_memory_free(&s);
}

static void *wait_in_shared_memory(void *arg)
{
	struct shared_head *h = arg;

	while (!shared_is_off(h))
		syscall(SYS_futex, &h->process[1].pages_ready, FUTEX_WAIT, 0, NULL);
	return NULL;
}

UNIT_TEST(shared_memory_abort_wakes_who_waits)
{
	struct shared_memory s = {NULL, -1};
	pthread_t waiter;

	ck_assert_int_eq(shared_memory_make(&s, 2), 0);
	ck_assert_int_eq(pthread_create(&waiter, NULL, wait_in_shared_memory, s.head), 0);
	usleep(20000);
	shared_memory_abort(&s, -EIO);
	ck_assert_int_eq(pthread_join(waiter, NULL), 0);
	ck_assert_int_eq(s.head->abort, -EIO);
	shared_memory_abort(&s, -EPIPE); /* the first reason stays */
	ck_assert_int_eq(s.head->abort, -EIO);
	shared_memory_free(&s);
}
