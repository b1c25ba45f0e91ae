/* The main thread's stack: its contents 500 calls deep, and it still grows by itself. */
#include "harness.h"
#include <sys/resource.h>

static int sum_after(int depth, int value)
{
	volatile int mine[64];
	int sum;

	for (int i = 0; i < 64; i++)
		mine[i] = value + i;
	if (depth == 0) {
		ready();
		sum = 0;
	} else {
		sum = sum_after(depth - 1, value + 1);
	}
	for (int i = 0; i < 64; i++)
		check(mine[i] == value + i, "a local of call %d", depth);
	return sum + mine[0];
}

/* Uses about n KiB of stack. */
static int use_stack(int n)
{
	volatile char page[1024];

	page[0] = page[1023] = (char)n;
	return n ? use_stack(n - 1) + (page[0] == (char)n) : 0;
}

int main(void)
{
	struct rlimit limit;

	check(sum_after(500, 1000) == 501 * 1000 + 500 * 501 / 2, "the sum over all calls");
	getrlimit(RLIMIT_STACK, &limit);
	if (limit.rlim_cur >= 8 << 20)
		check(use_stack(6000) == 6000, "growing the stack");
	return verdict();
}
