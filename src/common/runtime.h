/*
 * Where things are while we run: the coordinator's socket, and what is installed beside a program.
 */
#ifndef CKPT_RUNTIME_H
#define CKPT_RUNTIME_H

#include <stddef.h>
#include <sys/un.h>
#include "fault.h"

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) };

/*
 * Path of the coordinator's socket: CKPT_SOCKET when set, else coordinator.sock in
 * $XDG_RUNTIME_DIR/ckpt, else in $TMPDIR/ckpt-UID or /tmp/ckpt-UID. The directory is made when it
 * is missing, mode 0700. Dies when it is a link, not ours or open to others, or when the path is
 * too long for a socket.
 */
void runtime_socket_path(char path[SOCKET_PATH_MAX]);

/* dir/name of the running executable's directory; dies when it does not fit n bytes. */
void runtime_beside(const char *name, char *path, size_t n);

/* Absolute path of libckpt.so as it is installed (or built) beside us; dies when there is none. */
void runtime_library(char *path, size_t n);

/* For tests: what CKPT_FAULT says (fault.h); dies when that is nothing. */
void runtime_fault(struct fault *f);

#endif
