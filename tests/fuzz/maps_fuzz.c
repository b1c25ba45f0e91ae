/*
 * The parser of /proc/PID/maps on any text, in a buffer that ends where the text does.
 */
#include <stdlib.h>
#include <string.h>
#include "core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = malloc(n ? n : 1);
	const char *p = copy, *end = copy + n;
	struct map_line m;
	uint64_t sum = 0;

	memcpy(copy, data, n);
	while (maps_next(&p, end, &m) == 1) {
		if (m.start >= m.end || p > end)
			abort();
		for (size_t i = 0; i < m.name_len; i++)
			sum += m.name[i];
	}
	free(copy);
	__asm__ volatile("" : : "r"(sum)); /* so that the names are read */
	return 0;
}
