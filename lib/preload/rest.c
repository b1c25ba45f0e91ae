/*
 * Calls cut short. A blocking write on a pipe of more than fits, a send on a stream socket, a recv with
 * MSG_WAITALL: without signals they take all the bytes they are given. A freeze makes them return with
 * a part, and many a program takes that for an error, or does not look. So where a thread was frozen
 * behind such a call it goes on in rest_run (arch/x86_64.S), outside of the handler: the same call for
 * the rest of the bytes, as often as freezes cut that short too, then back behind the program's own
 * instruction with the sum in rax. A signal of the program's own may cut it short as ever.
 *
 * Only what is sure is touched: the number must be loaded right before the instruction, the descriptor
 * must block, and be of a kind that gives a part for no other reason.
 */
#define _GNU_SOURCE
#include <asm/termbits.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "preload.h"
#include "frozen.h"

#define IOCTL_TCGETS 0x5401 /* <asm/ioctls.h>, which clashes */

enum { REST_SPACE = 176 }; /* with the red zone; arch/x86_64.S too */

/* What rest_run finds at the stack pointer. */
struct rest {
	uint64_t rip;  /* where the program goes on */
	uint64_t done; /* bytes so far */
	uint64_t rsi, rdx; /* the program's own */
	uint64_t nr;
};

extern const char rest_run[] HIDDEN, rest_returned[] HIDDEN, syscall_returned[] HIDDEN;

/* The system call behind which the thread stands; -1: not sure. */
static int exact_nr(const greg_t *reg)
{
	const uint8_t *insn = (const uint8_t *)reg[REG_RIP] - 2;

	if (reg[REG_RIP] == (greg_t)syscall_returned)
		return *(const int64_t *)(reg[REG_RSP] - 8);
	if (insn[0] != 0x0f || insn[1] != 0x05)
		return -1;
	if (insn[-5] != 0xb8 || insn[-2] || insn[-1]) /* mov $n,%eax */
		return -1;
	return insn[-4] | insn[-3] << 8;
}

static bool is_stream_socket(int fd)
{
	int type = 0;
	uint32_t len = sizeof(type);

	return sys_call5(__NR_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

/* A pipe, a stream socket or a terminal, and calls on it block. */
static bool takes_all(int fd)
{
	struct termios t;
	struct stat st;
	int flags = sys_fcntl(fd, F_GETFL, 0);

	if (flags < 0 || flags & O_NONBLOCK || sys_call2(__NR_fstat, fd, &st) < 0)
		return false;
	if (S_ISSOCK(st.st_mode))
		return is_stream_socket(fd);
	return S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && sys_ioctl(fd, IOCTL_TCGETS, &t) == 0);
}

/* True when the call would not have returned so little but for the freeze. */
static bool was_cut_short(const greg_t *reg, int nr)
{
	int flags = reg[REG_R10];

	if (reg[REG_RAX] <= 0 || reg[REG_RAX] >= reg[REG_RDX])
		return false;
	if (nr == __NR_sendto && flags & MSG_DONTWAIT)
		return false;
	if (nr == __NR_recvfrom && (flags & ~(MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)) != MSG_WAITALL)
		return false;
	if (nr != __NR_write && nr != __NR_sendto && nr != __NR_recvfrom)
		return false;
	return takes_all(reg[REG_RDI]);
}

static void go_on(greg_t *reg, int nr)
{
	reg[REG_RSI] += reg[REG_RAX];
	reg[REG_RDX] -= reg[REG_RAX];
	reg[REG_RAX] = nr;
	reg[REG_RIP] = (greg_t)rest_run;
}

/* Frozen again in the rest. */
static void continue_rest(greg_t *reg)
{
	struct rest *r = (struct rest *)reg[REG_RSP];

	if (reg[REG_RAX] == -EINTR)
		reg[REG_RAX] = 0;
	else if (reg[REG_RAX] <= 0 || reg[REG_RAX] >= reg[REG_RDX])
		return;
	r->done += reg[REG_RAX];
	go_on(reg, r->nr);
}

/* The stack may end right there: then the call stays short. */
static bool rest_put(uint64_t at, const struct rest *r)
{
	struct iovec local = {(void *)r, sizeof(*r)}, remote = {(void *)at, sizeof(*r)};

	return sys_call6(__NR_process_vm_writev, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0) ==
	       sizeof(*r);
}

bool rest_is_run(const greg_t *reg)
{
	return reg[REG_RIP] == (greg_t)rest_run;
}

bool rest_continue(ucontext_t *uc)
{
	greg_t *reg = uc->uc_mcontext.gregs;
	struct rest r;
	int nr;

	if (reg[REG_RIP] == (greg_t)rest_returned) {
		continue_rest(reg);
		return true;
	}
	if (reg[REG_RAX] <= 0)
		return false;
	nr = exact_nr(reg);
	if (nr < 0 || !was_cut_short(reg, nr))
		return false;
	r = (struct rest){reg[REG_RIP], reg[REG_RAX], reg[REG_RSI], reg[REG_RDX], nr};
	if (!rest_put(reg[REG_RSP] - REST_SPACE, &r))
		return false;
	reg[REG_RSP] -= REST_SPACE;
	go_on(reg, nr);
	return true;
}
