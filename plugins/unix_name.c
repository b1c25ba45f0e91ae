/*
 * Names of Unix sockets.
 *
 * An abstract name (its first byte is 0) is just bound again. A path is bound where it was, its
 * file made anew: what is left of the one before is removed, but never the file of a server that
 * lives. Where a path did not lead to the socket any more, or is the name of an accepted
 * connection, it is the name only that counts: it is bound in an empty file system that nobody else
 * sees.
 *
 * A socket with a file is reached by way of a descriptor of that file, wherever the path leads.
 */
#include "unix.h"
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

enum { PROC_LINK_MAX = 32 };

/* ---- Save -------------------------------------------------------------------------------- */

/* stat(2) shows another device than the kernel counts there. */
static bool has_own_devices(const char *path)
{
	struct statfs fs;

	return sys_call2(__NR_statfs, path, &fs) == 0 &&
	       (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

static bool leads_to(const char *path, const struct unix_place *place, struct stat *st)
{
	if (sys_call4(__NR_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISSOCK(st->st_mode) || (uint32_t)st->st_ino != place->ino)
		return false;
	return (major(st->st_dev) == place->dev >> 20 &&
		minor(st->st_dev) == (place->dev & 0xfffff)) ||
	       has_own_devices(path);
}

/* The working directory, terminated, to dir; its length with that, 0: not known. */
static uint32_t cwd_get(char *dir)
{
	ssize_t n = sys_readlink("/proc/thread-self/cwd", dir, UNIX_PATH_MAX - 1);

	if (n <= 0 || n >= UNIX_PATH_MAX - 1 || dir[0] != '/')
		return 0;
	dir[n] = 0;
	return n + 1;
}

void unix_name_find(const char *name, const struct unix_place *place, struct unix_state *st,
		    char *dir)
{
	char path[UNIX_NAME_MAX + 1] = "";
	struct stat file;

	if (!unix_has_path(name, st->name_len))
		return;
	__builtin_memcpy(path, name, st->name_len);
	if (!leads_to(path, place, &file))
		return;
	if (path[0] != '/')
		st->dir_len = cwd_get(dir);
	if (path[0] != '/' && !st->dir_len)
		return;
	st->file_mode = file.st_mode;
	st->file_uid = file.st_uid;
	st->file_gid = file.st_gid;
}

/* ---- Restart ----------------------------------------------------------------------------- */

uint32_t unix_address_of(const char *name, uint32_t len, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	__builtin_memcpy(addr->sun_path, name, len);
	return sizeof(addr->sun_family) + len;
}

static uint32_t put_number(char *to, int n)
{
	char digits[12];
	uint32_t len = 0, i;

	do
		digits[len++] = '0' + n % 10;
	while (n /= 10);
	for (i = 0; i < len; i++)
		to[i] = digits[len - 1 - i];
	return len;
}

uint32_t unix_address(const struct unix_socket *s, struct sockaddr_un *addr)
{
	static const char prefix[] = "/proc/self/fd/";
	uint32_t n = sizeof(prefix) - 1;

	if (s->path_fd < 0)
		return unix_has_path(s->name, s->st.name_len) || !s->st.name_len
			       ? 0
			       : unix_address_of(s->name, s->st.name_len, addr);
	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	__builtin_memcpy(addr->sun_path, prefix, n);
	n += put_number(addr->sun_path + n, s->path_fd);
	return sizeof(addr->sun_family) + n + 1;
}

static int bind_name(int fd, const char *name, uint32_t len)
{
	struct sockaddr_un addr;
	uint32_t n = unix_address_of(name, len, &addr);

	return sys_call3(__NR_bind, fd, &addr, n);
}

static int path_open(const char *name, uint32_t len)
{
	char path[UNIX_NAME_MAX + 1] = "";

	__builtin_memcpy(path, name, len);
	return sys_open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

/* Bind, and open the file that this made. */
static int bind_path(int fd, const char *name, uint32_t len, int *path_fd)
{
	int err = bind_name(fd, name, len);
	int file = err ? err : path_open(name, len);

	if (file < 0)
		return file;
	if (path_fd)
		*path_fd = file;
	else
		sys_close(file);
	return 0;
}

/* An empty file system in memory, as a directory. */
static int hidden_make(void)
{
	int mount, fs = sys_call2(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		return fs;
	mount = sys_call5(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (mount == 0)
		mount = sys_call3(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	sys_close(fs);
	return mount;
}

/* The directories that lead to name, in the working directory. */
static void directories_make(const char *name, uint32_t len)
{
	char path[UNIX_NAME_MAX + 1] = "";
	uint32_t i;

	for (i = 0; i < len && name[i]; i++) {
		path[i] = name[i];
		if (i && name[i] == '/')
			sys_call2(__NR_mkdir, path, 0700);
	}
}

/* In the new root, which the working directory is already. */
static int bind_in_root(int fd, const char *name, uint32_t len, int *path_fd)
{
	int err = sys_call1(__NR_chroot, ".");

	if (err)
		return err;
	directories_make(name, len);
	return bind_path(fd, name, len, path_fd);
}

int unix_bind_hidden(int fd, const char *name, uint32_t len, int *path_fd)
{
	int root, cwd, hidden, err;

	if (!unix_has_path(name, len))
		return bind_name(fd, name, len);
	root = sys_open("/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	cwd = sys_open(".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	err = hidden = hidden_make();
	if (hidden >= 0) {
		err = sys_call1(__NR_fchdir, hidden);
		if (!err)
			err = bind_in_root(fd, name, len, path_fd);
		sys_call1(__NR_fchdir, root);
		sys_call1(__NR_chroot, ".");
		sys_call1(__NR_fchdir, cwd);
		sys_close(hidden);
	}
	sys_close(root);
	sys_close(cwd);
	return err;
}

/* The name, terminated, in text of UNIX_NAME_MAX + 1 bytes. */
static const char *text_of(const struct unix_socket *s, char *text)
{
	__builtin_memcpy(text, s->name, s->st.name_len);
	text[s->st.name_len] = 0;
	return text;
}

/* Does a server, or any other process, have the socket of this file? */
static bool is_alive(const char *name, uint32_t len, int type)
{
	struct sockaddr_un addr;
	uint32_t n = unix_address_of(name, len, &addr);
	int fd = sys_call3(__NR_socket, AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? fd : sys_call3(__NR_connect, fd, &addr, n);

	if (fd >= 0)
		sys_close(fd);
	return err != -ECONNREFUSED && err != -ENOENT;
}

/* Make the path free; in its directory. */
static int path_clear(struct plugin_ctx *c, const struct unix_socket *s)
{
	char path[UNIX_NAME_MAX + 1];
	struct stat st;
	int err = sys_call4(__NR_newfstatat, AT_FDCWD, text_of(s, path), &st, AT_SYMLINK_NOFOLLOW);
	bool alive;

	if (err == -ENOENT)
		return 0;
	if (!err && !S_ISSOCK(st.st_mode))
		return plugin_fail(c, s->file, 0, "%s is no socket now", path);
	alive = !err && is_alive(s->name, s->st.name_len, s->st.type);
	for (int i = 0; alive && i < NAME_TRIES / 10; i++) { /* each is a connection for it */
		sock_nap(NAME_TRY_US * 10);
		alive = is_alive(s->name, s->st.name_len, s->st.type);
	}
	if (alive)
		return plugin_fail(c, s->file, 0, "another process has the socket %s now", path);
	if (!err)
		err = sys_call1(__NR_unlink, path);
	return err ? plugin_fail(c, s->file, err, "%s can't be made anew", path) : 0;
}

static int bind_there(struct plugin_ctx *c, struct unix_socket *s)
{
	char path[UNIX_NAME_MAX + 1];
	int err = path_clear(c, s);

	if (err)
		return err;
	err = bind_path(s->file->fd, s->name, s->st.name_len, &s->path_fd);
	if (err == -ENOENT) { /* the program has ended since, and removed the directory that it had made for it */
		directories_make(s->name, s->st.name_len);
		err = bind_path(s->file->fd, s->name, s->st.name_len, &s->path_fd);
	}
	return err ? plugin_fail(c, s->file, err, "%s can't be bound again", text_of(s, path)) : 0;
}

/* A relative name is bound from where it began. */
static int bind_visible(struct plugin_ctx *c, struct unix_socket *s)
{
	int cwd, err;

	if (!s->st.dir_len)
		return bind_there(c, s);
	cwd = sys_open(".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	err = sys_call1(__NR_chdir, s->dir);
	err = err ? plugin_fail(c, s->file, err, "%s, where it has its name", s->dir)
		  : bind_there(c, s);
	sys_call1(__NR_fchdir, cwd);
	sys_close(cwd);
	return err;
}

static int bind_abstract(struct plugin_ctx *c, struct unix_socket *s)
{
	char name[UNIX_NAME_MAX + 1];
	int err = bind_name(s->file->fd, s->name, s->st.name_len), i;

	for (i = 0; err == -EADDRINUSE && i < NAME_TRIES; i++) {
		sock_nap(NAME_TRY_US);
		err = bind_name(s->file->fd, s->name, s->st.name_len);
	}
	if (err == -EADDRINUSE)
		return plugin_fail(c, s->file, 0, "another process has the name @%s now",
				   text_of(s, name) + 1);
	return err ? plugin_fail(c, s->file, err, "its name can't be bound again") : 0;
}

/* Out of the way of the numbers that the program uses. */
static int path_fd_lift(struct plugin_ctx *c, struct unix_socket *s)
{
	int fd = s->path_fd;

	if (fd < 0)
		return 0;
	s->path_fd = sys_fcntl(fd, F_DUPFD_CLOEXEC, s->file->fd);
	sys_close(fd);
	return s->path_fd < 0 ? plugin_fail(c, s->file, s->path_fd, "no descriptor") : 0;
}

int unix_bind(struct plugin_ctx *c, struct unix_socket *s)
{
	int err;

	if (!s->st.name_len)
		return 0;
	if (!unix_has_path(s->name, s->st.name_len))
		return bind_abstract(c, s);
	if (s->st.file_mode)
		err = bind_visible(c, s);
	else
		err = unix_bind_hidden(s->file->fd, s->name, s->st.name_len, &s->path_fd);
	if (err && !s->st.file_mode)
		err = plugin_fail(c, s->file, err, "its name can't be bound again");
	return err ? err : path_fd_lift(c, s);
}
