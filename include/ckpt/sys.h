/*
 * Raw system calls, for code that must run without libc: everything between freeze and
 * thaw, the snapshot writer and the restorer. Every function returns what the kernel
 * returns: a value >= 0, or -errno. Arguments are those of the man page of the same name.
 *
 * Safe in every context; touches no errno, no TLS and no lock.
 */
#ifndef CKPT_SYS_H
#define CKPT_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <asm/unistd.h>
#include <linux/types.h>

#ifndef __x86_64__
#error "ckpt supports x86-64 only"
#endif

/* System call n: number in rax, arguments in rdi rsi rdx r10 r8 r9; rcx and r11 are lost. */
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define sys_call5(n, a, b, c, d, e) sys_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys_call4(n, a, b, c, d)    sys_call5(n, a, b, c, d, 0)
#define sys_call3(n, a, b, c)	    sys_call4(n, a, b, c, 0)
#define sys_call2(n, a, b)	    sys_call3(n, a, b, 0)
#define sys_call1(n, a)		    sys_call2(n, a, 0)
#define sys_call0(n)		    sys_call1(n, 0)

static inline int sys_openat(int dirfd, const char *path, int flags, int mode)
{
	return sys_call4(__NR_openat, dirfd, path, flags, mode);
}

static inline int sys_open(const char *path, int flags, int mode)
{
	return sys_openat(-100 /* AT_FDCWD */, path, flags, mode);
}

static inline int sys_close(int fd)
{
	return sys_call1(__NR_close, fd);
}

static inline ssize_t sys_read(int fd, void *buf, size_t n)
{
	return sys_call3(__NR_read, fd, buf, n);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t n)
{
	return sys_call3(__NR_write, fd, buf, n);
}

static inline ssize_t sys_pread(int fd, void *buf, size_t n, off_t off)
{
	return sys_call4(__NR_pread64, fd, buf, n, off);
}

static inline ssize_t sys_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	return sys_call4(__NR_pwrite64, fd, buf, n, off);
}

static inline off_t sys_lseek(int fd, off_t off, int whence)
{
	return sys_call3(__NR_lseek, fd, off, whence);
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return sys_call3(__NR_fcntl, fd, cmd, arg);
}

static inline int sys_ioctl(int fd, unsigned long req, void *arg)
{
	return sys_call3(__NR_ioctl, fd, req, arg);
}

static inline int sys_dup3(int from, int to, int flags)
{
	return sys_call3(__NR_dup3, from, to, flags);
}

static inline ssize_t sys_readlink(const char *path, char *buf, size_t n)
{
	return sys_call3(__NR_readlink, path, buf, n);
}

static inline void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	return (void *)sys_call6(__NR_mmap, (long)addr, len, prot, flags, fd, off);
}

/* True when the result of sys_mmap or sys_mremap is an error; -errno is (long)p. */
static inline int sys_is_err(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

static inline int sys_munmap(void *addr, size_t len)
{
	return sys_call2(__NR_munmap, addr, len);
}

static inline int sys_mprotect(void *addr, size_t len, int prot)
{
	return sys_call3(__NR_mprotect, addr, len, prot);
}

static inline int sys_madvise(void *addr, size_t len, int advice)
{
	return sys_call3(__NR_madvise, addr, len, advice);
}

static inline void *sys_mremap(void *old, size_t oldlen, size_t newlen, int flags, void *to)
{
	return (void *)sys_call5(__NR_mremap, old, oldlen, newlen, flags, to);
}

static inline int sys_getpid(void)
{
	return sys_call0(__NR_getpid);
}

static inline int sys_gettid(void)
{
	return sys_call0(__NR_gettid);
}

static inline int sys_tgkill(int tgid, int tid, int sig)
{
	return sys_call3(__NR_tgkill, tgid, tid, sig);
}

static inline int sys_prctl(int op, unsigned long a, unsigned long b, unsigned long c,
			    unsigned long d)
{
	return sys_call5(__NR_prctl, op, a, b, c, d);
}

/* set and old: 64-bit kernel signal sets (bit n-1 is signal n), either may be NULL. */
static inline int sys_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
	return sys_call4(__NR_rt_sigprocmask, how, set, old, 8);
}

/* timeout: struct timespec, relative for FUTEX_WAIT, or NULL. */
static inline int sys_futex(uint32_t *word, int op, uint32_t val, const void *timeout)
{
	return sys_call4(__NR_futex, word, op, val, timeout);
}

static inline uint64_t sys_clock_ns(int clock)
{
	int64_t ts[2] = {0, 0};

	sys_call2(__NR_clock_gettime, clock, ts);
	return (uint64_t)ts[0] * 1000000000ull + (uint64_t)ts[1];
}

/* An entry of a directory as getdents64(2) returns it. */
struct sys_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static inline long sys_getdents(int fd, void *buf, size_t n)
{
	return sys_call3(__NR_getdents64, fd, buf, n);
}

static inline void sys_exit_group(int status)
{
	for (;;)
		sys_call1(__NR_exit_group, status);
}

#endif
