/* What a child has by fork is neither mapped nor loaded, and what it has not is taken from it. */
#include <stdlib.h>
#include <string.h>
#include "plan.h"
#include "unit.h"

enum { PAGE = CKPT_PAGE, BASE = 0x100000 };

/* As in plan.c, which opens files and so is not linked here. */
void *plan_alloc(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

struct side {
	struct planner planner;
	struct plan_vma vmas[8];
	struct image_extent extents[16];
};

static void add_area(struct side *s, uint64_t page, uint64_t npages)
{
	struct restore_plan *p = &s->planner.plan;

	p->vmas = p->maps = s->vmas;
	s->vmas[p->nvmas++] = (struct plan_vma){.start = BASE + page * PAGE, .end = BASE + (page + npages) * PAGE,
						.prot = 3, .fd = -1};
	p->nmaps = p->nvmas;
}

/* Content of pages: bytes from chunk_page on in the chunk. */
static void add_content(struct side *s, uint64_t page, uint32_t npages, uint32_t chunk, uint32_t chunk_page)
{
	struct restore_plan *p = &s->planner.plan;

	p->extents = s->extents;
	s->extents[p->nextents++] = (struct image_extent){BASE + page * PAGE, npages * PAGE, chunk,
							  chunk_page * PAGE, STREAM_MEMORY};
}

static void check_range(const struct plan_range *r, uint64_t page, uint64_t npages)
{
	ck_assert_uint_eq(r->start, BASE + page * PAGE);
	ck_assert_uint_eq(r->end, BASE + (page + npages) * PAGE);
}

UNIT_TEST(inherit_needs_nothing_for_what_is_the_same)
{
	static struct side parent, child;

	add_area(&parent, 0, 10);
	add_content(&parent, 0, 10, 1, 0);
	add_area(&child, 0, 10);
	add_content(&child, 0, 4, 1, 0);
	add_content(&child, 4, 6, 1, 4); /* cut otherwise, and still the same bytes */
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	ck_assert_uint_eq(child.planner.plan.nextents, 0);
	ck_assert_uint_eq(child.planner.plan.nmaps, 0);
	ck_assert_uint_eq(child.planner.plan.ndrops, 0);
	ck_assert_uint_eq(child.planner.plan.nzeros, 0);
	ck_assert_uint_eq(child.planner.plan.nvmas, 1);
}

UNIT_TEST(inherit_loads_what_differs)
{
	static struct side parent, child;
	const struct image_extent *e;

	add_area(&parent, 0, 10);
	add_content(&parent, 0, 10, 1, 0);
	add_area(&child, 0, 10);
	add_content(&child, 0, 3, 1, 0);
	add_content(&child, 3, 2, 7, 5); /* written to since */
	add_content(&child, 5, 5, 1, 5);
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	e = child.planner.plan.extents;
	ck_assert_uint_eq(child.planner.plan.nextents, 1);
	ck_assert_uint_eq(e->start, BASE + 3 * PAGE);
	ck_assert_uint_eq(e->len, 2 * PAGE);
	ck_assert_uint_eq(e->chunk, 7);
	ck_assert_uint_eq(e->chunk_offset, 5 * PAGE);
}

UNIT_TEST(inherit_loads_what_the_parent_does_not_have)
{
	static struct side parent, child;

	add_area(&parent, 0, 10);
	add_content(&parent, 0, 4, 1, 0);
	add_content(&parent, 8, 2, 1, 8);
	add_area(&child, 0, 10);
	add_content(&child, 0, 10, 1, 0);
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	ck_assert_uint_eq(child.planner.plan.nextents, 1);
	ck_assert_uint_eq(child.planner.plan.extents[0].start, BASE + 4 * PAGE);
	ck_assert_uint_eq(child.planner.plan.extents[0].len, 4 * PAGE);
	ck_assert_uint_eq(child.planner.plan.extents[0].chunk_offset, 4 * PAGE);
}

UNIT_TEST(inherit_empties_what_only_the_parent_has)
{
	static struct side parent, child;
	const struct restore_plan *p = &child.planner.plan;

	add_area(&parent, 0, 10);
	add_content(&parent, 0, 10, 1, 0);
	add_area(&child, 0, 10);
	add_content(&child, 2, 5, 1, 2);
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	ck_assert_uint_eq(p->nextents, 0);
	ck_assert_uint_eq(p->nzeros, 2);
	check_range(&p->zeros[0], 0, 2);
	check_range(&p->zeros[1], 7, 3);
}

UNIT_TEST(inherit_drops_and_maps_areas)
{
	static struct side parent, child;
	const struct restore_plan *p = &child.planner.plan;

	add_area(&parent, 0, 10);
	add_area(&parent, 20, 5); /* unmapped by the child */
	add_content(&parent, 0, 10, 1, 0);
	add_area(&child, 0, 14); /* has grown */
	add_area(&child, 40, 2);
	add_content(&child, 0, 10, 1, 0);
	add_content(&child, 12, 1, 2, 0);
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	ck_assert_uint_eq(p->ndrops, 1);
	check_range(&p->drops[0], 20, 5);
	ck_assert_uint_eq(p->nmaps, 2);
	ck_assert_uint_eq(p->maps[0].start, BASE + 10 * PAGE);
	ck_assert_uint_eq(p->maps[0].end, BASE + 14 * PAGE);
	ck_assert_uint_eq(p->maps[1].start, BASE + 40 * PAGE);
	ck_assert_uint_eq(p->nextents, 1);
	ck_assert_uint_eq(p->extents[0].start, BASE + 12 * PAGE);
	ck_assert_uint_eq(p->nzeros, 0);
}

UNIT_TEST(inherit_keeps_a_file_only_at_its_offset)
{
	static struct side parent, child;
	const struct restore_plan *p = &child.planner.plan;

	add_area(&parent, 0, 4);
	add_area(&parent, 10, 4);
	parent.vmas[1].fd = 5;
	add_content(&parent, 0, 4, 1, 0);
	add_area(&child, 0, 4);
	add_area(&child, 10, 4);
	child.vmas[1].fd = 5;
	child.vmas[1].offset = PAGE;
	add_content(&child, 0, 4, 1, 0);
	ck_assert(plan_inherit(&child.planner, &parent.planner));
	ck_assert_uint_eq(p->ndrops, 1);
	check_range(&p->drops[0], 10, 4);
	ck_assert_uint_eq(p->nmaps, 1);
	ck_assert_uint_eq(p->maps[0].offset, PAGE);
}

UNIT_TEST(inherit_leaves_alone_what_has_nothing_in_common)
{
	static struct side parent, child;

	add_area(&parent, 0, 10);
	add_content(&parent, 0, 10, 1, 0);
	add_area(&child, 0, 10);
	add_content(&child, 0, 10, 2, 0);
	ck_assert(!plan_inherit(&child.planner, &parent.planner));
	ck_assert_ptr_eq(child.planner.plan.maps, child.vmas);
	ck_assert_ptr_eq(child.planner.plan.extents, child.extents);
	ck_assert_uint_eq(child.planner.plan.nextents, 1);
}
