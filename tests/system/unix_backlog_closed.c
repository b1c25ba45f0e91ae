/*
 * A client has gone before it was accepted: nobody can tell what it has sent.
 *
 * test: refused is closed already, and may have bytes waiting; try again
 */
#include "unix.h"

int main(void)
{
	char name[64];
	int l, client;

	own_name(name, sizeof(name), "@unix-gone");
	l = listening(SOCK_STREAM, name, 3);
	client = connected(SOCK_STREAM, name);
	put(client, "early");
	close(client);

	ready();

	check_get(accepted(l), "early");
	return verdict();
}
