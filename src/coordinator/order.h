/* order.c: in which order a job's processes are numbered. */
#ifndef CKPT_ORDER_H
#define CKPT_ORDER_H

#include "checkpoint.h"

/*
 * Put cp->members, of which each has its parent, into an order in which parents come before their children;
 * otherwise they stay in order. Sets place and index.
 */
int members_order(struct checkpoint *cp); /* 0 or -ENOMEM */

#endif
