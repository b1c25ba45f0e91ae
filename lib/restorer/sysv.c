/*
 * SysV shared memory. What one shmat(2) attached may be several areas now, of different protection and
 * with gaps: they come from one shmat(2) again, for shmdt(2) ends them all.
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include "core.h"
#include "sysv.h"

static uint64_t attached_at(const struct plan_vma *v)
{
	return v->start - v->offset;
}

/* Are both parts of what one shmat(2) attached? */
static bool attached_together(const struct plan_vma *a, const struct plan_vma *b)
{
	return b->flags & VMA_SYSV && a->shmid == b->shmid && attached_at(a) == attached_at(b);
}

static bool attached_before(const struct plan_vma *vmas, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (attached_together(&vmas[i], &vmas[j]))
			return true;
	return false;
}

static long part_protect(const struct plan_vma *v)
{
	uint32_t got = v->flags & VMA_READONLY ? PROT_READ : PROT_READ | PROT_WRITE;

	return v->prot == got ? 0 : sys_mprotect((void *)v->start, v->end - v->start, v->prot);
}

/* Unmap [start, end), which may be empty. */
static void gap_make(uint64_t start, uint64_t end)
{
	if (start < end)
		sys_munmap((void *)start, end - start);
}

/* Attach the segment of vmas[0] and make of it all areas of vmas[0..n) that belong to it. */
static long segment_attach(const struct plan_vma *vmas, uint32_t n)
{
	const struct plan_vma *v = vmas;
	uint64_t base = attached_at(v), at = base, end;
	struct shmid_ds ds;
	long r = sys_call3(__NR_shmctl, v->shmid, IPC_STAT, &ds);

	if (r == 0)
		r = sys_call3(__NR_shmat, v->shmid, base, v->flags & VMA_READONLY ? SHM_RDONLY : 0);
	if (r < 0)
		return r;
	end = base + ALIGN_UP(ds.shm_segsz, CKPT_PAGE);
	for (uint32_t i = 0; i < n; i++) {
		if (!attached_together(v, &vmas[i]))
			continue;
		if (vmas[i].end > end)
			return -EFAULT;
		gap_make(at, vmas[i].start);
		at = vmas[i].end;
		r = part_protect(&vmas[i]);
		if (r < 0)
			return r;
	}
	gap_make(at, end);
	return 0;
}

long sysv_attach(const struct plan_vma *vmas, uint32_t n, uint64_t *at)
{
	for (uint32_t i = 0; i < n; i++) {
		long r;

		if (!(vmas[i].flags & VMA_SYSV) || attached_before(vmas, i))
			continue;
		*at = vmas[i].start;
		r = segment_attach(&vmas[i], n - i);
		if (r < 0)
			return r;
	}
	return 0;
}
