/*
 * A main thread and another that wait inside of known functions, with known values in them. With an argument the
 * other's stack lies in an area that has lightweight guard pages below it, above it and at its end.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define DEEP __attribute__((noinline, noclone))

double heat[1000];
int *between_guards; /* 4711 */
static volatile int depth_now;

DEEP int innermost(int depth)
{
	volatile uint64_t cookie = 0x1122334455667788;

	depth_now = depth;
	if (depth == 0)
		puts("ready");
	fflush(stdout);
	while (depth_now >= 0)
		usleep(1000);
	return (int)cookie;
}

DEEP int recursive(int depth)
{
	volatile int below = depth == 3 ? innermost(0) : recursive(depth + 1);

	return below + 1;
}

DEEP void *other_thread(void *arg)
{
	innermost(7);
	return arg;
}

static void stack_between_guards(pthread_attr_t *attr)
{
	enum { PAGE = 4096, N = 256 };
	char *p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p + PAGE, PAGE, MADV_GUARD_INSTALL) ||
	    madvise(p + (N - 3) * PAGE, PAGE, MADV_GUARD_INSTALL) || madvise(p + (N - 1) * PAGE, PAGE, MADV_GUARD_INSTALL))
		return;
	between_guards = (int *)(p + (N - 2) * PAGE);
	*between_guards = 4711;
	pthread_attr_setstack(attr, p + 2 * PAGE, (N - 5) * PAGE);
	puts("guard pages");
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t t;

	(void)argv;
	pthread_attr_init(&attr);
	if (argc > 1)
		stack_between_guards(&attr);

	for (int i = 0; i < 1000; i++)
		heat[i] = i * 0.5;
	pthread_create(&t, &attr, other_thread, NULL);
	while (depth_now != 7)
		usleep(1000);
	return recursive(0);
}
