#include <errno.h>
#include "fault.h"
#include "unit.h"

UNIT_TEST(fault_is_named_or_numbered)
{
	struct fault f;

	ck_assert_int_eq(fault_parse("writer-sync", &f), 0);
	ck_assert_uint_eq(f.armed, FAULT_WRITER_SYNC | FAULT_KILL << 16);
	ck_assert_int_eq(f.pid, 0);
	ck_assert_int_eq(fault_parse("writer-sync-dir:enospc@812", &f), 0);
	ck_assert_uint_eq(f.armed, FAULT_WRITER_SYNC_DIR | FAULT_ENOSPC << 16);
	ck_assert_int_eq(f.pid, 812);
	ck_assert_int_eq(fault_parse("1:stop", &f), 0);
	ck_assert_uint_eq(f.armed, 1 | FAULT_STOP << 16);
	ck_assert_int_eq(fault_parse("leader-thaw@7", &f), 0);
	ck_assert_uint_eq(fault_for(&f, 7), f.armed);
	ck_assert_uint_eq(fault_for(&f, 8), 0);
}

UNIT_TEST(fault_refuses_what_it_does_not_know)
{
	static const char *const bad[] = {"0",	  "9999",	    "writer",	     "writer-sync:",
					  "1:no", "writer-sync@7x", "writer-synchro", "1:kill:eio"};
	struct fault f = {.armed = 5};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(fault_parse(bad[i], &f), -EINVAL);
	ck_assert_uint_eq(f.armed, 5);
	ck_assert_int_eq(fault_parse(NULL, &f), 0);
	ck_assert_uint_eq(f.armed, 0);
}

UNIT_TEST(fault_happens_at_its_point_only)
{
	fault_armed = FAULT_WRITER_SYNC | FAULT_EIO << 16;
	ck_assert_int_eq(fault(FAULT_WRITER_SYNC), -EIO);
	ck_assert_int_eq(fault(FAULT_WRITER_OPEN), 0);
	fault_armed = 0;
	ck_assert_int_eq(fault(FAULT_WRITER_SYNC), 0);
}
