/*
 * What a client has sent before it was accepted can be read by nobody: the checkpoint says so.
 *
 * test: refused a connection that is not yet accepted has bytes waiting; try again
 */
#include "unix.h"

int main(void)
{
	char name[64];
	int l, client;

	own_name(name, sizeof(name), "@unix-early");
	l = listening(SOCK_STREAM, name, 3);
	client = connected(SOCK_STREAM, name);
	put(client, "early");

	ready();

	check_get(accepted(l), "early");
	return verdict();
}
