/*
 * All registers of a thread that computes: general, x87, MXCSR, and the vector and mask registers the
 * CPU has, held in an endless loop across the checkpoint.
 */
#include "harness.h"
#include <pthread.h>
#include <stddef.h>

/* What the loops load and store back; the asm knows the offsets. */
struct state {
	uint64_t general[16];	 /* 0: rax rbx rcx rdx rsi rdi rbp - r8 to r15 */
	uint8_t vector[32][64];	 /* 128: zmm, ymm or xmm 0 to 31 */
	uint64_t mask[8];	 /* 2176: k0 to k7 */
	uint32_t mxcsr;		 /* 2240 */
	uint16_t x87_control;	 /* 2244 */
	double x87[8];		 /* 2248 */
	uint32_t stop;		 /* 2312: set by main to end the loop */
};
_Static_assert(offsetof(struct state, vector) == 128 && offsetof(struct state, mask) == 2176 &&
	       offsetof(struct state, mxcsr) == 2240 && offsetof(struct state, x87_control) == 2244 &&
	       offsetof(struct state, x87) == 2248 && offsetof(struct state, stop) == 2312,
	       "the asm knows the offsets");

/*
 * void hold_WIDTH(const struct state *in, struct state *out): load everything from in, loop until
 * in->stop, store everything to out. rsp keeps both pointers; the loop needs no register but rsp.
 */
#define HOLD(name, VECTORS_LOAD, VECTORS_STORE)                                                    \
	__asm__(".text\n.globl " name "\n.type " name ", @function\n" name ":\n"                   \
		"push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"               \
		"push %rsi; push %rdi\n" /* 8(%rsp): out, (%rsp): in */                            \
		"fninit; fldcw 2244(%rdi)\n"                                                       \
		"fldl 2248(%rdi); fldl 2256(%rdi); fldl 2264(%rdi); fldl 2272(%rdi)\n"             \
		"fldl 2280(%rdi); fldl 2288(%rdi); fldl 2296(%rdi); fldl 2304(%rdi)\n"             \
		"ldmxcsr 2240(%rdi)\n" VECTORS_LOAD                                                \
		"mov 8(%rdi),%rbx; mov 16(%rdi),%rcx; mov 24(%rdi),%rdx; mov 32(%rdi),%rsi\n"      \
		"mov 48(%rdi),%rbp; mov 64(%rdi),%r8; mov 72(%rdi),%r9; mov 80(%rdi),%r10\n"       \
		"mov 88(%rdi),%r11; mov 96(%rdi),%r12; mov 104(%rdi),%r13; mov 112(%rdi),%r14\n"   \
		"mov 120(%rdi),%r15; mov 0(%rdi),%rax\n"                                           \
		/* rdi itself holds in: the loop reads in->stop by it */                           \
		"1: pause; cmpl $0,2312(%rdi); je 1b\n"                                            \
		"push %rdi; mov 16(%rsp),%rdi\n"                                                   \
		"mov %rax,0(%rdi); mov %rbx,8(%rdi); mov %rcx,16(%rdi); mov %rdx,24(%rdi)\n"       \
		"mov %rsi,32(%rdi); pop %rax; mov %rax,40(%rdi); mov %rbp,48(%rdi)\n"              \
		"mov %r8,64(%rdi); mov %r9,72(%rdi); mov %r10,80(%rdi); mov %r11,88(%rdi)\n"       \
		"mov %r12,96(%rdi); mov %r13,104(%rdi); mov %r14,112(%rdi); mov %r15,120(%rdi)\n"  \
		VECTORS_STORE "stmxcsr 2240(%rdi); fnstcw 2244(%rdi)\n"                            \
		"fstpl 2304(%rdi); fstpl 2296(%rdi); fstpl 2288(%rdi); fstpl 2280(%rdi)\n"         \
		"fstpl 2272(%rdi); fstpl 2264(%rdi); fstpl 2256(%rdi); fstpl 2248(%rdi)\n"         \
		"fninit; movl $0x1f80,-8(%rsp); ldmxcsr -8(%rsp)\n"                                \
		"pop %rdi; pop %rsi\n"                                                             \
		"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret\n")

HOLD("hold_sse",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups 128+64*\\n(%rdi),%xmm\\n\n.endr\n",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups %xmm\\n,128+64*\\n(%rdi)\n.endr\n");
HOLD("hold_avx",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovups 128+64*\\n(%rdi),%ymm\\n\n.endr\n",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovups %ymm\\n,128+64*\\n(%rdi)\n.endr\n"
     "vzeroupper\n");
HOLD("hold_avx512",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
     " vmovups 128+64*\\n(%rdi),%zmm\\n\n.endr\n"
     ".irp n,0,1,2,3,4,5,6,7\n kmovq 2176+8*\\n(%rdi),%k\\n\n.endr\n",
     ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
     " vmovups %zmm\\n,128+64*\\n(%rdi)\n.endr\n"
     ".irp n,0,1,2,3,4,5,6,7\n kmovq %k\\n,2176+8*\\n(%rdi)\n.endr\n"
     "vzeroupper\n");

void hold_sse(struct state *in, struct state *out);
void hold_avx(struct state *in, struct state *out);
void hold_avx512(struct state *in, struct state *out);

struct holder {
	const char *name;
	void (*hold)(struct state *in, struct state *out);
	int nvectors, vector_size, nmasks;
	bool there;
	pthread_t thread;
	struct state in, out;
};

static void *run(void *arg)
{
	struct holder *h = arg;

	h->hold(&h->in, &h->out);
	return NULL;
}

int main(void)
{
	static struct holder holders[] = {
		{.name = "SSE", .hold = hold_sse, .nvectors = 16, .vector_size = 16},
		{.name = "AVX", .hold = hold_avx, .nvectors = 16, .vector_size = 32},
		{.name = "AVX-512", .hold = hold_avx512, .nvectors = 32, .vector_size = 64, .nmasks = 8},
	};
	enum { N = sizeof(holders) / sizeof(holders[0]) };

	__builtin_cpu_init();
	holders[0].there = true;
	holders[1].there = __builtin_cpu_supports("avx");
	holders[2].there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
	for (int i = 0; i < N; i++) {
		struct holder *h = &holders[i];

		for (int k = 0; k < 16; k++)
			h->in.general[k] = 0x9e3779b97f4a7c15ull * (uint64_t)(k + 16 * i + 1);
		for (int k = 0; k < 32; k++)
			for (int b = 0; b < 64; b++)
				h->in.vector[k][b] = (uint8_t)(b * 31 + i + k);
		for (int k = 0; k < 8; k++)
			h->in.mask[k] = 0xfedcba9876543210ull * (uint64_t)(k + 3);
		h->in.mxcsr = 0x1f80 | 1 << 13 | 0x21; /* rounds down; flags of an earlier operation */
		h->in.x87_control = 0x037f | 1 << 10;  /* rounds down */
		for (int k = 0; k < 8; k++)
			h->in.x87[k] = 1.0 / (k + 3 + i);
		h->in.general[5] = (uint64_t)(uintptr_t)&h->in; /* rdi */
		if (h->there && pthread_create(&h->thread, NULL, run, h))
			die("pthread_create");
	}

	ready();

	for (int i = 0; i < N; i++) {
		struct holder *h = &holders[i];

		if (!h->there)
			continue;
		__atomic_store_n(&h->in.stop, 1, __ATOMIC_SEQ_CST);
		pthread_join(h->thread, NULL);
		for (int k = 0; k < 16; k++)
			if (k != 7)
				check(h->in.general[k] == h->out.general[k],
				      "%s: general register %d is %lx, was %lx", h->name, k,
				      (long)h->out.general[k], (long)h->in.general[k]);
		for (int k = 0; k < h->nvectors; k++)
			check(!memcmp(h->in.vector[k], h->out.vector[k], (size_t)h->vector_size),
			      "%s: vector register %d", h->name, k);
		for (int k = 0; k < h->nmasks; k++)
			check(h->in.mask[k] == h->out.mask[k], "%s: k%d", h->name, k);
		check(h->in.mxcsr == h->out.mxcsr, "%s: MXCSR is %x, was %x", h->name, h->out.mxcsr,
		      h->in.mxcsr);
		check(h->in.x87_control == h->out.x87_control, "%s: x87 control word", h->name);
		check(!memcmp(h->in.x87, h->out.x87, sizeof(h->in.x87)), "%s: x87 registers", h->name);
	}
	return verdict();
}
