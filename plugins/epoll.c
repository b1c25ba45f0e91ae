/*
 * epoll_create(2): its items, from fdinfo, with events and data.
 *
 * An item belongs to an open file and to the number it was added under; the number may since have
 * been closed or reused, or be one of another process that has the epoll instance, too. kcmp(2)
 * tells which open file it is, and at restart that file appears under the number while it is added.
 *
 * An EPOLLONESHOT item that has fired stays silent until it is armed again. epoll_ctl(2) can't add
 * it silent, so it is added for all events and its event is taken at once; where nothing is ready
 * yet it stays armed for EPOLLERR and EPOLLHUP, which can't be left out.
 */
#include <ckpt/plugin.h>
#include <sys/epoll.h>

enum {
	/* What the kernel keeps of an item that has fired: none of the events to wait for. */
	EVENTS_PRIVATE = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE,
	EVENTS_ALL = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP,
};

struct epoll_item {
	uint32_t target; /* id of the open file */
	int32_t number;
	uint32_t events;
	uint32_t reserved;
	uint64_t data;
};

static bool epoll_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[eventpoll]");
}

/* The open file of an item; the nr-th (from 0) that was added under the number. */
static struct plugin_file *item_target(struct plugin_ctx *c, const struct plugin_file *ep,
				       int number, int nr)
{
	struct plugin_file *f = plugin_file_by_number(c, number);
	uint32_t id = 0;

	if (f && plugin_is_epoll_target(c, ep, number, nr, f))
		return f;
	for (f = plugin_file_next(c, NULL); f; f = plugin_file_next(c, f))
		if (plugin_is_epoll_target(c, ep, number, nr, f))
			return f;
	while ((f = plugin_file_next_of_job(c, &id)))
		if (f->fd < 0 && plugin_is_epoll_target(c, ep, number, nr, f))
			return f;
	return NULL;
}

/* Parse a line of fdinfo; false when it is none of an item. */
static bool item_parse(const char *line, struct epoll_item *item)
{
	const char *number = text_in_line(line, "tfd:");
	const char *events = text_in_line(line, "events:");
	const char *data = text_in_line(line, "data:");

	if (!number || !events || !data)
		return false;
	*item = (struct epoll_item){0};
	item->number = parse_dec(&number);
	item->events = parse_hex(&events);
	item->data = parse_hex(&data);
	return true;
}

/* How often a number was met: a table with room for all, searched from the number's place on. */
struct ranks {
	uint32_t mask;
	struct rank {
		uint32_t number_plus_1; /* 0: free */
		int32_t count;
	} * table;
};

static bool ranks_init(struct plugin_ctx *c, struct ranks *r, const char *info)
{
	struct epoll_item item;
	uint32_t n = 0, size = 16;

	for (; *info; info = text_next_line(info))
		n += item_parse(info, &item);
	while (size < 2 * n)
		size *= 2;
	r->mask = size - 1;
	r->table = plugin_alloc(c, size * sizeof(*r->table));
	return r->table;
}

/* How many items under this number came before. */
static int ranks_next(struct ranks *r, uint32_t number)
{
	uint32_t i = number & r->mask;

	while (r->table[i].number_plus_1 && r->table[i].number_plus_1 != number + 1)
		i = (i + 1) & r->mask;
	r->table[i].number_plus_1 = number + 1;
	return r->table[i].count++;
}

/* A signalfd in the set is ready when signals wait for the process that added it, whoever looks. */
static bool waits_for_adder(const struct plugin_file *target)
{
	return str_eq(target->link, "anon_inode:[signalfd]");
}

static bool item_save(struct plugin_ctx *c, struct plugin_file *f, struct epoll_item *item,
		      int rank)
{
	struct plugin_file *target = item_target(c, f, item->number, rank);

	if (!target) {
		plugin_refuse(c, f, "it watches fd %d, which is closed here but still open outside",
			      item->number);
		return false;
	}
	item->target = target->id;
	if (waits_for_adder(target) && plugin_file_by_number(c, item->number) == target)
		plugin_keep_item(c, f, item->number, item->events, item->data);
	plugin_keep_free(c, item->number);
	plugin_put(c, f, item, sizeof(*item), NULL, 0);
	return true;
}

static void epoll_save(struct plugin_ctx *c, struct plugin_file *f)
{
	const char *line = plugin_fdinfo(c, f);
	struct epoll_item item;
	struct ranks ranks;
	bool ok = line && ranks_init(c, &ranks, line);

	for (; ok && *line; line = text_next_line(line))
		if (item_parse(line, &item))
			ok = item_save(c, f, &item, ranks_next(&ranks, item.number));
}

static int epoll_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_call1(__NR_epoll_create1, O_CLOEXEC);

	return fd < 0 ? plugin_fail(c, f, fd, "epoll_create1") : fd;
}

static bool item_fired(const struct epoll_item *item)
{
	return item->events & EPOLLONESHOT && !(item->events & ~EVENTS_PRIVATE);
}

static int item_add(struct plugin_ctx *c, struct plugin_file *f, const struct epoll_item *item)
{
	const struct plugin_file *target = plugin_file_by_id(c, item->target);
	struct epoll_event ev = {.events = item->events, .data.u64 = item->data};
	int err;

	if (!target)
		return plugin_fail(c, f, 0, "the file of its item fd %d is missing", item->number);
	if (item_fired(item))
		ev.events |= EVENTS_ALL;
	err = plugin_place(c, target, item->number);
	if (!err)
		err = sys_call4(__NR_epoll_ctl, f->fd, EPOLL_CTL_ADD, item->number, &ev);
	if (err == -EPERM && target->plugin->is_std) {
		plugin_caution(c, f, "fd %d is a file now, for which there are no events",
			       item->number);
		return 0;
	}
	return err ? plugin_fail(c, f, err, "adding fd %d", item->number) : 0;
}

/* Take the event of the one item that is armed, or leave it waiting for nothing but errors. */
static int item_silence(struct plugin_ctx *c, struct plugin_file *f, const struct epoll_item *item)
{
	struct epoll_event ev;
	int n = sys_call4(__NR_epoll_wait, f->fd, &ev, 1, 0);

	if (n == 0) {
		ev = (struct epoll_event){.events = item->events, .data.u64 = item->data};
		n = sys_call4(__NR_epoll_ctl, f->fd, EPOLL_CTL_MOD, item->number, &ev);
	}
	return n < 0 ? plugin_fail(c, f, n, "silencing fd %d", item->number) : 0;
}

/* Add the items that have fired, or the others. */
static int items_add(struct plugin_ctx *c, struct plugin_file *f, bool fired)
{
	struct epoll_item item;
	unsigned int i;
	size_t n;
	int err = 0;

	for (i = 0; !err && plugin_get(c, f, i, &item, sizeof(item), &n); i++) {
		if (item_fired(&item) != fired)
			continue;
		err = item_add(c, f, &item);
		if (!err && fired)
			err = item_silence(c, f, &item);
	}
	return err;
}

static int epoll_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	int err = items_add(c, f, true);

	return err ? err : items_add(c, f, false);
}

const struct plugin plugin_epoll = {
	.name = "epoll",
	.match = epoll_match,
	.save = epoll_save,
	.restore = epoll_restore,
	.attach = epoll_attach,
};
