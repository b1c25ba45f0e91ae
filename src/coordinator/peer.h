/*
 * Connections to the coordinator's socket: who is there, what is queued for them, and the limits
 * that keep any one of them from harming the others. What their messages mean is serve.c's.
 */
#ifndef CKPT_PEER_H
#define CKPT_PEER_H

#include <stdbool.h>
#include "loop.h"
#include "protocol.h"

enum {
	PEER_QUEUE_MAX = 16 << 20, /* bytes for a peer that does not read */
	PEER_FIRST_MESSAGE_S = 5, /* to say what it wants */
};

struct member;
struct job;

/* What a connection is for, as its first message tells; others are not taken from it. */
enum peer_role {
	PEER_NEW,     /* has said nothing, or hello */
	PEER_CLIENT,  /* ckpt_command: asked for something */
	PEER_WAITING, /* a process that asked for a checkpoint while another one runs, and was sent
			 back */
	PEER_MEMBER,  /* a process in a checkpoint */
};

struct queued;

struct peer {
	struct peer *next, *prev;
	struct watch watch;
	enum peer_role role;
	int pid; /* SO_PEERCRED: in our pid namespace */
	uint64_t since_ns;
	bool closing; /* to be closed once its queue is sent; nothing is read from it */
	struct queued *queue, **queue_end;
	size_t queued; /* bytes */

	/* PEER_CLIENT, PEER_WAITING: what for */
	struct job *job; /* whose checkpoint it waits for, NULL: none */
	struct msg_command command;
	bool attached; /* to the one that runs; else to the next */
	/* PEER_NEW: for the checkpoint that it is about to ask for; target.m.size 0: none */
	struct msg_target target;
	/* PEER_MEMBER */
	struct member *member; /* NULL: the checkpoint is over */
};

/* Start to listen on fd. 0 or -errno. */
int peers_listen(int fd);
/* Is there a connection that has not been accepted yet? */
bool peers_wait(void);
struct peer *peers(void);
/* How many descriptors there may be for peers and processes. */
unsigned peers_limit(void);

/* Queue a message. A peer whose queue is full is dropped, by and by: p stays valid. */
void peer_send(struct peer *p, const struct msg *m, int pass);
/* The same, but leave it out when others wait already. */
void peer_send_spare(struct peer *p, const struct msg *m);
/* Take what it has sent so far, before the loop comes to it. p stays valid. */
void peer_catch_up(struct peer *p);
/* Close when the queue is empty. p stays valid until control returns to the loop. */
void peer_finish(struct peer *p);
/* A pidfd of the process at the other end, the caller's; -1: open one by pid. */
int peer_pidfd(const struct peer *p);

/* From serve.c: */
int serve_message(struct peer *p, const union any_msg *m); /* other than 0: drop the peer */
void serve_closed(struct peer *p);			   /* before it is freed */

#endif
