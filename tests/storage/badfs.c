/*
 * A file system whose storage is bad in the way a test wants: all goes to another directory, but what the file
 * CONTROL says is looked at before each operation.
 *
 *	badfs CONTROL BACKING MOUNTPOINT
 *
 * CONTROL has one line: an operation (create, write, fsync, fsyncdir, rename), what it does (an errno's number; "short":
 * it writes less than it was asked to; "slow": as many bytes a second as the next number says), and after how many
 * calls of it that begins. An empty file: nothing is bad.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHORT = -1, SLOW = -2 };

static const char *control;
static int backing; /* directory */

/* What is wrong with operation: 0 nothing, an errno, SHORT, SLOW (*number: how). */
static int badness(const char *operation, long *number)
{
	static char last[64];
	static long calls;
	char line[64] = "", name[16], what[16];
	FILE *f = fopen(control, "re");

	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	if (strcmp(line, last)) {
		strcpy(last, line);
		calls = 0;
	}
	if (sscanf(line, "%15s %15s %ld", name, what, number) != 3 || strcmp(name, operation))
		return 0;
	if (!strcmp(what, "short"))
		return SHORT;
	if (!strcmp(what, "slow"))
		return SLOW;
	return calls++ < *number ? 0 : atoi(what);
}

static int bad(const char *operation)
{
	long number;

	return badness(operation, &number);
}

static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

/* A file that is removed while it is open is not to be renamed instead. */
static void *begin(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)conn;
	config->hard_remove = 1;
	return NULL;
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	return result(fi ? fstat(fi->fh, st) : fstatat(backing, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int read_link(const char *path, char *buf, size_t n)
{
	ssize_t r = readlinkat(backing, below(path), buf, n - 1);

	if (r < 0)
		return -errno;
	buf[r] = 0;
	return 0;
}

static int make_link(const char *target, const char *path)
{
	return result(symlinkat(target, backing, below(path)));
}

static int remove_file(const char *path)
{
	return result(unlinkat(backing, below(path), 0));
}

static int make_directory(const char *path, mode_t mode)
{
	struct fuse_context *c = fuse_get_context();

	if (mkdirat(backing, below(path), mode) < 0)
		return -errno;
	return result(fchownat(backing, below(path), c->uid, c->gid, 0));
}

static int remove_directory(const char *path)
{
	return result(unlinkat(backing, below(path), AT_REMOVEDIR));
}

static int rename_file(const char *from, const char *to, unsigned int flags)
{
	int err = bad("rename");

	return err ? -err : result(renameat2(backing, below(from), backing, below(to), flags));
}

static int change_mode(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)fi;
	return result(fchmodat(backing, below(path), mode, 0));
}

static int change_owner(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	(void)fi;
	return result(fchownat(backing, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int truncate_file(const char *path, off_t n, struct fuse_file_info *fi)
{
	(void)path;
	return fi ? result(ftruncate(fi->fh, n)) : -EOPNOTSUPP;
}

static int open_with(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
	int fd = openat(backing, below(path), flags | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	fi->fh = fd;
	fi->direct_io = 1;
	return 0;
}

static int open_file(const char *path, struct fuse_file_info *fi)
{
	return open_with(path, fi->flags & ~O_NOFOLLOW, 0, fi);
}

static int create_file(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_context *c = fuse_get_context();
	int err = bad("create");

	if (!err)
		err = -open_with(path, fi->flags | O_CREAT, mode, fi);
	return err ? -err : result(fchown(fi->fh, c->uid, c->gid));
}

static int read_file(const char *path, char *buf, size_t n, off_t at, struct fuse_file_info *fi)
{
	ssize_t r = pread(fi->fh, buf, n, at);

	(void)path;
	return r < 0 ? -errno : r;
}

static int write_file(const char *path, const char *buf, size_t n, off_t at, struct fuse_file_info *fi)
{
	long number;
	int err = badness("write", &number);
	ssize_t r;

	(void)path;
	if (err > 0)
		return -err;
	if (err == SHORT)
		n = n / 3 + 1;
	if (err == SLOW)
		usleep(n * 1000000 / number);
	r = pwrite(fi->fh, buf, n, at);
	return r < 0 ? -errno : r;
}

static int sync_file(const char *path, int data, struct fuse_file_info *fi)
{
	int err = bad("fsync");

	(void)path;
	(void)data;
	return err ? -err : result(fsync(fi->fh));
}

static int sync_directory(const char *path, int data, struct fuse_file_info *fi)
{
	(void)path;
	(void)data;
	(void)fi;
	return -bad("fsyncdir");
}

static int release_file(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	return result(close(fi->fh));
}

static int read_directory(const char *path, void *buf, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *fi,
			  enum fuse_readdir_flags flags)
{
	int fd = openat(backing, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	(void)at;
	(void)fi;
	(void)flags;
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		fill(buf, e->d_name, NULL, 0, 0);
	closedir(d);
	return 0;
}

static const struct fuse_operations operations = {
	.init = begin,
	.getattr = get_attributes, .readlink = read_link,   .symlink = make_link,  .unlink = remove_file,
	.mkdir = make_directory,   .rmdir = remove_directory,
	.rename = rename_file,	   .chmod = change_mode,    .truncate = truncate_file,
	.open = open_file,	   .create = create_file,   .read = read_file,	   .write = write_file,
	.chown = change_owner,	   .fsync = sync_file,	   .fsyncdir = sync_directory, .release = release_file,
	.readdir = read_directory,
};

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "-f", "-s", "-o", "allow_other,default_permissions", argv[3], NULL};

	if (argc != 4)
		return 2;
	control = argv[1];
	backing = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
	umask(0);
	return backing < 0 ? 1 : fuse_main(6, args, &operations, NULL);
}
