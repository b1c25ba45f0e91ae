/*
 * TCP sockets: what tcp.c saves and tcp_restore.c makes anew.
 */
#ifndef PLUGIN_TCP_H
#define PLUGIN_TCP_H

#include "inet.h"
#include <linux/tcp.h>

/* States of the kernel's (net/tcp_states.h), as tcp_info has them. */
enum tcp_kernel_state {
	TCPS_ESTABLISHED = 1,
	TCPS_SYN_SENT,
	TCPS_SYN_RECV,
	TCPS_FIN_WAIT1,
	TCPS_FIN_WAIT2,
	TCPS_TIME_WAIT,
	TCPS_CLOSE,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_LISTEN,
	TCPS_CLOSING,
	TCPS_NEW_SYN_RECV,
};

enum tcp_kind {
	TCP_UNUSED = 1,	/* never connected; bound when local has a port */
	TCP_LISTENING,
	TCP_PAIR,	/* its peer is a file of the job */
	TCP_PENDING,	/* its peer waits to be accepted by a listening socket of the job */
	TCP_CONNECTING,	/* connect(2) has not been answered */
	TCP_HALF,	/* its peer has ended the stream, and is in nobody's hands */
	TCP_ENDED,	/* both ways are at their end */
	TCP_RESET,	/* comes back as reset by its peer: that is outside the job, or has done so */
	TCP_REFUSED,	/* the connection was refused, and the program does not know yet */
	TCP_REFUSED_TOLD,
};

/* First record of a TCP socket; parts (inet.h) follow. */
struct tcp_state {
	uint32_t kind; /* enum tcp_kind */
	uint32_t domain, protocol;
	uint32_t backlog;   /* listening: that of listen(2) */
	uint64_t peer_ino;  /* of a pair; pending: of the listening socket */
	uint32_t sent_end;  /* shut down for writing */
	uint32_t shut_read; /* shut down for reading by the program itself */
	uint32_t mss;	    /* TCP_MAXSEG of the program's, 0: none */
	uint32_t served;    /* a pair: its peer has connected to it, as far as can be told */
	union inet_name local, remote;
};
_Static_assert(sizeof(struct tcp_state) == 96, "on disk");

/* The parts of one record for a stretch of bytes at most. */
enum { TCP_BYTES_MAX = 1 << 20 };

/* ---- tcp.c ---- */

enum { TCP_PORT_RANGE = 51 /* IP_LOCAL_PORT_RANGE, Linux 6.3 */ };

/*
 * Have connect(2) take this very port, as one that it chooses: then it may be one that other connections have, too,
 * and the kernel lets the same connection follow one in TIME_WAIT after a second. Only of ports in the range to choose
 * from. Changes the options TCP_PORT_RANGE and IP_BIND_ADDRESS_NO_PORT. 0 or -errno.
 */
int tcp_name_choose(int fd, const union inet_name *name) INET_HIDDEN;
/* Bytes that wait, the urgent one and those behind it included. */
int tcp_unread(int fd) INET_HIDDEN;

int tcp_info_read(int fd, struct tcp_info *info) INET_HIDDEN;
/* Has all that the peer has written arrived? Its counts have been taken before ours are. */
bool tcp_way_is_clear(int fd, const struct inet_diag *peer) INET_HIDDEN;
/*
 * Wait until all that fd's peer has written is there, making room for it; of st the names hold. The connection may
 * end meanwhile. 0; -ENOBUFS, only with may_drain: there is too much; -errno after a refusal, in the name of f.
 */
int tcp_settle(struct plugin_ctx *c, const struct plugin_file *f, int fd, const struct tcp_state *st,
	       bool may_drain) INET_HIDDEN;

/* ---- tcp_room.c ---- */

/*
 * Let the socket's peer send `want` bytes more although nobody reads. Its own idea of how large its buffer
 * may grow is raised by SO_RCVLOWAT, which anybody may.
 */
void tcp_make_room(int fd, uint64_t want) INET_HIDDEN;
/*
 * Can as many bytes be taken out and sent again? Packets are others then, and take more. There must be room left, or
 * be had: without privileges a buffer that the kernel itself has made larger than any may ask for can be too full.
 */
bool tcp_may_refill(int fd, uint64_t unread) INET_HIDDEN;
/* Back to the size that it had, if that may be set. What waits stays. */
void tcp_room_return(int fd, int size) INET_HIDDEN;
/* Is its buffer so full that no more may come? If not, what does not come is only late. */
bool tcp_is_full(int fd) INET_HIDDEN;
/*
 * The kernel makes the buffer of a socket larger from which much is read at once. While we read it shall not, or a
 * queue that is always full held twice as much after each checkpoint. What is kept goes to tcp_room_free().
 */
uint32_t tcp_room_keep(int fd) INET_HIDDEN;
void tcp_room_free(int fd, uint32_t locks) INET_HIDDEN;
/* Have it tell its peer how much room there is: looking at what waits does. */
void tcp_tell_room(int fd) INET_HIDDEN;
/*
 * Make room in f's peer, too, if this process saves it. When more comes than there is room for the kernel drops it and
 * takes back the room it had told of; since Linux 6.17 it also drops acknowledgements that lie behind that. Two ends
 * that are full wait for ever then, unless both are read.
 */
void tcp_relieve(struct plugin_ctx *c, const struct plugin_file *f, uint32_t peer_ino) INET_HIDDEN;
/* f has again what it had before that. */
void tcp_relieve_end(struct plugin_file *f) INET_HIDDEN;

/* ---- tcp_turn.c ---- */

/*
 * Have the process that saves the other end do something when it is its turn: in resume(). False: it does not
 * take part any more. Whoever gets true calls tcp_turn_ready() in any case.
 */
bool tcp_turn_take(struct plugin_ctx *c, const struct plugin_file *other) INET_HIDDEN;
void tcp_turn_ready(struct plugin_ctx *c, const struct plugin_file *other) INET_HIDDEN;
/* In save(): this process will take its turns. */
void tcp_turn_grant(struct plugin_ctx *c, const struct plugin_file *f) INET_HIDDEN;
/* In resume(): has f a turn, and is all ready for it? Nobody gives it one any more. */
bool tcp_turn_has(struct plugin_ctx *c, const struct plugin_file *f) INET_HIDDEN;

/* It has been taken. */
void tcp_turn_done(struct plugin_ctx *c, const struct plugin_file *f) INET_HIDDEN;
bool tcp_turn_is_done(struct plugin_ctx *c, const struct plugin_file *other) INET_HIDDEN;

/* ---- tcp_drain.c ---- */

/*
 * What one end gives (plugin_give()) the other for its turn; the bytes follow, in order: the other sends them
 * again.
 */
struct tcp_given {
	uint64_t n;
	uint32_t reconnect; /* disconnect before, and connect to name; */
	uint32_t sent_end;  /* and end the stream behind the bytes */
	union inet_name name;
	uint32_t room;	/* the giver's receive buffer, as it was before */
	uint32_t locks; /* of tcp_room_keep() */
	uint32_t relieved; /* only room and locks hold: tcp_relieve() */
};

/* Can the peer send again what it has sent? And is there no mark in it, which reading would lose? */
bool tcp_is_drainable(struct plugin_ctx *c, const struct plugin_file *f,
		      const struct inet_diag *peer) INET_HIDDEN;
/* Read all that waits in f and at its peer, a file of the job, and give it to that. NULL after a refusal. */
struct tcp_given *tcp_drain(struct plugin_ctx *c, const struct plugin_file *f,
			    const struct tcp_state *st) INET_HIDDEN;
/* In resume(): take the turns of all sockets of this process, when it is called for the first of them. */
void tcp_turns_run(struct plugin_ctx *c, struct plugin_file *f) INET_HIDDEN;

/* ---- tcp_queue.c ---- */

/* Save what waits to be accepted by f, which listens. Records of f follow its first one. */
void tcp_queue_save(struct plugin_ctx *c, struct plugin_file *f) INET_HIDDEN;
/* In resume() of the listening socket. */
void tcp_queue_release(struct plugin_file *f) INET_HIDDEN;

/* ---- tcp_restore.c ---- */

int tcp_restore(struct plugin_ctx *c, struct plugin_file *f) INET_HIDDEN;
int tcp_fill(struct plugin_ctx *c, struct plugin_file *f) INET_HIDDEN;
int tcp_attach(struct plugin_ctx *c, struct plugin_file *f) INET_HIDDEN;

#endif
