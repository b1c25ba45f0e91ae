/*
 * A ring of processes, each with a pipe to the next; a number goes round, and each adds what it has counted
 * itself. Prints the number as it comes by.
 *
 *	crowd PROCESSES ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pass on what comes, until its end. */
static int member(int in, int out, unsigned long me)
{
	unsigned long number, count = 0;

	while (read(in, &number, sizeof(number)) == sizeof(number)) {
		number = number * 31 + me * ++count;
		if (write(out, &number, sizeof(number)) != sizeof(number))
			return 1;
	}
	return 0;
}

/* Make the ring; one end of it to write to, the other to read from. Unused ends are closed. */
static int ring(int nprocesses, int *to, int *from)
{
	int pipefd[2];

	if (pipe(pipefd) < 0)
		return -1;
	*to = pipefd[1];
	*from = pipefd[0];
	for (int i = 0; i < nprocesses; i++) {
		pid_t pid;

		if (pipe(pipefd) < 0)
			return -1;
		pid = fork();
		if (pid < 0)
			return -1;
		if (pid == 0) {
			close(*to);
			close(pipefd[0]);
			_exit(member(*from, pipefd[1], (unsigned long)i + 1));
		}
		close(*from);
		close(pipefd[1]);
		*from = pipefd[0];
	}
	return 0;
}

int main(int argc, char **argv)
{
	int to, from, status, bad = 0;
	unsigned long number = 1;

	if (argc != 3 || ring(atoi(argv[1]), &to, &from) < 0)
		return 2;
	for (int round = 0; round < atoi(argv[2]); round++) {
		if (write(to, &number, sizeof(number)) != sizeof(number) ||
		    read(from, &number, sizeof(number)) != sizeof(number))
			return 1;
		printf("%d %lx\n", round, number);
		fflush(stdout);
	}
	close(to);
	while (wait(&status) > 0)
		bad |= status;
	printf("all ended: %d\n", bad);
	return 0;
}
