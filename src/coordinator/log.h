/*
 * CKPT_LOG=debug: what happens, one line each, in coordinator.log beside the socket.
 */
#ifndef CKPT_LOG_H
#define CKPT_LOG_H

/* Open the log in the directory of the socket when CKPT_LOG asks for it. */
void log_open(const char *socket_path);
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
