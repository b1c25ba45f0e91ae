/*
 * What wrappers/ipc.c notes. Tables of fixed size in libckpt's memory, changed by atomic steps: a freeze may
 * come between any two.
 */
#define _GNU_SOURCE
#include <sys/sem.h>
#include <time.h>
#include "ipc_notes.h"
#include "handler.h"
#include "frozen.h"

struct ipc_notes ipc_notes;
__thread struct ipc_semop *ipc_semop;

/* ---- which objects ---- */

static uint64_t known_key(uint32_t kind, int32_t id)
{
	return (uint64_t)kind << 32 | (uint32_t)id;
}

bool ipc_exists(uint32_t kind, int32_t id)
{
	uint64_t ds[32]; /* struct shmid_ds and so on */
	long r = kind == IPC_SHM   ? sys_call3(__NR_shmctl, id, IPC_STAT, ds)
		 : kind == IPC_SEM ? sys_call4(__NR_semctl, id, 0, IPC_STAT, ds)
				   : sys_call3(__NR_msgctl, id, IPC_STAT, ds);

	return r != -EINVAL && r != -EIDRM;
}

/* Others may have removed objects that we know. */
static void known_purge(void)
{
	for (uint32_t i = 0; i < IPC_KNOWN; i++) {
		uint64_t key = ipc_notes.known[i];

		if (key && !ipc_exists(key >> 32, (int32_t)key))
			__atomic_compare_exchange_n(&ipc_notes.known[i], &key, 0, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED);
	}
}

/* Entry i of a table is used: so far it is to be searched. */
static void used_up_to(uint32_t *n, uint32_t i)
{
	uint32_t was = __atomic_load_n(n, __ATOMIC_RELAXED);

	while (was <= i && !__atomic_compare_exchange_n(n, &was, i + 1, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Is key in *slot now? It is put there when the slot is free. */
static bool slot_take(uint64_t *slot, uint64_t key)
{
	uint64_t found = __atomic_load_n(slot, __ATOMIC_RELAXED);

	if (found == 0 && __atomic_compare_exchange_n(slot, &found, key, false, __ATOMIC_RELAXED,
						      __ATOMIC_RELAXED))
		return true;
	return found == key;
}

static bool known_add(uint64_t key)
{
	for (uint32_t i = 0; i < IPC_KNOWN; i++) {
		if (!slot_take(&ipc_notes.known[i], key))
			continue;
		used_up_to(&ipc_notes.nknown, i);
		return true;
	}
	return false;
}

void ipc_know(uint32_t kind, int32_t id)
{
	uint64_t key = known_key(kind, id);

	if (!preload.active || known_add(key))
		return;
	known_purge();
	if (!known_add(key))
		__atomic_store_n(&ipc_notes.overflow, true, __ATOMIC_RELAXED);
}

void ipc_forget(uint32_t kind, int32_t id)
{
	uint64_t key = known_key(kind, id);

	for (uint32_t i = 0; i < ipc_notes.nknown; i++)
		if (__atomic_load_n(&ipc_notes.known[i], __ATOMIC_RELAXED) == key)
			__atomic_store_n(&ipc_notes.known[i], 0, __ATOMIC_RELAXED);
}

/* ---- SEM_UNDO ---- */

/*
 * The table is that of this process: a child that was forked has no adjustments yet. False in a vfork
 * child, whose memory is its parent's.
 */
static bool undo_is_own(void)
{
	int32_t pid = sys_getpid(), owner = __atomic_load_n(&ipc_notes.undo_pid, __ATOMIC_ACQUIRE);
	int32_t known = __atomic_load_n(&preload.fork_page->pid, __ATOMIC_ACQUIRE);

	if (known && known != pid)
		return false;
	while (owner != pid) {
		if (owner == -1 || !__atomic_compare_exchange_n(&ipc_notes.undo_pid, &owner, -1, false,
								__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			owner = __atomic_load_n(&ipc_notes.undo_pid, __ATOMIC_ACQUIRE);
			continue;
		}
		__builtin_memset(ipc_notes.undo, 0, ipc_notes.nundo * sizeof(ipc_notes.undo[0]));
		__atomic_store_n(&ipc_notes.undo_pid, pid, __ATOMIC_RELEASE);
		owner = pid;
	}
	return true;
}

static uint64_t undo_key(int32_t id, uint32_t num)
{
	return 1ull << 63 | (uint64_t)(uint32_t)id << 16 | num;
}

static struct ipc_undo *undo_find(uint64_t key)
{
	for (uint32_t i = 0; i < IPC_UNDOS; i++) {
		if (!slot_take(&ipc_notes.undo[i].key, key))
			continue;
		used_up_to(&ipc_notes.nundo, i);
		return &ipc_notes.undo[i];
	}
	return NULL;
}

static void undo_add(int32_t id, const struct sembuf *op)
{
	struct ipc_undo *u = undo_find(undo_key(id, op->sem_num));

	if (!u) {
		__atomic_store_n(&ipc_notes.overflow, true, __ATOMIC_RELAXED);
		return;
	}
	if (__atomic_fetch_sub(&u->adj, op->sem_op, __ATOMIC_RELAXED) == 0)
		u->since = sys_clock_ns(CLOCK_REALTIME) / 1000000000;
}

void ipc_semop_end(void)
{
	struct ipc_semop *op = ipc_semop;

	if (op->result == 0 && undo_is_own())
		for (uint32_t i = 0; i < op->n; i++)
			if (op->ops[i].sem_flg & SEM_UNDO)
				undo_add(op->id, &op->ops[i]);
	op->result = IPC_NOTED;
}

/*
 * Not while another thread may stand in the middle of its own notes: then it is frozen inside a section,
 * and all thaw again.
 */
void ipc_settle(ucontext_t *uc)
{
	struct ipc_semop *op = ipc_semop;
	greg_t *reg = uc->uc_mcontext.gregs;
	uint64_t sp = reg[REG_RSP];

	if ((uint64_t)op < sp || (uint64_t)op - sp > 1024 || op->self != op || handler_is_disabled())
		return;
	if (op->result == IPC_IN_CALL && (const uint8_t *)reg[REG_RIP] == semop_undo_returned &&
	    reg[REG_RAX] == 0) {
		op->result = 0;
		reg[REG_RIP] = (greg_t)semop_undo_stored; /* else the thread would store it again, and note it again */
	}
	if (op->result == 0)
		ipc_semop_end();
}

static bool undo_is_of(const struct ipc_undo *u, int32_t id, int num)
{
	return u->key && (int32_t)(u->key >> 16) == id && (num < 0 || (u->key & 0xffff) == (uint64_t)num);
}

void ipc_undo_clear(int32_t id, int num)
{
	if (!preload.active || !undo_is_own())
		return;
	for (struct ipc_undo *u = ipc_notes.undo; u < ipc_notes.undo + ipc_notes.nundo; u++) {
		if (!undo_is_of(u, id, num))
			continue;
		__atomic_store_n(&u->adj, 0, __ATOMIC_RELAXED);
		if (num < 0)
			__atomic_store_n(&u->key, 0, __ATOMIC_RELAXED);
	}
}

/* ---- mq_notify ---- */

bool ipc_notify_note(int fd, const struct sigevent *how, struct sigevent *old)
{
	struct ipc_notify *unused = NULL, *n;

	for (n = ipc_notes.notify; n < ipc_notes.notify + IPC_NOTIFIES; n++) {
		if (n->used && n->fd == fd)
			break;
		if (!n->used && !unused)
			unused = n;
	}
	if (n < ipc_notes.notify + IPC_NOTIFIES) {
		*old = n->how;
		if (how)
			n->how = *how;
		else
			__atomic_store_n(&n->used, false, __ATOMIC_RELEASE);
		return true;
	}
	if (how && unused) {
		unused->fd = fd;
		unused->how = *how;
		used_up_to(&ipc_notes.nnotify, unused - ipc_notes.notify);
		__atomic_store_n(&unused->used, true, __ATOMIC_RELEASE);
	}
	return false;
}
