#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "contents.h"
#include "sample.h"
#include "unit.h"

UNIT_TEST(contents_lists_files_with_their_pieces)
{
	struct sample_contents c = sample_contents();
	struct contents_iter it = contents_iter(&c);

	ck_assert_int_eq(contents_check(&c, sizeof(c)), 0);
	ck_assert(contents_next(&it));
	ck_assert_ptr_eq(it.file, &c.files[0]);
	ck_assert_ptr_eq(it.pieces, &c.pieces[0]);
	ck_assert(contents_next(&it));
	ck_assert_ptr_eq(it.file, &c.files[1]);
	ck_assert(!contents_next(&it));
}

UNIT_TEST(contents_rejects_what_is_no_list)
{
	struct sample_contents c = sample_contents();

	for (size_t n = 0; n < sizeof(c); n++)
		ck_assert_int_eq(contents_check(&c, n), -EBADMSG);
	c.head.version++;
	ck_assert_int_eq(contents_check(&c, sizeof(c)), -ENOTSUP);
}

/* Change one field of a good list: it must be refused. */
#define REJECTED(change)                                                                           \
	do {                                                                                       \
		struct sample_contents c = sample_contents();                                      \
		change;                                                                            \
		ck_assert_int_eq(contents_check(&c, sizeof(c)), -EBADMSG);                         \
	} while (0)

UNIT_TEST(contents_rejects_wrong_counts)
{
	REJECTED(c.head.nfiles = 3);
	REJECTED(c.head.nfiles = 1);
	REJECTED(c.head.nfiles = ~0u);
	REJECTED(c.head.npieces = ~0ull);
	REJECTED(c.head.npieces = 1);
	REJECTED(c.files[0].npieces = 1);
	REJECTED(c.files[0].npieces = ~0ull);
	REJECTED(c.files[1].npieces = 1);
	REJECTED(c.files[0].how = 0);
	REJECTED(c.files[0].how = 3);
}

UNIT_TEST(contents_rejects_pieces_outside_of_their_file)
{
	REJECTED(c.pieces[0].len = 0);
	REJECTED(c.pieces[0].len = CONTENTS_PIECE + 1);
	REJECTED(c.pieces[1].len = CONTENTS_PIECE);
	REJECTED(c.pieces[1].offset = 0);
	REJECTED(c.pieces[1].offset += 512);
	REJECTED(c.pieces[1].offset = ~0ull / CONTENTS_PIECE * CONTENTS_PIECE);
	REJECTED(c.files[0].size = 2 * CONTENTS_PIECE);
	REJECTED(c.files[0].size = ~0ull);
}

UNIT_TEST(contents_names_say_what_is_in_them)
{
	struct contents_piece p = {.hash = {.low = 0xab, .high = 0x1234567890abcdef}};
	char name[CONTENTS_NAME_MAX];

	contents_piece_name(&p, name);
	ck_assert_str_eq(name, "1234567890abcdef00000000000000ab");
	contents_clone_name(4294967295u, name);
	ck_assert_str_eq(name, "4294967295.clone");
}

UNIT_TEST(contents_that_may_have_changed_are_read)
{
	const struct contents_head then = {.created_ns = 100000000000};
	const struct contents_file was = {.size = 5, .dev = 1, .ino = 2, .mtime_ns = 90000000000, .ctime_ns = 91000000000};
	struct contents_file now = was;

	ck_assert(contents_unchanged(&then, &was, &now));
	now.size++;
	ck_assert(!contents_unchanged(&then, &was, &now));
	now = was;
	now.ino++;
	ck_assert(!contents_unchanged(&then, &was, &now));
	now = was;
	now.dev++;
	ck_assert(!contents_unchanged(&then, &was, &now));
	now = was;
	now.ctime_ns++;
	ck_assert(!contents_unchanged(&then, &was, &now));
	/* Written so shortly before that a write after it may have left the same time, or later by a clock set back. */
	now = was;
	now.mtime_ns = now.ctime_ns = then.created_ns - 1000000000;
	ck_assert(!contents_unchanged(&then, &now, &now));
	now.mtime_ns = now.ctime_ns = then.created_ns + 50000000000;
	ck_assert(!contents_unchanged(&then, &now, &now));
}

UNIT_TEST(contents_directory_is_removed_with_all_in_it)
{
	char dir[UNIT_DIR_MAX], path[UNIT_DIR_MAX + 40];

	unit_dir(dir);
	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "%s/%030d", dir, i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	ck_assert_int_eq(contents_remove(AT_FDCWD, dir), 0);
	ck_assert_int_eq(access(dir, F_OK), -1);
	ck_assert_int_eq(contents_remove(AT_FDCWD, dir), -ENOENT);
}

UNIT_TEST(contents_directory_is_not_removed_through_a_link)
{
	char dir[UNIT_DIR_MAX], link[64], kept[64];

	unit_dir(dir);
	snprintf(link, sizeof(link), "%s.link", dir);
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	close(open(kept, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(symlink(dir, link), 0);
	ck_assert_int_lt(contents_remove(AT_FDCWD, link), 0);
	ck_assert_int_eq(access(kept, F_OK), 0);
	unlink(link);
	ck_assert_int_eq(contents_remove(AT_FDCWD, dir), 0);
}
