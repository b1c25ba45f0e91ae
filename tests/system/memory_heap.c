/* The heap: blocks of malloc keep their contents, and sbrk goes on from where it was. */
#include "harness.h"
#include <malloc.h>

enum { BLOCKS = 5000 };

int main(void)
{
	static unsigned char *block[BLOCKS];
	static size_t size[BLOCKS];
	char *brk_before, *grown;

	srandom(1);
	for (int i = 0; i < BLOCKS; i++) {
		size[i] = (size_t)random() % (i % 100 ? 600 : 300000) + 1;
		block[i] = malloc(size[i]);
		memset(block[i], i, size[i]);
	}
	for (int i = 0; i < BLOCKS; i += 3) {
		free(block[i]);
		block[i] = NULL;
	}
	brk_before = sbrk(0);

	ready();

	check(sbrk(0) == (void *)brk_before, "brk is %p, was %p", sbrk(0), (void *)brk_before);
	grown = sbrk(1 << 20);
	check(grown == brk_before, "sbrk gives %p, not %p", (void *)grown, (void *)brk_before);
	if (grown == brk_before)
		memset(grown, 1, 1 << 20);
	check(sbrk(-(1 << 20)) == brk_before + (1 << 20), "shrinking the heap");
	for (int i = 0; i < BLOCKS; i++)
		for (size_t n = 0; block[i] && n < size[i]; n++)
			if (block[i][n] != (unsigned char)i) {
				check(false, "block %d byte %zu", i, n);
				break;
			}
	for (int i = 0; i < BLOCKS; i++) {
		if (!block[i])
			block[i] = calloc(1, 1000);
		free(block[i]);
	}
	malloc_trim(0);
	return verdict();
}
