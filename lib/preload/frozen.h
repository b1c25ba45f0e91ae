/*
 * Included last by every file whose code runs between freeze and thaw or in the snapshot writer.
 * There another thread may own any lock of libc, so nothing that might take one is called.
 */
#ifndef CKPT_FROZEN_H
#define CKPT_FROZEN_H

#pragma GCC poison malloc calloc realloc free alloca strdup
#pragma GCC poison printf fprintf snprintf sprintf vsnprintf puts fopen fclose perror strerror
#pragma GCC poison dlsym dlopen getenv setenv syslog exit abort assert
#pragma GCC poison pthread_mutex_lock pthread_create pthread_self sem_wait
#undef errno
#pragma GCC poison open close read write mmap munmap fork waitpid kill raise sleep usleep errno

#endif
