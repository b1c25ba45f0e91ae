/*
 * The coordinator's place: one at a time holds the lock and the socket.
 */
#ifndef CKPT_CLAIM_H
#define CKPT_CLAIM_H

/*
 * Make this process the coordinator at path: returns the listening socket, or -1 when another one
 * is and answers. The lock is held until the process ends. Dies when neither comes about.
 */
int claim_socket(const char *path);
/* Give the name up, before the end: who comes now starts another coordinator. */
void claim_release(const char *path);

#endif
