/* order.c: in which order a job's processes are numbered. */
#ifndef CKPT_ORDER_H
#define CKPT_ORDER_H

#include "checkpoint.h"

/*
 * Put cp->members, of which each has its parent, into an order in which parents come before their children, and
 * before all the one that the job was started as; otherwise they stay in order. Sets place and index.
 */
int members_order(struct checkpoint *cp); /* 0 or -ENOMEM */

#endif
