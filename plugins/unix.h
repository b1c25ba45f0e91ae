/*
 * Unix sockets:
 *
 *	unix.c		what a socket is: state, peer, options; and the plugin
 *	unix_queue.c	what waits in a socket, with the descriptors and credentials under way in it
 *	unix_refill.c	restart: the same, sent again
 *	unix_name.c	names: where the file of one is, and how it is had again
 *	unix_link.c	restart: naming, listening and connecting of all sockets
 *
 * Records of a socket: one struct unix_state, then struct unix_part as often as there are some.
 */
#ifndef PLUGIN_UNIX_H
#define PLUGIN_UNIX_H

#include "sockdiag.h"
#include <sys/socket.h>
#include <sys/un.h>

#define UNIX_CALL __attribute__((visibility("hidden")))

enum {
	UNIX_NAME_MAX = sizeof(((struct sockaddr_un *)0)->sun_path),
	UNIX_PATH_MAX = 4096,
	UNIX_FDS_MAX = 253, /* descriptors of one message, SCM_MAX_FD */
};

/* As SO_PEERCRED and SCM_CREDENTIALS have it. */
struct unix_cred {
	int32_t pid; /* 0: none, or of a process outside the job's PIDs */
	uint32_t uid, gid;
};

enum unix_kind {
	UNIX_SINGLE = 1, /* has no peer */
	UNIX_LISTENING,
	UNIX_PAIR,    /* connected with the socket `peer`, and that with it */
	UNIX_SENDING, /* datagrams: connected to a name, which `peer` has if it is of the job */
	UNIX_PENDING, /* connected, but not accepted: who listens has the parts that tell */
	UNIX_HALF,    /* its peer is closed */
	UNIX_OUTSIDE, /* its peer is no socket of the job: comes back as reset */
};

/* Name, peer's name and directory follow: name_len, peer_name_len and dir_len bytes. */
struct unix_state {
	int32_t type;
	uint32_t kind; /* enum unix_kind */
	uint32_t peer; /* id of its file, 0: none */
	uint32_t shutdown;
	uint32_t backlog;
	uint32_t reset; /* an error waits: the peer was closed with bytes that it had not read */
	struct unix_cred peercred;
	uint32_t name_len; /* bytes of sun_path, 0: it has no name */
	uint32_t peer_name_len;
	uint32_t dir_len;   /* a relative name starts here; terminated */
	uint32_t file_mode; /* st_mode of its file, 0: the name does not lead to the socket */
	uint32_t file_uid, file_gid;
	uint32_t reserved;
	int32_t ints[24];
	int64_t times_us[4];
};

enum unix_part_kind {
	UNIX_PART_PENDING = 1, /* file ids, in order, of who waits to be accepted */
	UNIX_PART_DATA,
};

/* File ids (nfiles times uint32_t), sender's name and bytes follow. */
struct unix_part {
	uint32_t kind;
	uint32_t flags; /* enum unix_part_flag */
	struct unix_cred cred;
	uint32_t nfiles;
	uint32_t name_len;
	uint32_t reserved;
};

enum unix_part_flag {
	UNIX_PART_MORE = 1, /* the message goes on in the next part */
	UNIX_PART_OOB = 2,  /* one byte, sent with MSG_OOB */
};

/* Where the file of a socket is, as the kernel counts; ino 0: it has none. */
struct unix_place {
	uint32_t ino, dev;
};

/* Room for credentials and descriptors of one message. */
union unix_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct unix_cred)) + CMSG_SPACE(UNIX_FDS_MAX * sizeof(int))];
};

/* A socket during a restart: what its records say, and where it is. plugin_file.data */
struct unix_socket {
	struct unix_state st;
	struct plugin_file *file;
	const char *name, *peer_name, *dir;
	int path_fd;	/* O_PATH: the file that it is bound to, -1: none */
	int sender_fd;	/* socket that stands for a peer that is not there, -1: none */
	bool is_linked; /* connected already, by its peer's turn or who listens */
	bool is_late;	/* its queue has files that are made only when the processes are there */
};

static inline int sock_get(int fd, int option, void *value, uint32_t n)
{
	return sys_call5(__NR_getsockopt, fd, SOL_SOCKET, option, value, &n);
}

static inline int sock_set(int fd, int option, const void *value, uint32_t n)
{
	return sys_call5(__NR_setsockopt, fd, SOL_SOCKET, option, value, n);
}

static inline int sock_get_int(int fd, int option)
{
	int value = 0;

	sock_get(fd, option, &value, sizeof(value));
	return value;
}

static inline int sock_set_int(int fd, int option, int value)
{
	return sock_set(fd, option, &value, sizeof(value));
}

static inline bool unix_has_path(const char *name, uint32_t len)
{
	return len && name[0];
}

/* ---- unix_queue.c ------------------------------------------------------------------------ */

/* Save: read what waits in f, and find the files that are under way in it. */
void unix_queue_read(struct plugin_ctx *c, struct plugin_file *f) UNIX_CALL;
void unix_queue_save(struct plugin_ctx *c, struct plugin_file *f) UNIX_CALL;

/* ---- unix_refill.c ----------------------------------------------------------------------- */

/* Restart: send to s what waited in it, if s->is_late is late. 0 or what plugin_fail() returned. */
int unix_queue_fill(struct plugin_ctx *c, struct unix_socket *s, bool late) UNIX_CALL;

/* ---- unix_name.c ------------------------------------------------------------------------- */

/* Save: fill in dir_len and what the file is, and the directory itself: UNIX_PATH_MAX bytes. */
void unix_name_find(const char *name, const struct unix_place *place, struct unix_state *st,
		    char *dir) UNIX_CALL;
/*
 * Restart: bind fd to a name where nobody sees it, for it is the name that counts: a path in a file
 * system of its own. *path_fd, if not NULL, becomes a descriptor of the file. 0 or -errno.
 */
int unix_bind_hidden(int fd, const char *name, uint32_t len, int *path_fd) UNIX_CALL;
/* Bind s as it was, its file made anew. 0 or what plugin_fail() returned. */
int unix_bind(struct plugin_ctx *c, struct unix_socket *s) UNIX_CALL;
/* The address under which s can be reached now; its length, 0: it has no name. */
uint32_t unix_address(const struct unix_socket *s, struct sockaddr_un *addr) UNIX_CALL;
/* The address of a name as it stands in records. */
uint32_t unix_address_of(const char *name, uint32_t len, struct sockaddr_un *addr) UNIX_CALL;

/* ---- unix_link.c ------------------------------------------------------------------------- */

/* Name, listen and connect: all sockets of the job, at the first call. */
int unix_link_all(struct plugin_ctx *c) UNIX_CALL;
/* Close the peer that is not there, now that it has sent. */
void unix_peer_close(struct unix_socket *s) UNIX_CALL;
/* What follows when the queues are full: peers that are gone, who is connected, who waits. */
int unix_link_rest(struct plugin_ctx *c) UNIX_CALL;
/* The socket of the job with this name, of this type and kind (0: any), NULL: none. */
struct unix_socket *unix_by_name(struct plugin_ctx *c, const char *name, uint32_t len, int type,
				 enum unix_kind kind) UNIX_CALL;
/* A system call in a process of this pid; in this one when there can't be such a process. */
long unix_call_as(struct plugin_ctx *c, int pid, long nr, long a, long b, long d, long e) UNIX_CALL;

extern const struct plugin plugin_unix UNIX_CALL;

#endif
