/*
 * What the plugins for sockets of the internet families (tcp, udp) and netlink share: the parts that a
 * socket's records consist of, options, and what the kernel tells of sockets of other processes.
 */
#ifndef PLUGIN_INET_H
#define PLUGIN_INET_H

#include "sockdiag.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define INET_HIDDEN __attribute__((visibility("hidden")))

/* An address and a port as the kernel takes them; also in images. */
union inet_name {
	uint16_t family; /* 0: none */
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};
_Static_assert(sizeof(union inet_name) == 28, "on disk");

enum { INET_NAME_TEXT = 64 };

/* The record of a socket after its first one; bytes follow. */
struct inet_part {
	uint32_t kind; /* enum inet_part_kind */
	uint32_t arg;
	union inet_name name;
	uint32_t reserved;
};
_Static_assert(sizeof(struct inet_part) == 40, "on disk");

enum inet_part_kind {
	PART_OPTIONS = 1, /* struct inet_option[] */
	PART_FILTER,	  /* struct sock_filter[] */
	PART_BYTES,	  /* of a stream; arg 1: one urgent byte */
	PART_MESSAGE,	  /* a datagram from name */
	PART_QUEUED,	  /* listening: what was sent by name, whose connection waits to be accepted */
	PART_GROUP,	  /* struct group_filter: a multicast membership */
};

/* ---- inet.c ---- */

static inline int sock_get(int fd, int level, int name, void *value, uint32_t *len)
{
	return sys_call5(__NR_getsockopt, fd, level, name, value, len);
}

static inline int sock_set(int fd, int level, int name, const void *value, uint32_t len)
{
	return sys_call5(__NR_setsockopt, fd, level, name, value, len);
}

static inline int sock_set_int(int fd, int level, int name, int value)
{
	return sock_set(fd, level, name, &value, sizeof(value));
}

/* Value of an option; dflt when there is no such option. */
int sock_int(int fd, int level, int name, int dflt) INET_HIDDEN;
/* revents of poll(2) without waiting. */
int sock_poll(int fd, int events) INET_HIDDEN;
/* Bytes that wait to be read. */
int sock_unread(int fd) INET_HIDDEN;
/* A new socket: a descriptor or -errno. */
int sock_new(int domain, int type, int protocol) INET_HIDDEN;

uint32_t inet_name_len(const union inet_name *n) INET_HIDDEN;
uint16_t inet_port(const union inet_name *n) INET_HIDDEN;
bool inet_name_eq(const union inet_name *a, const union inet_name *b) INET_HIDDEN;
bool inet_is_any(const union inet_name *n) INET_HIDDEN;
/* Loopback, port 0, for a socket of this domain. */
void inet_loopback(int domain, union inet_name *n) INET_HIDDEN;
/* "127.0.0.1:80" in buf of INET_NAME_TEXT bytes; returns buf. */
const char *inet_name_text(const union inet_name *n, char *buf) INET_HIDDEN;
/* getsockname(2), getpeername(2); family 0 where there is none. */
void inet_local(int fd, union inet_name *n) INET_HIDDEN;
void inet_remote(int fd, union inet_name *n) INET_HIDDEN;
int inet_bind(int fd, const union inet_name *n) INET_HIDDEN;
int inet_connect(int fd, const union inet_name *n) INET_HIDDEN;

/* The next part of this kind from record *index on, which moves behind it; NULL: there is no more. */
const void *inet_part_next(struct plugin_ctx *c, const struct plugin_file *f, uint32_t kind,
			   unsigned int *index, struct inet_part *part, size_t *n) INET_HIDDEN;

/* ---- inet_options.c ---- */

/* An option as getsockopt(2) gave it. */
struct inet_option {
	int32_t level, name;
	uint32_t len;
	uint32_t reserved;
	uint8_t value[16];
};
_Static_assert(sizeof(struct inet_option) == 32, "on disk");

enum { INET_OPTIONS_MAX = 160 };
struct inet_options {
	uint32_t n;
	struct inet_option list[INET_OPTIONS_MAX];
};

/* Ask for every option that the socket has. */
void options_read(int fd, struct inet_options *o) INET_HIDDEN;
/* Append them as a part, and the attached filter as another. */
void options_put(struct plugin_ctx *c, const struct plugin_file *f,
		 const struct inet_options *o) INET_HIDDEN;
/*
 * Set the options of f on fd. early: those that must be set before the socket is bound; else the others,
 * and last the filter.
 */
void options_restore(struct plugin_ctx *c, const struct plugin_file *f, int fd,
		     bool early) INET_HIDDEN;

/* ---- inet_diag.c ---- */

/* What sock_diag(7) tells of a socket, whoever has it. */
struct inet_diag {
	uint8_t family;
	uint8_t state;	  /* TCP_ESTABLISHED and so on */
	uint8_t shutdown; /* as the kernel counts: 1 receiving, 2 sending */
	uint32_t ino;	  /* 0: no process has it */
	uint32_t unread;  /* an end of the stream counts as a byte in these: */
	uint32_t unacked; /* written by the program, not acknowledged */
	uint32_t unsent;  /* of these, not sent yet */
	uint64_t acked, received; /* since the connection began */
	uint32_t retry_ms;	  /* until it sends again what was dropped more than once; 0: nothing was */
	union inet_name local, remote;
};

/*
 * The socket of this protocol whose own name is local and whose peer's is remote. A listening one is found
 * when there is no such connection. 0, -ENOENT: none, or -errno.
 */
int inet_diag_find(int protocol, const union inet_name *local, const union inet_name *remote,
		   struct inet_diag *d) INET_HIDDEN;
/* Call fn for every TCP socket whose own port is port. 0 or -errno. */
int inet_diag_port(uint16_t port, void (*fn)(void *arg, const struct inet_diag *d),
		   void *arg) INET_HIDDEN;

#endif
