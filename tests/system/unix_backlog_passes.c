/*
 * A server that accepts a little late clients that have sent already, or have even gone: what they have sent nobody can
 * read before. The checkpoint is tried again until it can be made, and nobody hears of the attempts.
 */
#include "unix.h"
#include <pthread.h>

enum { LATE_MS = 400 };

static int listener, first, second;

static void *accept_late(void *arg)
{
	sleep_ms(LATE_MS);
	first = accepted(listener);
	second = accepted(listener);
	return arg;
}

int main(void)
{
	pthread_t server;
	char name[64];
	int client, left;

	own_name(name, sizeof(name), "@unix-late");
	listener = listening(SOCK_STREAM, name, 3);
	client = connected(SOCK_STREAM, name);
	put(client, "early");
	left = connected(SOCK_STREAM, name);
	put(left, "gone");
	close(left);
	if (pthread_create(&server, NULL, accept_late, NULL))
		die("pthread_create");

	ready();

	pthread_join(server, NULL);
	check_get(first, "early");
	check_get(second, "gone");
	put(first, "answer");
	check_get(client, "answer");
	return verdict();
}
