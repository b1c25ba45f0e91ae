#define _GNU_SOURCE
#include "shared_memory.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include "image.h"

/* Sections that one process may add to the image, and those of the job. */
enum { SECTIONS_EACH = 4, SECTIONS_MORE = 16 };

static void head_fill(struct shared_head *h, uint32_t n, uint64_t sections, size_t len)
{
	h->magic = SHARED_MAGIC;
	while (!h->nonce && getrandom(&h->nonce, sizeof(h->nonce), 0) >= 0)
		;
	h->nprocesses = n;
	h->head_len = len;
	h->sections_max = SECTIONS_EACH * n + SECTIONS_MORE;
	h->sections_offset = sections;
	h->top = len;
}

int shared_memory_make(struct shared_memory *s, uint32_t n)
{
	uint64_t sections = ALIGN_UP(sizeof(struct shared_head) + n * sizeof(struct shared_process), CKPT_PAGE);
	size_t len = ALIGN_UP(sections + (SECTIONS_EACH * n + SECTIONS_MORE) * sizeof(struct image_section),
			      CKPT_PAGE);
	int fd = memfd_create("ckpt", MFD_CLOEXEC), err;
	void *p;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, SHARED_SIZE) < 0)
		goto out;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		goto out;
	head_fill(p, n, sections, len);
	*s = (struct shared_memory){p, fd};
	return 0;
out:
	err = -errno;
	close(fd);
	return err;
}

void shared_memory_abort(struct shared_memory *s, int err)
{
	if (s->head)
		shared_call_off(s->head, err ? err : -ECANCELED);
}

void shared_memory_free(struct shared_memory *s)
{
	if (!s->head)
		return;
	munmap(s->head, s->head->head_len);
	close(s->fd);
	*s = (struct shared_memory){NULL, -1};
}
