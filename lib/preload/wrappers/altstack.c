/*
 * Alternate signal stacks that are too small. Our handler must run on an alternate stack where the
 * program has one (SA_ONSTACK is of the process, and a thread may have it because its own stack is
 * used up), but the kernel takes one of 2 KiB, which with AVX-512 does not even hold a signal frame:
 * the first freeze would kill the program. So a larger one of ours takes its place, and the program is
 * told of its own. It can't be done later: a freeze that finds a small stack is already on it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include "wrap.h"

enum {
	KERNEL_MIN = 2048,    /* the kernel refuses less */
	HANDLER_NEEDS = 3072, /* of ours beside the frame, signals pending for the thread included */
};

/* A thread's alternate stack, when it is ours. */
struct altstack {
	stack_t own;   /* as the program gave it */
	uint8_t *ours; /* len bytes, a guard page below; NULL: never needed one */
	size_t len;
};

static __thread struct altstack altstack __attribute__((tls_model("initial-exec")));
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void altstack_free(void *arg);

static size_t frame_size(void)
{
	size_t n = getauxval(AT_MINSIGSTKSZ);

	return n ? n : KERNEL_MIN;
}

static void key_make(void)
{
	pthread_key_create(&thread_end, altstack_free);
}

/* Room for the program's handlers as on its own stack, and for ours. */
static bool altstack_reserve(struct altstack *a)
{
	size_t len = ALIGN_UP(KERNEL_MIN + 2 * (frame_size() + HANDLER_NEEDS), CKPT_PAGE);
	uint8_t *p;

	if (a->ours)
		return true;
	p = mmap(NULL, len + CKPT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		return false;
	mprotect(p + CKPT_PAGE, len, PROT_READ | PROT_WRITE);
	a->ours = p + CKPT_PAGE;
	a->len = len;
	pthread_once(&once, key_make);
	pthread_setspecific(thread_end, a);
	return true;
}

static bool too_small(const stack_t *ss)
{
	return !(ss->ss_flags & SS_DISABLE) && ss->ss_size >= KERNEL_MIN &&
	       ss->ss_size < frame_size() + HANDLER_NEEDS;
}

/* What the program is to see: its own stack, with the flags of what stands in for it. */
static void show(const struct altstack *a, stack_t *old)
{
	if (!a->ours || old->ss_sp != a->ours)
		return;
	old->ss_sp = a->own.ss_sp;
	old->ss_size = a->own.ss_size;
}

WRAP(int, sigaltstack, (const stack_t *ss, stack_t *old))
{
	stack_t own, use, was;

	if (!preload.active || !ss || !too_small(ss)) {
		int r = REAL(sigaltstack)(ss, old);

		if (r == 0 && old)
			show(&altstack, old);
		return r;
	}
	own = *ss; /* old may be the same structure */
	if (!altstack_reserve(&altstack)) {
		errno = ENOMEM;
		return -1;
	}
	use = (stack_t){.ss_sp = altstack.ours, .ss_flags = own.ss_flags, .ss_size = altstack.len};
	if (REAL(sigaltstack)(&use, &was) < 0)
		return -1;
	show(&altstack, &was);
	altstack.own = own;
	if (old)
		*old = was;
	return 0;
}

/* While a handler stands on it (a thread may end there) the stack can't be taken away. */
static void altstack_free(void *arg)
{
	struct altstack *a = arg;
	stack_t none = {.ss_flags = SS_DISABLE}, now;

	if (REAL(sigaltstack)(NULL, &now) < 0 || (now.ss_sp == a->ours && REAL(sigaltstack)(&none, NULL) < 0))
		return;
	munmap(a->ours - CKPT_PAGE, a->len + CKPT_PAGE);
	a->ours = NULL;
}
