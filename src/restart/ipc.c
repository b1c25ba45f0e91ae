#define _GNU_SOURCE
#include "ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
#include "die.h"

/* A SysV object that has been made. */
struct made {
	struct rec_ipc rec;
	void *at; /* a segment is attached here until the processes have attached it */
};

static struct made *made;
static uint32_t nmade;
static pid_t maker;

static const struct {
	const char *name;
	const char *next_id; /* where the kernel is told the id of the next one */
} kinds[] = {
	[IPC_SHM] = {"SysV shared memory", "/proc/sys/kernel/shm_next_id"},
	[IPC_SEM] = {"SysV semaphores", "/proc/sys/kernel/sem_next_id"},
	[IPC_MSG] = {"SysV message queue", "/proc/sys/kernel/msg_next_id"},
};

/* ---- what the image says ---- */

/* Are the bytes behind the record what its kind has? */
static bool is_sound(const struct rec_ipc *o, const uint8_t *more, size_t len)
{
	struct ipc_message m;

	if (o->kind < IPC_SHM || o->kind > IPC_MSG || o->id < 0 || o->size == 0)
		return false;
	if (o->kind == IPC_SEM)
		return o->size <= 0xffff && len == o->size * sizeof(uint16_t);
	for (uint32_t i = 0; o->kind == IPC_MSG && i < o->nmessages; i++) {
		if (len < sizeof(m))
			return false;
		memcpy(&m, more, sizeof(m));
		if (m.type < 1 || m.len > len - sizeof(m))
			return false;
		len -= sizeof(m) + ALIGN_UP((size_t)m.len, 8);
		more += sizeof(m) + ALIGN_UP((size_t)m.len, 8);
	}
	return true;
}

/* The bytes that follow the record; rec_extra() is for strings. */
static const uint8_t *record_read(const struct rec *rec, struct rec_ipc *o, size_t *len)
{
	rec_get(rec, o, sizeof(*o));
	*len = rec->size > sizeof(*o) ? rec->size - sizeof(*o) : 0;
	return (const uint8_t *)(rec + 1) + sizeof(*o);
}

/* Call fn for every object of the image. */
static void each_object(const struct restart *r,
			void (*fn)(const struct restart *r, const struct saved *p, const struct rec_ipc *o,
				   const uint8_t *more, size_t len))
{
	for (uint32_t i = 0; i < r->nprocesses; i++) {
		const struct saved *p = &r->processes[i];
		struct rec_iter it = rec_iter(p->records, p->nrecords);
		const struct rec *rec;
		struct rec_ipc o;
		size_t len;

		while ((rec = rec_next_type(&it, REC_IPC))) {
			const uint8_t *more = record_read(rec, &o, &len);

			fn(r, p, &o, more, len);
		}
	}
}

static void object_check(const struct restart *r, const struct saved *p, const struct rec_ipc *o,
			 const uint8_t *more, size_t len)
{
	(void)p;
	if (!is_sound(o, more, len))
		die("%s: damaged: records of SysV objects", r->path);
	nmade++;
}

static bool has_mqueue(const struct restart *r)
{
	for (uint32_t i = 0; i < r->nprocesses; i++) {
		struct rec_iter it = rec_iter(r->processes[i].records, r->processes[i].nrecords);
		const struct rec *rec;
		struct rec_file f;

		while ((rec = rec_next_type(&it, REC_FILE))) {
			rec_get(rec, &f, sizeof(f));
			if (!strncmp(f.plugin, "mqueue", sizeof(f.plugin)))
				return true;
		}
	}
	return false;
}

bool ipc_check(const struct restart *r)
{
	nmade = 0;
	each_object(r, object_check);
	return nmade || has_mqueue(r);
}

/* ---- the namespace ---- */

static const char *const limits[] = {
	"kernel/shmmax", "kernel/shmall",     "kernel/shmmni",	       "kernel/msgmax",
	"kernel/msgmnb", "kernel/msgmni",     "kernel/sem",	       "fs/mqueue/msg_max",
	"fs/mqueue/msgsize_max", "fs/mqueue/queues_max",
};

/* Set one limit, given as "kernel/msgmax=8192", unless it is that. False: it can't be. */
static bool limit_set(const char *line)
{
	char path[64], now[256];
	size_t n = strcspn(line, "=");
	bool known = false;
	int fd, r;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		known |= strlen(limits[i]) == n && !memcmp(limits[i], line, n);
	if (!known || line[n] != '=')
		return true;
	snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)n, line);
	if (io_read_file(path, now, sizeof(now)) > 0 && !strcmp(now, line + n + 1))
		return true;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	r = io_write(fd, line + n + 1, strlen(line + n + 1));
	close(fd);
	return r == 0;
}

/* False: not all of them could be set. */
static bool limits_set(const struct restart *r)
{
	bool all = true;

	for (uint32_t i = 0; i < r->nprocesses; i++) {
		struct rec_iter it = rec_iter(r->processes[i].records, r->processes[i].nrecords);
		const struct rec *rec;
		size_t len;

		while ((rec = rec_next_type(&it, REC_SYSCTL)))
			all &= limit_set(rec_extra(rec, 0, &len));
	}
	return all;
}

static bool file_fill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && io_write(fd, text, strlen(text)) == 0;

	if (fd >= 0)
		close(fd);
	return done;
}

/* In a child: a namespace whose owner is root in its user namespace, and so may set limits. */
static void __attribute__((noreturn)) namespace_offer(const struct restart *r, int ready, int go)
{
	char uids[64], gids[64], byte = 0;

	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) < 0 || !file_fill("/proc/self/setgroups", "deny") ||
	    !file_fill("/proc/self/uid_map", uids) || !file_fill("/proc/self/gid_map", gids))
		_exit(1);
	limits_set(r);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

/*
 * Limits of a new namespace are the kernel's defaults, and only one who is root in the user namespace that
 * owns it may change them; in ours there is no root. So a child makes both, and we enter. Where that is
 * refused the limits stay, and an object that is beyond them is named when it is made.
 */
static void namespace_borrow(const struct restart *r)
{
	int ready[2], go[2], ns;
	char path[64], byte;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		die("cannot make a pipe:");
	child = fork();
	if (child < 0)
		die("cannot fork:");
	if (child == 0) {
		close(ready[0]);
		close(go[1]);
		namespace_offer(r, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", child);
	if (read(ready[0], &byte, 1) == 1 && (ns = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
		setns(ns, CLONE_NEWIPC);
		close(ns);
	}
	close(ready[0]);
	close(go[1]);
	waitpid(child, NULL, 0);
}

void ipc_namespace_make(const struct restart *r)
{
	if (unshare(CLONE_NEWIPC) < 0)
		die("cannot make an IPC namespace:");
	if (!limits_set(r) && r->in_userns)
		namespace_borrow(r);
	/* Queues can be had without their directory; a program may list it. */
	mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* ---- objects ---- */

static void __attribute__((noreturn)) refused(const struct rec_ipc *o, const char *what)
{
	if (errno == EEXIST)
		die("%s %d: its key 0x%x is taken here", kinds[o->kind].name, o->id, o->key);
	die("%s %d: %s: %s%s", kinds[o->kind].name, o->id, what, strerror(errno),
	    errno == EINVAL || errno == ENOSPC ? " (a limit of the kernel, see proc(5)?)" : "");
}

static void next_id_set(const struct rec_ipc *o)
{
	char id[16];

	snprintf(id, sizeof(id), "%d", o->id);
	if (!file_fill(kinds[o->kind].next_id, id))
		die("cannot choose the id of %s %d: writing %s: %s", kinds[o->kind].name, o->id,
		    kinds[o->kind].next_id, strerror(errno));
}

static int object_get(const struct rec_ipc *o)
{
	int flags = IPC_CREAT | IPC_EXCL | 0600;

	if (o->kind == IPC_SHM)
		return shmget(o->key, o->size, flags);
	if (o->kind == IPC_SEM)
		return semget(o->key, o->size, flags);
	return msgget(o->key, flags);
}

static void object_remove(uint32_t kind, int id)
{
	if (kind == IPC_SHM)
		shmctl(id, IPC_RMID, NULL);
	else if (kind == IPC_SEM)
		semctl(id, 0, IPC_RMID);
	else
		msgctl(id, IPC_RMID, NULL);
}

static int perm_set(const struct rec_ipc *o, uint32_t uid, uint32_t gid)
{
	struct ipc_perm p = {.uid = uid, .gid = gid, .mode = o->mode & 0777};
	struct shmid_ds shm = {.shm_perm = p};
	struct semid_ds sem = {.sem_perm = p};
	struct msqid_ds msg = {.msg_perm = p, .msg_qbytes = o->size};

	return o->kind == IPC_SHM   ? shmctl(o->id, IPC_SET, &shm)
	       : o->kind == IPC_SEM ? semctl(o->id, 0, IPC_SET, &sem)
				    : msgctl(o->id, IPC_SET, &msg);
}

/*
 * Owner and mode, at last: they may forbid what was to be done before. An ordinary user's namespaces know no other
 * user or group: what was theirs is ours then.
 */
static void owner_set(const struct restart *r, const struct rec_ipc *o)
{
	bool others = r->in_userns && (o->uid != geteuid() || o->gid != getegid());

	if (others)
		fprintf(stderr, "ckpt_restart: %s %d: belonged to user %u, group %u; it is your own now\n",
			kinds[o->kind].name, o->id, o->uid, o->gid);
	if (perm_set(o, others ? geteuid() : o->uid, others ? getegid() : o->gid) < 0)
		refused(o, "its owner, mode or size can't be set");
}

/*
 * Copy the extents of the object into the segment. They are those of whole pages, and where one chunk ends and the next
 * begins may be anywhere in them: behind the segment's size, too.
 */
static void segment_load(const struct restart *r, const struct saved *p, const struct rec_ipc *o, uint8_t *to)
{
	size_t n = image_dctx_size();
	void *dctx = malloc(n);
	uint8_t *stored = malloc(2 * IMAGE_STORED_MAX), *raw = stored + IMAGE_STORED_MAX;
	uint64_t size = ALIGN_UP(o->size, CKPT_PAGE);

	if (!dctx || !stored)
		die("out of memory");
	for (size_t i = 0; i < p->nextents; i++) {
		const struct image_extent *e = &p->extents[i];
		const struct image_chunk *c = &r->image.chunks[e->chunk];

		if (e->stream != STREAM_OBJECT + o->object)
			continue;
		if (e->start > size || e->len > size - e->start)
			die("%s: damaged: contents outside of SysV shared memory %d", r->path, o->id);
		if (image_load_chunk(r->image_fd, &r->image.key, c, image_dctx(dctx, n), stored, raw) < 0)
			die("%s: damaged: contents of SysV shared memory %d", r->path, o->id);
		memcpy(to + e->start, raw + e->chunk_offset, e->len);
	}
	free(dctx);
	free(stored);
}

static void segment_fill(const struct restart *r, const struct saved *p, struct made *m)
{
	m->at = shmat(m->rec.id, NULL, 0);
	if (m->at == (void *)-1)
		refused(&m->rec, "can't be attached");
	segment_load(r, p, &m->rec, m->at);
	if (m->rec.mode & SHM_LOCKED && shmctl(m->rec.id, SHM_LOCK, NULL) < 0)
		fprintf(stderr, "ckpt_restart: SysV shared memory %d: can't be locked (SHM_LOCK): %s\n",
			m->rec.id, strerror(errno));
}

static void set_fill(const struct rec_ipc *o, const uint8_t *values)
{
	if (semctl(o->id, 0, SETALL, values) < 0)
		refused(o, "its values can't be set");
}

static void queue_fill(const struct rec_ipc *o, const uint8_t *p)
{
	for (uint32_t i = 0; i < o->nmessages; i++) {
		struct ipc_message m;

		memcpy(&m, p, sizeof(m));
		if (msgsnd(o->id, p + offsetof(struct ipc_message, type), m.len, IPC_NOWAIT) < 0)
			refused(o, "its messages can't be sent");
		p += sizeof(m) + ALIGN_UP((size_t)m.len, 8);
	}
}

static void object_make(const struct restart *r, const struct saved *p, const struct rec_ipc *o,
			const uint8_t *more, size_t len)
{
	struct made *m = &made[nmade];
	int id;

	(void)len;
	next_id_set(o);
	id = object_get(o);
	if (id < 0)
		refused(o, "can't be made");
	if (id != o->id) {
		object_remove(o->kind, id);
		die("%s %d: its id is taken here", kinds[o->kind].name, o->id);
	}
	*m = (struct made){.rec = *o};
	nmade++;
	if (o->kind == IPC_MSG)
		owner_set(r, o); /* the size: its messages may need it */
	if (o->kind == IPC_SHM)
		segment_fill(r, p, m);
	else if (o->kind == IPC_SEM)
		set_fill(o, more);
	else
		queue_fill(o, more);
	if (o->kind != IPC_MSG)
		owner_set(r, o);
	if (o->kind == IPC_SHM && o->mode & SHM_DEST)
		shmctl(o->id, IPC_RMID, NULL);
}

static void remove_all(void)
{
	while (getpid() == maker && nmade > 0) {
		nmade--;
		object_remove(made[nmade].rec.kind, made[nmade].rec.id);
	}
}

void ipc_make(const struct restart *r)
{
	made = calloc(nmade ? nmade : 1, sizeof(*made));
	if (!made)
		die("out of memory");
	nmade = 0;
	maker = getpid();
	if (r->opt.no_capsule)
		atexit(remove_all);
	each_object(r, object_make);
}

void ipc_release(void)
{
	for (uint32_t i = 0; i < nmade; i++)
		if (made[i].at)
			shmdt(made[i].at);
	nmade = 0;
}
