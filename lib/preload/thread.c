/*
 * State of one thread that its signal frame does not hold. The frame has all registers, the signal
 * mask and the alternate stack, and rt_sigreturn(2) puts those back by itself; what is left is asked
 * of the kernel by each thread for itself, and given back by each for itself after a restart.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <linux/rseq.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include "preload.h"
#include "ipc.h"
#include "frozen.h"

enum { IOPRIO_THREAD = 1 /* IOPRIO_WHO_PROCESS of linux/ioprio.h */ };
enum { RSEQ_SIGNATURE = 0x53053053 /* RSEQ_SIG of x86 in glibc */ };

/* ---- queued signals ---- */

static bool queued_reserve(struct queued_signals *q)
{
	void *p;

	if (q->sig)
		return true;
	q->map_len = ALIGN_UP(QUEUED_MAX * sizeof(*q->sig), CKPT_PAGE);
	p = sys_mmap(NULL, q->map_len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_is_err(p))
		return false;
	q->sig = p;
	return true;
}

void signals_take(struct queued_signals *q, uint64_t set)
{
	const struct timespec now = {0, 0};
	siginfo_t info;

	set &= ~preload.owned;
	if (!set || !queued_reserve(q))
		return;
	while (sys_call4(__NR_rt_sigtimedwait, &set, &info, &now, 8) > 0) {
		struct queued_signal *s;

		if (q->n == QUEUED_MAX) {
			q->lost++;
			continue;
		}
		s = &q->sig[q->n++];
		s->sig = info.si_signo;
		__builtin_memcpy(s->info, &info, sizeof(s->info));
	}
}

void signals_queue(const struct queued_signals *q, int tid)
{
	int pid = sys_getpid();

	for (uint32_t i = 0; i < q->n; i++) {
		struct queued_signal *s = &q->sig[i];

		if (tid)
			sys_call4(__NR_rt_tgsigqueueinfo, pid, tid, s->sig, s->info);
		else
			sys_call3(__NR_rt_sigqueueinfo, pid, s->sig, s->info);
	}
}

void signals_free(struct queued_signals *q)
{
	if (q->sig)
		sys_munmap(q->sig, q->map_len);
	q->sig = NULL;
	q->n = 0;
}

/* Signals pending for this thread alone; sigpending(2) mixes them with those of the process. */
static uint64_t private_pending(void)
{
	char buf[2048];
	const char *p;
	uint64_t any = 0;

	sys_call2(__NR_rt_sigpending, &any, 8);
	if ((any & ~preload.owned) == 0)
		return 0;
	if (io_read_file("/proc/thread-self/status", buf, sizeof(buf)) < 0)
		return 0;
	p = proc_field(buf, "SigPnd:");
	return p ? parse_hex(&p) & ~preload.owned : 0;
}

/*
 * Take this thread's own queued signals and queue them again at once. Taken one by one: a signal of
 * the same number may be pending for the process too, and is not ours.
 */
static void private_signals_save(struct queued_signals *q, int tid)
{
	const struct timespec now = {0, 0};
	uint64_t set;

	while ((set = private_pending()) != 0 && queued_reserve(q) && q->n < QUEUED_MAX) {
		struct queued_signal *s = &q->sig[q->n];
		siginfo_t info;

		if (sys_call4(__NR_rt_sigtimedwait, &set, &info, &now, 8) <= 0)
			break;
		s->sig = info.si_signo;
		__builtin_memcpy(s->info, &info, sizeof(s->info));
		q->n++;
	}
	signals_queue(q, tid);
}

/* ---- capabilities ---- */

enum { CAP_LAST = 40 }; /* CAP_CHECKPOINT_RESTORE; a later one is never asked about */

struct cap_words {
	struct __user_cap_data_struct w[2];
};

static void caps_save(struct parked *p)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct cap_words c = {0};

	sys_call2(__NR_capget, &h, &c);
	p->caps[0] = c.w[0].effective | (uint64_t)c.w[1].effective << 32;
	p->caps[1] = c.w[0].permitted | (uint64_t)c.w[1].permitted << 32;
	p->caps[2] = c.w[0].inheritable | (uint64_t)c.w[1].inheritable << 32;
	p->caps[3] = p->cap_bounding = 0;
	for (int i = 0; i <= CAP_LAST; i++)
		if (sys_prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			p->cap_bounding |= 1ull << i;
	for (int i = 0; p->caps[2] && i <= CAP_LAST; i++)
		if (sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
			p->caps[3] |= 1ull << i;
}

void thread_restore_caps(const struct parked *p, bool drop)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct cap_words c = {0};

	if (!drop) {
		for (int i = 0; i < 2; i++) {
			c.w[i].effective = p->caps[0] >> 32 * i;
			c.w[i].permitted = p->caps[1] >> 32 * i;
			c.w[i].inheritable = p->caps[2] >> 32 * i;
		}
	}
	for (int i = 0; i <= CAP_LAST; i++)
		if (!(p->cap_bounding >> i & 1))
			sys_prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (p->securebits)
		sys_prctl(PR_SET_SECUREBITS, p->securebits, 0, 0, 0);
	sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	sys_call2(__NR_capset, &h, &c);
	for (int i = 0; !drop && i <= CAP_LAST; i++)
		if (p->caps[3] >> i & 1)
			sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
}

/* ---- the rest ---- */

static struct rseq *rseq_area(const struct parked *p)
{
	return (struct rseq *)(p->fs_base + preload.rseq_offset);
}

/*
 * rseq can't be asked for, but registering again what is registered is refused as busy. The area alone
 * does not tell: a new thread may find that of an ended one in its memory. A thread made by a raw
 * clone(2) on the thread pointer of another has its word for the kernel elsewhere, and no area.
 */
static bool rseq_is_registered(const struct parked *p)
{
	struct rseq *area = rseq_area(p);

	if (!preload.rseq_len || !p->fs_base || p->tid_address - p->fs_base >= CKPT_PAGE)
		return false;
	if ((int32_t)area->cpu_id < 0)
		return false;
	if (sys_call4(__NR_rseq, area, preload.rseq_len, 0, RSEQ_SIGNATURE) == -EBUSY)
		return true;
	sys_call4(__NR_rseq, area, preload.rseq_len, RSEQ_FLAG_UNREGISTER, RSEQ_SIGNATURE);
	return false;
}

/* As numactl(8) and ionice(1) set them. Of nodes the first 64. Apart, for the stack of a thread may have little room. */
static void __attribute__((noinline)) policies_save(struct parked *p)
{
	uint64_t nodes[16] = {0}; /* 1024 is the most that a kernel has */
	int mode;

	p->ioprio = sys_call2(__NR_ioprio_get, IOPRIO_THREAD, 0);
	if (sys_call5(__NR_get_mempolicy, &mode, nodes, 8 * sizeof(nodes), 0, 0))
		mode = MPOL_DEFAULT;
	p->memory_policy = mode;
	p->memory_nodes = nodes[0];
}

/* Behind nice(2), which decides where nobody has set another. Another machine may not have the same nodes. */
static void policies_restore(const struct parked *p)
{
	if (p->ioprio >= 0 && p->ioprio != sys_call2(__NR_ioprio_get, IOPRIO_THREAD, 0))
		sys_call3(__NR_ioprio_set, IOPRIO_THREAD, 0, p->ioprio);
	if (p->memory_policy != MPOL_DEFAULT)
		sys_call3(__NR_set_mempolicy, p->memory_policy, &p->memory_nodes, 8 * sizeof(p->memory_nodes) + 1);
}

void thread_save(struct parked *p, ucontext_t *uc)
{
	long r;

	ipc_settle(uc);
	p->uc = uc;
	p->tid = sys_gettid();
	sys_call2(__NR_arch_prctl, ARCH_GET_FS, &p->fs_base);
	sys_call2(__NR_arch_prctl, ARCH_GET_GS, &p->gs_base);
	sys_call3(__NR_get_robust_list, 0, &p->robust_list, &p->robust_len);
	sys_prctl(PR_GET_TID_ADDRESS, (unsigned long)&p->tid_address, 0, 0, 0);
	sys_prctl(PR_GET_NAME, (unsigned long)p->comm, 0, 0, 0);
	p->timerslack = sys_prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	p->securebits = sys_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	p->no_new_privs = sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	p->mce_kill = sys_prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	p->nice = 20 - (int)sys_call2(__NR_getpriority, PRIO_PROCESS, 0);
	sys_call4(__NR_sched_getattr, 0, &p->sched, sizeof(p->sched), 0);
	r = sys_call3(__NR_sched_getaffinity, 0, sizeof(p->affinity), p->affinity);
	p->affinity_len = r > 0 ? r : 0;
	policies_save(p);
	p->rseq_registered = rseq_is_registered(p);
	caps_save(p);
	private_signals_save(&p->queued, p->tid);
}

static void rseq_restore(struct parked *p)
{
	struct rseq *area = rseq_area(p);

	if (!p->rseq_registered)
		return;
	area->cpu_id_start = 0;
	area->cpu_id = (uint32_t)RSEQ_CPU_ID_UNINITIALIZED;
	area->rseq_cs = 0;
	sys_call4(__NR_rseq, area, preload.rseq_len, 0, RSEQ_SIGNATURE);
}

void thread_restore(struct parked *p)
{
	rseq_restore(p);
	sys_call2(__NR_set_robust_list, p->robust_list, p->robust_len);
	sys_call1(__NR_set_tid_address, p->tid_address);
	sys_call2(__NR_arch_prctl, ARCH_SET_GS, p->gs_base);
	sys_prctl(PR_SET_NAME, (unsigned long)p->comm, 0, 0, 0);
	sys_prctl(PR_SET_TIMERSLACK, p->timerslack, 0, 0, 0);
	if (p->affinity_len)
		sys_call3(__NR_sched_setaffinity, 0, p->affinity_len, p->affinity);
	sys_call3(__NR_sched_setattr, 0, &p->sched, 0);
	sys_call3(__NR_setpriority, PRIO_PROCESS, 0, p->nice);
	policies_restore(p);
	if (p->mce_kill != PR_MCE_KILL_DEFAULT)
		sys_prctl(PR_MCE_KILL, PR_MCE_KILL_SET, p->mce_kill, 0, 0);
	if (p->no_new_privs)
		sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	thread_restore_caps(p, restart_control.drop_caps);
	signals_queue(&p->queued, p->tid);
}
