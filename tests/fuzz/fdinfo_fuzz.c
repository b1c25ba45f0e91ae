/*
 * The save half of each plugin that reads fdinfo, on any text: what the kernel would have to say to make it
 * write where it should not. The first byte says which plugin.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include "../../plugins/lock.h"

extern const struct plugin plugin_epoll, plugin_eventfd, plugin_inotify, plugin_pidfd, plugin_signalfd, plugin_timerfd;

enum { ALLOCATIONS = 16 };

struct plugin_ctx {
	const char *info;
	struct plugin_file *target; /* whatever number an epoll set watches */
	void *allocated[ALLOCATIONS];
	int nallocated;
	uint64_t sum;
};

const char *plugin_fdinfo(struct plugin_ctx *c, const struct plugin_file *f)
{
	(void)f;
	return c->info;
}

void *plugin_alloc(struct plugin_ctx *c, size_t n)
{
	if (c->nallocated == ALLOCATIONS)
		return NULL;
	return c->allocated[c->nallocated++] = calloc(1, n);
}

/* All that is to be kept is read. */
void plugin_put(struct plugin_ctx *c, const struct plugin_file *f, const void *p, size_t n, const void *more, size_t nmore)
{
	(void)f;
	for (size_t i = 0; i < n; i++)
		c->sum += ((const uint8_t *)p)[i];
	for (size_t i = 0; i < nmore; i++)
		c->sum += ((const uint8_t *)more)[i];
}

void plugin_refuse(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...)
{
	(void)f;
	c->sum += *fmt;
}

struct plugin_file *plugin_file_by_number(struct plugin_ctx *c, int number)
{
	return number & 1 ? c->target : NULL;
}

struct plugin_file *plugin_file_next(struct plugin_ctx *c, struct plugin_file *f)
{
	return f ? NULL : c->target;
}

struct plugin_file *plugin_file_next_of_job(struct plugin_ctx *c, uint32_t *id)
{
	(void)c;
	(void)id;
	return NULL;
}

bool plugin_is_epoll_target(struct plugin_ctx *c, const struct plugin_file *ep, int tfd, int nr,
			    const struct plugin_file *f)
{
	(void)c;
	(void)ep;
	return f->number == tfd || nr > 3;
}

const char *plugin_watch_path(struct plugin_ctx *c, int wd, uint64_t ino)
{
	(void)c;
	return (wd ^ ino) & 1 ? "/watched" : NULL;
}

void plugin_keep_lock(struct plugin_ctx *c, const struct plugin_file *f, const struct flock *fl)
{
	(void)f;
	c->sum += fl->l_start;
}

void plugin_keep_item(struct plugin_ctx *c, const struct plugin_file *f, int number, uint32_t events, uint64_t data)
{
	(void)f;
	c->sum += number + events + data;
}

void plugin_keep_free(struct plugin_ctx *c, int number)
{
	c->sum += number;
}

bool process_comes_back(struct plugin_ctx *c, int pid)
{
	(void)c;
	return pid & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct plugin *const plugins[] = {&plugin_epoll,	 &plugin_eventfd,  &plugin_inotify,
						       &plugin_pidfd,	 &plugin_signalfd, &plugin_timerfd};
	static int timer = -1;
	struct plugin_file target = {.fd = 5, .number = 5, .id = 2, .link = "anon_inode:[signalfd]"};
	struct plugin_ctx c = {.target = &target};
	struct plugin_file f = {.number = 3, .id = 1, .flags = O_RDWR, .link = "anon_inode:"};
	char *text;
	size_t which;

	if (n == 0)
		return -1;
	if (timer < 0)
		timer = timerfd_create(CLOCK_MONOTONIC, 0);
	which = data[0] % (sizeof(plugins) / sizeof(plugins[0]) + 1);
	text = malloc(n);
	memcpy(text, data + 1, n - 1);
	text[n - 1] = 0;
	f.fd = which == 5 ? timer : -1; /* nothing to be read from, or waited for */
	c.info = text;
	if (which < sizeof(plugins) / sizeof(plugins[0]))
		plugins[which]->save(&c, &f);
	else
		locks_save(&c, &f);
	for (int i = 0; i < c.nallocated; i++)
		free(c.allocated[i]);
	free(text);
	__asm__ volatile("" : : "r"(c.sum));
	return 0;
}
