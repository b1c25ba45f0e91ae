/*
 * A process under checkpoint as the coordinator sees it: this test program, executed once more,
 * catches the reserved signal and plays the process' side of the protocol. CKPT_FAKE says how it
 * behaves; a constructor takes over before main() when it is set.
 */
#ifndef FAKE_PROCESS_H
#define FAKE_PROCESS_H

#include <sys/types.h>

/*
 * Start one with job id job, images in dir, and behaviour (words, see fake_process.c). It is ready
 * when this returns. The coordinator's socket is CKPT_SOCKET.
 */
pid_t fake_start(const char *job, const char *dir, const char *behaviour);
/* Kill it and wait for it. */
void fake_stop(pid_t pid);

#endif
