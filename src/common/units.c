#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include "units.h"

/* A number below 1000 with the unit whose size is step times that of the one before it. */
static const char *scaled(char buf[UNITS_MAX], double n, double step, const char *const *units)
{
	size_t unit = 0;

	while (n >= 999.5 && units[unit + 1]) {
		n /= step;
		unit++;
	}
	snprintf(buf, UNITS_MAX, n < 99.95 && n != (int)n ? "%.1f %s" : "%.0f %s", n, units[unit]);
	return buf;
}

const char *units_bytes(char buf[UNITS_MAX], double bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", NULL};

	return scaled(buf, bytes, 1000, units);
}

const char *units_memory(char buf[UNITS_MAX], double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

	return scaled(buf, bytes, 1024, units);
}

const char *units_duration(char buf[UNITS_MAX], uint64_t ns)
{
	if (ns < 999500000)
		snprintf(buf, UNITS_MAX, ns < 99950000 ? "%.1f ms" : "%.0f ms", ns / 1e6);
	else
		snprintf(buf, UNITS_MAX, "%.1f s", ns / 1e9);
	return buf;
}

const char *units_time(char buf[UNITS_MAX], uint64_t realtime_ns)
{
	time_t t = realtime_ns / 1000000000;
	struct tm tm;

	strftime(buf, UNITS_MAX, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
	return buf;
}

const char *units_age(char buf[UNITS_MAX], uint64_t realtime_ns)
{
	uint64_t then = realtime_ns / 1000000000, now = (uint64_t)time(NULL), s = now > then ? now - then : 0;

	if (s >= 86400)
		snprintf(buf, UNITS_MAX, "%lu d %lu h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(buf, UNITS_MAX, "%lu h %lu min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(buf, UNITS_MAX, "%lu min %lu s", s / 60, s % 60);
	else
		snprintf(buf, UNITS_MAX, "%lu s", s);
	return buf;
}
