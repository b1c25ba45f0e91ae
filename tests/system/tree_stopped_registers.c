/*
 * Children that stop themselves have, when they are continued, the flags and all vector registers
 * that they had: wherever their stacks end, for what is restored lies at an address that is a
 * multiple of 64. The address that they go on at ends in two ones: written over PKRU by mistake, it
 * forbids them their own memory.
 */
#include "tree.h"
#include <alloca.h>
#include <immintrin.h>
#include <sys/syscall.h>

enum { CHILDREN = 8, VECTORS = 16, WIDTH = 32 };

struct vectors {
	uint8_t bytes[VECTORS][WIDTH];
};

#define EACH(one)                                                                                  \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)      \
		one(12) one(13) one(14) one(15)
#define LOAD_SSE(i)  "movups " #i "*32(%[v]), %%xmm" #i "\n"
#define STORE_SSE(i) "movups %%xmm" #i ", " #i "*32(%[v])\n"
#define LOAD_AVX(i)  "vmovups " #i "*32(%[v]), %%ymm" #i "\n"
#define STORE_AVX(i) "vmovups %%ymm" #i ", " #i "*32(%[v])\n"
#define LOST(i)	     "xmm" #i,
#define STOP(load, store)                                                                          \
	__asm__ volatile(EACH(load) "stc\n.balign 4\nnop\nsyscall\n" EACH(store)                   \
			 : "=@ccc"(carry), "+a"(call)                                              \
			 : [v] "r"(v), "D"(pid), "S"(SIGSTOP)                                      \
			 : EACH(LOST) "rcx", "r11", "memory")

/* Load the registers, stop, and store them. False: the carry flag is another one. */
static bool stop_with(struct vectors *v)
{
	long call = SYS_kill, pid = getpid();
	bool carry;

	if (__builtin_cpu_supports("avx"))
		STOP(LOAD_AVX, STORE_AVX);
	else
		STOP(LOAD_SSE, STORE_SSE);
	return carry && call == 0;
}

static __attribute__((noinline)) void stop_here(uint8_t seed, size_t below)
{
	volatile uint8_t *space = alloca(below);
	struct vectors v, before;

	space[0] = seed;
	for (size_t i = 0; i < sizeof(v); i++)
		v.bytes[i / WIDTH][i % WIDTH] = i * 7 + seed;
	before = v;
	check(stop_with(&v), "flags or result of a call");
	for (int i = 0; i < VECTORS; i++)
		check(!memcmp(v.bytes[i], before.bytes[i], WIDTH),
		      "vector register %d, stack %zu lower", i, below);
}

static void stop_at(void *arg)
{
	size_t i = *(int *)arg;

	stop_here(i + 1, 16 * i + 16);
}

int main(void)
{
	pid_t pid[CHILDREN];
	siginfo_t si;

	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = child_start(stop_at, &i);
		if (waitid(P_PID, pid[i], &si, WSTOPPED | WNOWAIT))
			die("waitid");
	}
	ready();
	for (int i = 0; i < CHILDREN; i++) {
		kill(pid[i], SIGCONT);
		child_end(pid[i], 0);
	}
	return verdict();
}
