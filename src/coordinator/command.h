/*
 * What ckpt_command asks for.
 */
#ifndef CKPT_COMMAND_H
#define CKPT_COMMAND_H

#include "peer.h"

/* The socket by which processes know which coordinator is theirs. */
void command_init(const char *socket_path);
/* Carry out p->command; the answer ends with MSG_END, at once or later. */
void command_serve(struct peer *p);

#endif
