/*
 * test: checkpoints 20
 *
 * Checkpoints and restarts leave nothing behind in the program: the same descriptors, threads, timers,
 * children and areas of memory as before.
 */
#include "harness.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>

static pthread_barrier_t go_on;

static void *thread(void *arg)
{
	pthread_barrier_wait(&go_on);
	return arg;
}

/* The numbers in a directory of /proc in order, joined; the descriptor of the directory itself left out. */
static void list(const char *path, char *out, size_t cap)
{
	struct dirent **names;
	size_t len = 0;
	int n = scandir(path, &names, NULL, versionsort);

	*out = 0;
	for (int i = 0; i < n; i++) {
		char entry[300];

		snprintf(entry, sizeof(entry), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && access(entry, F_OK) == 0)
			len += (size_t)snprintf(out + len, cap - len, "%s ", names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static int areas(void)
{
	static char buf[1 << 18];
	int fd = open("/proc/self/maps", O_RDONLY), lines = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	close(fd);
	return lines;
}

int main(void)
{
	static char fds[2][4096], tasks[2][4096], timers[2][4096];
	pthread_t t[3];
	int before, after;
	char *text;

	pthread_barrier_init(&go_on, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	fcntl(STDIN_FILENO, F_DUPFD, 37);
	for (int i = 0; i < 2; i++) {
		list("/proc/self/fd", fds[i], sizeof(fds[i]));
		list("/proc/self/task", tasks[i], sizeof(tasks[i]));
		text = read_whole("/proc/self/timers", NULL);
		snprintf(timers[i], sizeof(timers[i]), "%s", text ? text : "");
		free(text);
		if (i == 0) {
			before = areas();
			ready();
			after = areas();
		}
	}
	check(!strcmp(fds[0], fds[1]), "descriptors are %s, were %s", fds[1], fds[0]);
	check(!strcmp(tasks[0], tasks[1]), "threads are %s, were %s", tasks[1], tasks[0]);
	check(!strcmp(timers[0], timers[1]), "timers are %s, were %s", timers[1], timers[0]);
	/* neighbours that differ in nothing may have become one */
	check(after <= before, "%d areas of memory, were %d", after, before);
	check(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD, "there is a child");
	pthread_barrier_wait(&go_on);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	return verdict();
}
