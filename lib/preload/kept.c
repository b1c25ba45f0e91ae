/*
 * What only the restored process can do: locks that are its own, threads that own a descriptor's signals,
 * and items of epoll sets that must be added by it. Kept in static memory, which is in the image as it is at the
 * checkpoint; done when the process is there and no descriptor but the program's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include "descriptors.h"
#include "frozen.h"

enum { LOCKS_MAX = 256, OWNERS_MAX = 64, ITEMS_MAX = 256 };

static struct {
	struct kept_lock {
		int fd;
		struct flock lock;
	} locks[LOCKS_MAX];
	uint32_t nlocks;
	struct kept_owner {
		int fd;
		int type, id; /* struct f_owner_ex */
	} owners[OWNERS_MAX];
	uint32_t nowners;
	struct kept_item {
		int epoll, fd;
		struct epoll_event event;
	} items[ITEMS_MAX];
	uint32_t nitems;
} kept;

void kept_clear(void)
{
	kept.nlocks = kept.nowners = kept.nitems = 0;
}

/* A thread as owner is not there before the process is. */
void kept_owner(struct plugin_ctx *c, struct plugin_file *f)
{
	if (!f->owner || f->owner_type != F_OWNER_TID)
		return;
	if (kept.nowners == OWNERS_MAX)
		plugin_refuse(c, f, "more than %d descriptors have a thread as owner", OWNERS_MAX);
	else
		kept.owners[kept.nowners++] = (struct kept_owner){f->fd, f->owner_type, f->owner};
	f->owner = 0;
}

void plugin_keep_lock(struct plugin_ctx *c, const struct plugin_file *f, const struct flock *lock)
{
	if (kept.nlocks == LOCKS_MAX)
		plugin_refuse(c, f, "the process has more than %d locks", LOCKS_MAX);
	else
		kept.locks[kept.nlocks++] = (struct kept_lock){f->fd, *lock};
}

void plugin_keep_item(struct plugin_ctx *c, const struct plugin_file *f, int number, uint32_t events,
		      uint64_t data)
{
	struct kept_item k = {f->fd, number, {.events = events, .data.u64 = data}};

	if (kept.nitems == ITEMS_MAX)
		plugin_refuse(c, f, "the process has more than %d signalfds in epoll sets", ITEMS_MAX);
	else
		kept.items[kept.nitems++] = k;
}

/* ---- In the restored process ------------------------------------------------------------- */

static void tell(int log_fd, int fd, const char *what, int err)
{
	char line[128];
	struct text t = TEXT(line);

	line[0] = 0;
	text_put(&t, "ckpt_restart: fd %d: %s: %s\n", fd, what, errno_name(err));
	if (log_fd >= 0)
		io_write(log_fd, line, t.len);
}

void descriptors_restore_locks(int log_fd)
{
	for (uint32_t i = 0; i < kept.nlocks; i++) {
		int err = sys_fcntl(kept.locks[i].fd, F_SETLK, (long)&kept.locks[i].lock);

		if (err)
			tell(log_fd, kept.locks[i].fd, "the lock that it had can't be taken again",
			     err);
	}
}

void descriptors_restore_items(int log_fd)
{
	for (uint32_t i = 0; i < kept.nitems; i++) {
		struct kept_item *k = &kept.items[i];
		int err = sys_call4(__NR_epoll_ctl, k->epoll, EPOLL_CTL_DEL, k->fd, NULL);

		if (!err)
			err = sys_call4(__NR_epoll_ctl, k->epoll, EPOLL_CTL_ADD, k->fd, &k->event);
		if (err)
			tell(log_fd, k->epoll, "its signalfd can't be added again", err);
	}
}

void descriptors_restore_owners(int log_fd)
{
	for (uint32_t i = 0; i < kept.nowners; i++) {
		int err = sys_fcntl(kept.owners[i].fd, F_SETOWN_EX, (long)&kept.owners[i].type);

		if (err)
			tell(log_fd, kept.owners[i].fd, "the thread that owned it can't again",
			     err);
	}
}
