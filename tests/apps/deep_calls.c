/* A main thread and another that wait inside of known functions, with known values in them. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define DEEP __attribute__((noinline, noclone))

double heat[1000];
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

int main(void)
{
	pthread_t t;

	for (int i = 0; i < 1000; i++)
		heat[i] = i * 0.5;
	pthread_create(&t, NULL, other_thread, NULL);
	while (depth_now != 7)
		usleep(1000);
	return recursive(0);
}
