/*
 * POSIX message queues: name, size, owner, mode, messages with their priorities, in order.
 *
 * Nobody can look at the messages without taking them. So they are all received, and sent again before any
 * process runs (resume()). A process that is to be told of the next message (mq_notify(3)) has withdrawn by
 * then and asks again afterwards, which is libckpt's doing.
 *
 * Of the open files of one queue the one with the lowest id has the record; at restart it makes the queue,
 * and the others open it again.
 */
#include <ckpt/plugin.h>
#include <sys/resource.h>
#include <sys/statfs.h>

enum {
	MQUEUE_MAGIC_ = 0x19800202, /* in no header */
	STATUS_SIZE = 80,	    /* what stat(2) shows of every queue */
};

/* As mq_open(2) and mq_getsetattr(2) take it: struct mq_attr of libc. */
struct attributes {
	int64_t flags, maxmsg, msgsize, curmsgs;
	int64_t reserved[4];
};

/* Messages follow. */
struct queue_state {
	uint64_t maxmsg, msgsize;
	uint32_t uid, gid;
	uint32_t nmessages;
	uint32_t unlinked;
};

/* Its bytes follow, padded to 8. */
struct queue_message {
	uint32_t len, priority;
};

/* What was taken out of a queue in the pause. */
struct taken {
	int fd; /* the queue, opened once more */
	uint32_t n;
	uint64_t len; /* bytes of message[] */
	struct queue_message message[];
};

static uint64_t message_size(const struct queue_message *m)
{
	return sizeof(*m) + (m->len + 7ull) / 8 * 8;
}

static const struct queue_message *message_next(const struct queue_message *m)
{
	return (const struct queue_message *)((const uint8_t *)m + message_size(m));
}

static bool mqueue_match(const struct plugin_file *f)
{
	struct statfs fs;

	return S_ISREG(f->mode) && f->size == STATUS_SIZE && !(f->flags & O_PATH) &&
	       sys_call2(__NR_fstatfs, f->fd, &fs) == 0 && fs.f_type == MQUEUE_MAGIC_;
}

/* The open file of f's queue that has the record. */
static struct plugin_file *queue_keeper(struct plugin_file *f)
{
	struct plugin_file *first = f, *p;

	for (p = f->twin; p != f; p = p->twin)
		if (p->id < first->id)
			first = p;
	return first;
}

/* ---- Save -------------------------------------------------------------------------------- */

/* Somebody who asked past libc, or from outside of the job, would be told when messages are sent again. */
static bool is_to_tell(int fd)
{
	char text[128];
	const char *p = text;
	ssize_t n = sys_read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	while (*p && !parse_skip(&p, "NOTIFY_PID:"))
		p++;
	return parse_dec(&p) != 0;
}

/* Take all messages. NULL after a refusal; then none has been taken. */
static struct taken *messages_take(struct plugin_ctx *c, struct plugin_file *f,
				   const struct attributes *a)
{
	uint64_t most = a->curmsgs * (sizeof(struct queue_message) + (a->msgsize + 7) / 8 * 8);
	struct taken *t = plugin_alloc(c, sizeof(*t) + most + a->msgsize);
	struct queue_message *m;
	long n;

	if (!t)
		return NULL;
	t->fd = plugin_reopen(c, f, O_RDWR | O_NONBLOCK);
	if (t->fd < 0) {
		plugin_refuse(c, f, "its messages can't be read: %s", errno_name(t->fd));
		return NULL;
	}
	f->data = t;
	if (is_to_tell(t->fd)) {
		plugin_refuse(c, f, "a process that ckpt does not know is to be told of messages (mq_notify)");
		return NULL;
	}
	for (m = t->message; t->n < a->curmsgs; m = (struct queue_message *)message_next(m)) {
		n = sys_call5(__NR_mq_timedreceive, t->fd, m + 1, a->msgsize, &m->priority, NULL);
		if (n < 0)
			break;
		m->len = n;
		t->len += message_size(m);
		t->n++;
	}
	return t;
}

static void mqueue_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct attributes a = {0};
	struct queue_state q;
	struct taken *t;
	struct stat st;

	plugin_file_by_inode(c, f->dev, f->ino); /* fills the ring */
	if (queue_keeper(f) != f)
		return;
	if (sys_call3(__NR_mq_getsetattr, f->fd, NULL, &a) || sys_call2(__NR_fstat, f->fd, &st)) {
		plugin_refuse(c, f, "its attributes can't be read");
		return;
	}
	t = messages_take(c, f, &a);
	if (!t)
		return;
	q = (struct queue_state){a.maxmsg, a.msgsize, st.st_uid, st.st_gid, t->n, st.st_nlink == 0};
	plugin_put(c, f, &q, sizeof(q), t->message, t->len);
}

static void mqueue_resume(struct plugin_ctx *c, struct plugin_file *f)
{
	struct taken *t = f->data;
	const struct queue_message *m;
	uint32_t i;

	(void)c;
	if (!t)
		return;
	for (i = 0, m = t->message; i < t->n; i++, m = message_next(m))
		sys_call5(__NR_mq_timedsend, t->fd, m + 1, m->len, m->priority, NULL);
	sys_close(t->fd);
	f->data = NULL;
}

/* ---- Restart ----------------------------------------------------------------------------- */

/* The queue's name, which stands without a slash where the kernel takes it: last in the link. */
static void queue_name(const struct plugin_file *f, const struct queue_state *q, char *name, size_t n)
{
	const char *p, *from = f->link;
	size_t len, i;

	for (p = f->link; *p; p++)
		if (*p == '/')
			from = p + 1;
	len = str_len(from);
	if (q->unlinked && str_ends(from, " (deleted)"))
		len -= sizeof(" (deleted)") - 1;
	for (i = 0; i < len && i + 1 < n; i++)
		name[i] = from[i];
	name[i] = 0;
}

/* A name that is free, for a queue that has none any more. */
static void name_vary(char *name, size_t n, uint32_t id)
{
	size_t i = str_len(name) < n - 12 ? str_len(name) : n - 12;

	for (name[i++] = '.'; id; id /= 10)
		name[i++] = '0' + id % 10;
	name[i] = 0;
}

static int queue_make(struct plugin_ctx *c, struct plugin_file *f, const struct queue_state *q)
{
	struct attributes a = {.maxmsg = q->maxmsg, .msgsize = q->msgsize};
	struct rlimit l;
	char name[256];
	int fd;

	if (sys_call4(__NR_prlimit64, 0, RLIMIT_MSGQUEUE, NULL, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		sys_call4(__NR_prlimit64, 0, RLIMIT_MSGQUEUE, &l, NULL);
	}
	queue_name(f, q, name, sizeof(name));
	fd = sys_call4(__NR_mq_open, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &a);
	if (fd == -EEXIST && q->unlinked) {
		name_vary(name, sizeof(name), f->id);
		fd = sys_call4(__NR_mq_open, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &a);
	}
	if (fd == -EEXIST)
		return plugin_fail(c, f, 0, "a message queue of that name is here already");
	if (fd == -EMFILE)
		return plugin_fail(c, f, fd, "the message queue needs a higher limit (ulimit -q)");
	if (fd == -EINVAL)
		return plugin_fail(c, f, 0, "the message queue, %lu messages of %lu bytes, is beyond "
				   "fs.mqueue.msg_max or msgsize_max", (unsigned long)q->maxmsg,
				   (unsigned long)q->msgsize);
	if (fd < 0)
		return plugin_fail(c, f, fd, "the message queue can't be made");
	if (q->unlinked)
		sys_call1(__NR_mq_unlink, name);
	return fd;
}

static int mqueue_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct plugin_file *keeper = queue_keeper(f);
	struct queue_state q;
	size_t len;
	int queue = keeper->fd, fd;

	if (keeper == f) {
		if (!plugin_get(c, f, 0, &q, sizeof(q), &len))
			return plugin_fail(c, f, EBADMSG, "its record is missing");
		queue = queue_make(c, f, &q);
	}
	if (queue < 0)
		return queue;
	fd = plugin_open_again(queue, f->flags);
	if (keeper == f)
		sys_close(queue);
	return fd < 0 ? plugin_fail(c, f, fd, "can't be opened again") : fd;
}

/* Owner and mode come last: they may forbid to open it again. */
static int owner_restore(struct plugin_ctx *c, struct plugin_file *f, const struct queue_state *q)
{
	struct stat st;
	int err;

	if (sys_call2(__NR_fstat, f->fd, &st) == 0 && (st.st_uid != q->uid || st.st_gid != q->gid) &&
	    sys_call3(__NR_fchown, f->fd, q->uid, q->gid))
		plugin_caution(c, f, "its owner can't be set");
	err = sys_call2(__NR_fchmod, f->fd, f->mode & 07777);
	return err ? plugin_fail(c, f, err, "its mode can't be set") : 0;
}

static int mqueue_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	const struct queue_message *m;
	struct queue_state q;
	size_t len;
	uint32_t i;
	int fd, err = 0;

	m = plugin_get(c, f, 0, &q, sizeof(q), &len);
	if (!m)
		return 0;
	fd = plugin_open_again(f->fd, O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened for its messages");
	for (i = 0; !err && i < q.nmessages; i++) {
		if (len < sizeof(*m) || len < message_size(m))
			err = -EBADMSG;
		else
			err = sys_call5(__NR_mq_timedsend, fd, m + 1, m->len, m->priority, NULL);
		if (err)
			break;
		len -= message_size(m);
		m = message_next(m);
	}
	sys_close(fd);
	return err ? plugin_fail(c, f, err, "its messages can't be sent") : owner_restore(c, f, &q);
}

const struct plugin plugin_mqueue = {
	.name = "mqueue",
	.match = mqueue_match,
	.save = mqueue_save,
	.resume = mqueue_resume,
	.restore = mqueue_restore,
	.fill = mqueue_fill,
};
