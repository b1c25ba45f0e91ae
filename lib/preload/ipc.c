/*
 * SysV shared memory, semaphores and message queues at a checkpoint, and what of them and of POSIX message
 * queues (plugins/mqueue.c) belongs to a process: SEM_UNDO and mq_notify(3).
 *
 * Which objects: those attached (maps), those noted by wrappers (ipc_notes.c), and those whose creator or
 * last user, by /proc/sysvipc, is a process of the job: it was used when that ran already, since what others
 * have left bears ids that come again. Each is saved by the first of those that know it to come.
 * ckpt_restart makes them again in an IPC namespace of the capsule, with their ids.
 *
 * Reading leaves them as they are, but for who last attached a segment: messages are copied with MSG_COPY,
 * segments read through an attachment of our own, for that of the program may be a part of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include "image.h"
#include "ipc_notes.h"
#include "frozen.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

/* An object that this process knows. */
struct seen {
	uint32_t kind;
	int32_t id;
	uint32_t attached; /* areas, first of this process, then of the job */
	uint32_t object;   /* id of its struct shared_object */
};

static const char *const kind_names[] = {
	[IPC_SHM] = "SysV shared memory",
	[IPC_SEM] = "SysV semaphores",
	[IPC_MSG] = "SysV message queue",
};

/* ---- which objects ---- */

static struct seen *seen_find(struct blob *list, uint32_t kind, int32_t id)
{
	struct seen *s = (struct seen *)list->data;

	for (size_t i = 0; i < list->len / sizeof(*s); i++)
		if (s[i].kind == kind && s[i].id == id)
			return &s[i];
	return NULL;
}

static void seen_add(struct blob *list, uint32_t kind, int32_t id, uint32_t attached)
{
	struct seen *found = seen_find(list, kind, id), new = {kind, id, attached, 0};

	if (found)
		found->attached += attached;
	else
		blob_put(list, &new, sizeof(new));
}

/* The file system of segments, and of memfds; one of huge pages is on another. 0: unknown. */
static uint64_t segments_dev(void)
{
	int fd = sys_call2(__NR_memfd_create, "dev", MFD_CLOEXEC);
	struct stat st = {0};

	if (fd < 0)
		return 0;
	sys_call2(__NR_fstat, fd, &st);
	sys_close(fd);
	return st.st_dev;
}

static void add_attached(struct save *s, const struct memory *m)
{
	const char *p = m->maps, *end = p + m->maps_len, *what;
	struct map_line line;
	uint64_t dev = 0;

	while (maps_next(&p, end, &line) > 0) {
		if (area_kind(&line, &what) != AREA_SYSV)
			continue;
		if (!dev)
			dev = segments_dev();
		if (dev && line.dev != dev)
			save_refuse(s, "SysV shared memory %lu: of huge pages (SHM_HUGETLB), can't be restored",
				    (unsigned long)line.ino);
		else
			seen_add(&s->ipc, IPC_SHM, line.ino, 1);
	}
}

static void add_noted(struct blob *list)
{
	for (uint32_t i = 0; i < ipc_notes.nknown; i++) {
		uint64_t key = ipc_notes.known[i];

		if (key && ipc_exists(key >> 32, (int32_t)key))
			seen_add(list, key >> 32, (int32_t)key, 0);
	}
}

static bool pid_is_of_job(const struct shared_head *h, int32_t pid)
{
	for (uint32_t i = 0; pid && i < h->nprocesses; i++)
		if (h->process[i].pid == pid)
			return true;
	return false;
}

/* Did the process pid run at that second of the epoch? Clocks that were set meanwhile have some seconds' grace. */
static bool ran_at(int32_t pid, int64_t when)
{
	enum { START_TIME = 22, HZ = 100, GRACE = 2 };
	int64_t boot = (sys_clock_ns(CLOCK_REALTIME) - sys_clock_ns(CLOCK_BOOTTIME)) / 1000000000;
	char path[64], stat[1024];
	struct text t = TEXT(path);

	text_put(&t, "/proc/%d/stat", pid);
	if (io_read_file(path, stat, sizeof(stat)) <= 0)
		return true;
	return when + GRACE >= boot + (int64_t)stat_field(stat, START_TIME) / HZ;
}

static bool is_used_by(const struct shared_head *h, int32_t pid, int64_t when)
{
	return pid_is_of_job(h, pid) && ran_at(pid, when);
}

static int64_t column(const char **p)
{
	bool minus;
	int64_t n;

	while (**p == ' ')
		++*p;
	minus = parse_skip(p, "-");
	n = parse_dec(p);
	return minus ? -n : n;
}

/* Has a process of the job used the set last? The kernel tells it of each semaphore. */
static bool set_is_used(const struct shared_head *h, int32_t id, int64_t n, int64_t when)
{
	for (int64_t i = 0; i < n; i++) {
		long pid = sys_call4(__NR_semctl, id, i, GETPID, 0);

		if (pid < 0)
			return false;
		if (is_used_by(h, pid, when))
			return true;
	}
	return false;
}

/*
 * A line of /proc/sysvipc has numbers only:
 *	shm: key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
 *	sem: key semid perms nsems uid gid cuid cgid otime ctime
 *	msg: key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime
 */
static bool line_is_used(const struct shared_head *h, uint32_t kind, const int64_t *n)
{
	if (kind == IPC_SHM)
		return is_used_by(h, n[4], n[13]) || is_used_by(h, n[5], n[11] > n[12] ? n[11] : n[12]);
	if (kind == IPC_SEM)
		return set_is_used(h, n[1], n[3], n[8] > n[9] ? n[8] : n[9]);
	return is_used_by(h, n[5], n[11]) || is_used_by(h, n[6], n[12]);
}

static void add_line(struct save *s, uint32_t kind, const char *p)
{
	int64_t n[14];

	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		n[i] = column(&p);
	if (ipc_notes.own_namespace || line_is_used(s->shared->head, kind, n))
		seen_add(&s->ipc, kind, n[1], 0);
}

static void add_listed(struct save *s, uint32_t kind, const char *path)
{
	enum { TEXT_MAX = 1 << 20 };
	char *text = arena_alloc(&s->arena, TEXT_MAX);
	const char *p = text;

	if (!text || io_read_file(path, text, TEXT_MAX) < 0)
		return; /* no such objects in this kernel */
	while (*p && *p++ != '\n') /* the names of the columns */
		;
	while (*p) {
		add_line(s, kind, p);
		while (*p && *p++ != '\n')
			;
	}
}

/* ---- saving ---- */

static void refuse(struct save *s, uint32_t kind, int32_t id, long err, const char *what)
{
	save_refuse(s, "%s %d: %s%s%s", kind_names[kind], id, what, err ? ": " : "",
		    err ? errno_name(err) : "");
}

static struct rec_ipc record(uint32_t kind, int32_t id, const struct ipc_perm *p)
{
	return (struct rec_ipc){
		.kind = kind,
		.id = id,
		.key = p->__key,
		.mode = p->mode,
		.uid = p->uid,
		.gid = p->gid,
		.cuid = p->cuid,
		.cgid = p->cgid,
	};
}

static void put(struct save *s, const struct rec_ipc *r, const void *more, size_t n)
{
	rec_put(&s->rec, REC_IPC, REC_REQUIRED, r, sizeof(*r), more, n);
}

/* Copy the segment, attached at `at`, as an object. */
static void segment_copy(struct save *s, const struct rec_ipc *r, uint64_t at)
{
	struct map_line area = {.start = at, .end = at + ALIGN_UP(r->size, CKPT_PAGE), .prot = PROT_READ};
	struct rec_object o = {.id = r->object, .kind = OBJECT_SYSV, .dev = OBJECT_SYSV_DEV, .ino = r->id,
			       .size = r->size, .mode = r->mode & 0777};

	rec_put(&s->rec, REC_OBJECT, REC_REQUIRED, &o, sizeof(o), "", 1);
	memory_copy_shared(s, &area, r->object);
}

static void save_segment(struct save *s, const struct seen *o)
{
	struct shmid_ds ds;
	struct rec_ipc r;
	long err = sys_call3(__NR_shmctl, o->id, IPC_STAT, &ds);
	long at = err < 0 ? err : sys_call3(__NR_shmat, o->id, NULL, SHM_RDONLY);

	if (sys_is_err((void *)at)) {
		refuse(s, IPC_SHM, o->id, at, "can't be read");
		return;
	}
	if (ds.shm_nattch > o->attached)
		refuse(s, IPC_SHM, o->id, 0, "is attached by a process outside the job, too");
	r = record(IPC_SHM, o->id, &ds.shm_perm);
	r.size = ds.shm_segsz;
	r.cpid = ds.shm_cpid;
	r.object = o->object;
	segment_copy(s, &r, at);
	sys_call1(__NR_shmdt, at);
	put(s, &r, NULL, 0);
}

static void save_set(struct save *s, const struct seen *o)
{
	struct semid_ds ds;
	uint16_t *values = NULL;
	struct rec_ipc r;
	long err = sys_call4(__NR_semctl, o->id, 0, IPC_STAT, &ds);

	if (err >= 0) {
		values = arena_alloc(&s->arena, ds.sem_nsems * sizeof(*values));
		err = values ? sys_call4(__NR_semctl, o->id, 0, GETALL, values) : -ENOMEM;
	}
	if (err < 0) {
		refuse(s, IPC_SEM, o->id, err, "can't be read");
		return;
	}
	r = record(IPC_SEM, o->id, &ds.sem_perm);
	r.size = ds.sem_nsems;
	put(s, &r, values, r.size * sizeof(*values));
}

/* What msgrcv(2) fills in. */
struct message {
	int64_t type;
	uint8_t bytes[];
};

/* Copies of all messages in *to; their number, or -errno. */
static long messages_copy(int32_t id, size_t max, struct message *m, struct blob *to)
{
	static const uint8_t zeros[8];
	long n;

	for (long i = 0;; i++) {
		struct ipc_message head = {0};

		n = sys_call5(__NR_msgrcv, id, m, max, i, MSG_COPY | IPC_NOWAIT);
		if (n < 0)
			return n == -ENOMSG ? i : n;
		head.type = m->type;
		head.len = n;
		blob_put(to, &head, sizeof(head));
		blob_put(to, m->bytes, n);
		blob_put(to, zeros, ALIGN_UP((size_t)n, 8) - n);
		if (to->err)
			return to->err;
	}
}

static void save_queue(struct save *s, const struct seen *o)
{
	struct msqid_ds ds;
	struct message *m = NULL;
	struct blob messages = {0};
	struct rec_ipc r;
	long n = sys_call3(__NR_msgctl, o->id, IPC_STAT, &ds);

	if (n >= 0) {
		m = arena_alloc(&s->arena, sizeof(*m) + ds.__msg_cbytes);
		n = m ? messages_copy(o->id, ds.__msg_cbytes, m, &messages) : -ENOMEM;
	}
	if (n == -ENOSYS)
		refuse(s, IPC_MSG, o->id, 0, "this kernel can't show its messages (CONFIG_CHECKPOINT_RESTORE)");
	else if (n < 0)
		refuse(s, IPC_MSG, o->id, n, "can't be read");
	if (n >= 0) {
		r = record(IPC_MSG, o->id, &ds.msg_perm);
		r.size = ds.msg_qbytes;
		r.nmessages = n;
		put(s, &r, messages.data, messages.len);
	}
	blob_free(&messages);
}

/* A SETVAL or SETALL by another process has ended adjustments that are still noted here. */
static void undo_check(void)
{
	for (struct ipc_undo *u = ipc_notes.undo; u < ipc_notes.undo + ipc_notes.nundo; u++) {
		struct semid_ds ds;

		if (!u->key || !u->adj || ipc_notes.undo_pid != sys_getpid())
			continue;
		if (sys_call4(__NR_semctl, (int32_t)(u->key >> 16), 0, IPC_STAT, &ds) < 0 ||
		    ds.sem_ctime > u->since)
			u->adj = 0;
	}
}

void ipc_save(struct save *s)
{
	static void (*const save_one[])(struct save *s, const struct seen *o) = {
		[IPC_SHM] = save_segment,
		[IPC_SEM] = save_set,
		[IPC_MSG] = save_queue,
	};
	struct seen *o = (struct seen *)s->ipc.data;

	for (size_t i = 0; i < s->ipc.len / sizeof(*o); i++) {
		struct shared_object *shared = object_get(s->shared, o[i].object);

		if (!shared || !object_record(shared))
			continue;
		o[i].attached = shared->attached;
		save_one[o[i].kind](s, &o[i]);
	}
	blob_free(&s->ipc);
}

/* ---- mq_notify ---- */

static bool is_mqueue(int fd)
{
	struct statfs fs;

	return sys_call2(__NR_fstatfs, fd, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
}

/* Text of the queue's state, as reading it gives; its descriptor may be for writing only. */
static bool state_read(int fd, char *text, size_t n)
{
	char path[64];
	struct text t = TEXT(path);
	ssize_t r;

	text_put(&t, "/proc/thread-self/fd/%d", fd);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	r = io_read(fd, text, n - 1);
	sys_close(fd);
	text[r < 0 ? 0 : r] = 0;
	return r > 0;
}

/* Is this process the one that the queue is to tell? */
static bool is_told(int fd)
{
	char text[128];
	const char *p = text;

	if (!is_mqueue(fd) || !state_read(fd, text, sizeof(text)))
		return false;
	while (*p && !parse_skip(&p, "NOTIFY_PID:"))
		p++;
	return (int32_t)parse_dec(&p) == sys_getpid();
}

static void notify_pause(struct save *s)
{
	for (struct ipc_notify *n = ipc_notes.notify; n < ipc_notes.notify + ipc_notes.nnotify; n++) {
		if (!n->used || !is_told(n->fd))
			continue;
		if (n->how.sigev_notify == SIGEV_THREAD) {
			save_refuse(s, "fd %d: a message queue that is to start a thread (mq_notify, SIGEV_THREAD) "
				    "can't be restored", n->fd);
			continue;
		}
		n->paused = sys_call2(__NR_mq_notify, n->fd, NULL) == 0;
	}
}

static int notify_resume(void)
{
	int r = 0;

	for (struct ipc_notify *n = ipc_notes.notify; n < ipc_notes.notify + ipc_notes.nnotify; n++) {
		if (!n->paused)
			continue;
		n->paused = false;
		r = sys_call2(__NR_mq_notify, n->fd, &n->how);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- a checkpoint ---- */

/* Let the job know what this process knows. */
static void list_publish(struct save *s)
{
	struct seen *o = (struct seen *)s->ipc.data;

	for (size_t i = 0; i < s->ipc.len / sizeof(*o); i++) {
		uint64_t dev = OBJECT_SYSV_DEV - (o[i].kind - IPC_SHM);
		struct shared_object *shared;

		o[i].object = object_find(s->shared, dev, o[i].id, true, 0);
		shared = object_get(s->shared, o[i].object);
		if (shared)
			__atomic_add_fetch(&shared->attached, o[i].attached, __ATOMIC_RELAXED);
		else
			s->err = -ENOMEM;
	}
}

void ipc_list(const struct memory *m, struct save *s)
{
	notify_pause(s);
	undo_check();
	if (ipc_notes.overflow)
		save_refuse(s, "more SysV objects, or semaphores with SEM_UNDO, than ckpt can keep in mind");
	add_attached(s, m);
	add_noted(&s->ipc);
	if (s->shared->index == 0 || ipc_notes.own_namespace) {
		add_listed(s, IPC_SHM, "/proc/sysvipc/shm");
		add_listed(s, IPC_SEM, "/proc/sysvipc/sem");
		add_listed(s, IPC_MSG, "/proc/sysvipc/msg");
	}
	if (s->ipc.err)
		s->err = s->ipc.err;
	list_publish(s);
}

static bool limits_matter(struct save *s)
{
	struct rec_iter it = rec_iter(s->rec.data, s->rec.len);
	const struct rec *r;
	struct rec_file f;

	while ((r = rec_next(&it))) {
		if (r->type == REC_IPC)
			return true;
		if (r->type != REC_FILE)
			continue;
		rec_get(r, &f, sizeof(f));
		if (str_eq(f.plugin, "mqueue"))
			return true;
	}
	return false;
}

void ipc_save_limits(struct save *s)
{
	static const char *const names[] = {
		"kernel/shmmax",      "kernel/shmall",	      "kernel/shmmni",	   "kernel/msgmax",
		"kernel/msgmnb",      "kernel/msgmni",	      "kernel/sem",	   "fs/mqueue/msg_max",
		"fs/mqueue/msgsize_max", "fs/mqueue/queues_max",
	};

	if (!limits_matter(s))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64], line[256];
		struct text p = TEXT(path), t = TEXT(line);

		text_put(&p, "/proc/sys/%s", names[i]);
		text_put(&t, "%s=", names[i]);
		if (io_read_file(path, line + t.len, sizeof(line) - t.len) > 0)
			rec_put(&s->rec, REC_SYSCTL, 0, NULL, 0, line, str_len(line) + 1);
	}
}

void ipc_resume(void)
{
	notify_resume();
}

void ipc_detach(const struct memory *m)
{
	const char *p = m->maps, *end = p + m->maps_len, *what;
	struct map_line line;

	while (maps_next(&p, end, &line) > 0)
		if (area_kind(&line, &what) == AREA_SYSV)
			sys_munmap((void *)line.start, line.end - line.start);
}

/* ---- in the restored process ---- */

/*
 * Let the kernel note the adjustment again, without any effect on the value: up and down in one step, of
 * which one is to be undone.
 */
static int undo_restore(const struct ipc_undo *u)
{
	int16_t n = u->adj < 0 ? -u->adj : u->adj;
	struct sembuf ops[2] = {
		{.sem_num = u->key & 0xffff, .sem_op = n, .sem_flg = IPC_NOWAIT},
		{.sem_num = u->key & 0xffff, .sem_op = -n, .sem_flg = IPC_NOWAIT},
	};
	struct sembuf swapped[2];
	int r;

	ops[u->adj < 0 ? 0 : 1].sem_flg |= SEM_UNDO;
	r = sys_call3(__NR_semop, (int32_t)(u->key >> 16), ops, 2);
	if (r != -ERANGE)
		return r;
	swapped[0] = ops[1]; /* the value is near its largest */
	swapped[1] = ops[0];
	return sys_call3(__NR_semop, (int32_t)(u->key >> 16), swapped, 2);
}

static void __attribute__((noreturn)) end(int log_fd, const char *what, int err)
{
	char line[160];
	struct text t = TEXT(line);

	text_put(&t, "ckpt_restart: cannot %s again: %s\n", what, errno_name(err));
	if (log_fd >= 0)
		io_write(log_fd, line, t.len);
	restart_fail();
}

void ipc_restore(int log_fd)
{
	int r;

	ipc_notes.own_namespace = restart_control.own_ipc;
	for (struct ipc_undo *u = ipc_notes.undo; u < ipc_notes.undo + ipc_notes.nundo; u++) {
		if (!u->key || !u->adj || ipc_notes.undo_pid != sys_getpid())
			continue;
		r = undo_restore(u);
		u->since = sys_clock_ns(CLOCK_REALTIME) / 1000000000; /* the set is younger than the notes */
		if (r < 0)
			end(log_fd, "have semaphores undone at the end of the process (SEM_UNDO)", r);
	}
	r = notify_resume();
	if (r < 0)
		end(log_fd, "be told of messages in a queue (mq_notify)", r);
}
