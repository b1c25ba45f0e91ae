/*
 * Numbers with units, for people. Each fills buf and returns it.
 */
#ifndef CKPT_UNITS_H
#define CKPT_UNITS_H

#include <stdint.h>

enum { UNITS_MAX = 32 };

/* "812 B", "5.6 MB", "103 GB". */
const char *units_bytes(char buf[UNITS_MAX], double bytes);
/* For memory, which comes in pages: "4 KiB", "21.8 MiB". */
const char *units_memory(char buf[UNITS_MAX], double bytes);
/* "1.8 ms", "59.6 s". */
const char *units_duration(char buf[UNITS_MAX], uint64_t ns);
/* Local time: "2025-11-20 14:31:07". */
const char *units_time(char buf[UNITS_MAX], uint64_t realtime_ns);
/* How long ago that is: "3 d 4 h", "5 h 12 min", "40 s". */
const char *units_age(char buf[UNITS_MAX], uint64_t realtime_ns);

#endif
