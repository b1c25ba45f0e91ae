/* The image as a file, and the directory beside it: whose they are. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image_file.h"
#include "unit.h"

static char top[UNIT_DIR_MAX];
static struct msg_params params;

static void set_up(void)
{
	unit_dir(top);
	params = (struct msg_params){.generation = 1, .link = "sim-a.ckpt"};
	snprintf(params.path, sizeof(params.path), "%s/sim-a.00001.ckpt", top);
}

static const char *path_of(const char *end)
{
	static char path[sizeof(params.path) + 32];

	snprintf(path, sizeof(path), "%s%s", params.path, end);
	return path;
}

static bool there(const char *end)
{
	return access(path_of(end), F_OK) == 0;
}

/* A writer has begun, and content lies in the directory. */
static int begin(struct image_file *f)
{
	int fd = image_file_open(f, &params);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mkdir(path_of(".part.files"), 0700), 0);
	close(creat(path_of(".part.files/piece"), 0600));
	return fd;
}

static void end(struct image_file *f, int fd)
{
	close(fd);
	image_file_close(f);
}

static void tear_down(void)
{
	ck_assert_int_eq(rmdir(top), 0);
}

UNIT_TEST(image_file_removes_what_is_its_own)
{
	struct image_file f;
	int fd;

	set_up();
	fd = begin(&f);
	image_file_remove(&f, fd);
	end(&f, fd);
	tear_down();
}

/* As the coordinator removes all of a checkpoint that it has called off, and starts the next. */
UNIT_TEST(image_file_leaves_what_a_later_writer_has_made)
{
	struct image_file late, next;
	int late_fd, fd;

	set_up();
	late_fd = begin(&late);
	unlink(path_of(".part"));
	unlink(path_of(".part.files/piece"));
	rmdir(path_of(".part.files"));
	fd = begin(&next);
	image_file_remove(&late, late_fd);
	ck_assert(there(".part"));
	ck_assert(there(".part.files/piece"));
	image_file_remove(&next, fd);
	end(&late, late_fd);
	end(&next, fd);
	tear_down();
}
