/* PR_SET_DUMPABLE 0: the checkpoint works all the same, and the process is as undumpable afterwards. */
#include "harness.h"
#include <pthread.h>
#include <sys/prctl.h>

static volatile bool stop;

static void *thread(void *arg)
{
	while (!stop)
		sleep_ms(1);
	return arg;
}

int main(void)
{
	char *data = malloc(1 << 20);
	pthread_t t;

	memset(data, 5, 1 << 20);
	prctl(PR_SET_DUMPABLE, 0);
	pthread_create(&t, NULL, thread, NULL);
	ready();
	check(prctl(PR_GET_DUMPABLE) == 0, "dumpable is %d", prctl(PR_GET_DUMPABLE));
	check(data[1000] == 5 && data[(1 << 20) - 1] == 5, "the data");
	stop = true;
	check(pthread_join(t, NULL) == 0, "the thread");
	return verdict();
}
