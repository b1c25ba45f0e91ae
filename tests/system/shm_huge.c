/*
 * A SysV segment of huge pages.
 *
 * test: refused huge pages (SHM_HUGETLB)
 */
#include "harness.h"
#include <sys/shm.h>

int main(void)
{
	int id = shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | 0600);
	char *p;

	if (id < 0)
		skip("no huge pages (vm.nr_hugepages): %s", strerror(errno));
	p = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	if (p == (void *)-1)
		die("shmat");
	p[5] = 5;
	ready();
	check(p[5] == 5, "the byte is %d", p[5]);
	return verdict();
}
