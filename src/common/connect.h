/*
 * The way to the coordinator.
 */
#ifndef CKPT_CONNECT_H
#define CKPT_CONNECT_H

#include <stdbool.h>

/*
 * Connect to this user's coordinator. When there is none and start is true, ckpt_coordinator
 * (beside our own executable) is started as a daemon first; any number of programs may do that at
 * once. Returns a close-on-exec descriptor, or -errno: -ENOENT or -ECONNREFUSED when there is none
 * and start is false, -ECANCELED when it did not start, which has then been told on standard error.
 */
int coordinator_connect(bool start);

#endif
