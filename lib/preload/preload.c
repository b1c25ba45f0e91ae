/*
 * The constructor: read the job's configuration from the environment, reserve the memory that a
 * freeze needs, install the one handler, and that of signals that ask for a checkpoint, and unblock them.
 *
 * Runs before main, in every program of the job. When anything is missing the program simply runs
 * without us; the coordinator sees that no handler is there and says so.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>
#include "preload.h"
#include "handler.h"
#include "helper.h"
#include "request.h"
#include "written.h"

struct preload preload;

enum { LEADER_STACK = 256 << 10, SNAPSHOT_STACK = 256 << 10, MAPS_BUF = 4 << 20 };

/* Exported by glibc >= 2.35; absent, no rseq is registered by it. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* Memory with a guard page below, taken only as it is touched; NULL when there is none. */
static uint8_t *memory_reserve(size_t len)
{
	uint8_t *p = mmap(NULL, len + CKPT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p + CKPT_PAGE, len, PROT_READ | PROT_WRITE) < 0)
		return NULL;
	return p + CKPT_PAGE;
}

static struct fork_page *fork_page_reserve(void)
{
	struct fork_page *f = mmap(NULL, CKPT_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		return NULL;
	if (sys_madvise(f, CKPT_PAGE, MADV_WIPEONFORK) < 0)
		return NULL;
	f->pid = sys_getpid();
	return f;
}

static void rseq_find(void)
{
	if (&__rseq_size == NULL || __rseq_size == 0)
		return;
	preload.rseq_offset = __rseq_offset;
	preload.rseq_len = __rseq_size <= 32 ? 32 : ALIGN_UP(__rseq_size, 32);
}

/* The kernel maps its vdso as one piece of code, with an ELF header before it. */
static void vdso_find(void)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *ph;

	if (!e)
		return;
	ph = (const Elf64_Phdr *)((const uint8_t *)e + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			preload.vdso_len = ph[i].p_memsz;
	preload.vdso_start = (uint64_t)e;
}

static bool config_read(void)
{
	struct blob env = {0};
	extern char **environ;
	int r;

	for (char **e = environ; e && *e; e++)
		blob_put(&env, *e, str_len(*e) + 1);
	r = config_from_env(&preload.config, (char *)env.data, env.len);
	blob_free(&env);
	return r == 0;
}

static void exe_name_read(void)
{
	char path[CKPT_PATH_MAX];
	ssize_t n = sys_readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *base = path;

	if (n < 0)
		return;
	path[n] = 0;
	for (const char *p = path; *p; p++)
		if (*p == '/')
			base = p + 1;
	str_copy(preload.exe_name, base, sizeof(preload.exe_name));
}

void hello_send(uint32_t flags)
{
	struct msg_hello h;
	int fd = msg_connect(preload.socket);

	if (fd < 0)
		return;
	memset(&h, 0, sizeof(h));
	MSG_INIT(&h, MSG_HELLO);
	h.pid = sys_getpid();
	h.flags = flags;
	memcpy(h.exe_name, preload.exe_name, sizeof(h.exe_name));
	h.config = preload.config;
	msg_send(fd, &h.m);
	sys_close(fd);
}

__attribute__((constructor(101))) static void preload_init(void)
{
	const char *socket = getenv(CKPT_ENV_SOCKET), *first = getenv("CKPT_FIRST"), *session = getenv("CKPT_SESSION");
	uint64_t mask = 0;

	if (!socket || !str_copy(preload.socket, socket, sizeof(preload.socket)) || !config_read())
		return;
	preload.leader_stack_len = LEADER_STACK;
	preload.snapshot_stack_len = SNAPSHOT_STACK;
	preload.leader_stack = memory_reserve(LEADER_STACK);
	preload.snapshot_stack = memory_reserve(SNAPSHOT_STACK);
	preload.maps_buf = (char *)memory_reserve(MAPS_BUF);
	preload.maps_cap = MAPS_BUF;
	preload.helper_stack_len = HELPER_STACK;
	preload.helper_stack = memory_reserve(HELPER_STACK);
	preload.fork_page = fork_page_reserve();
	if (!preload.maps_buf || !preload.leader_stack || !preload.snapshot_stack || !preload.helper_stack ||
	    !preload.fork_page)
		return;
	preload.sigbit = 1ull << (preload.config.signo - 1);
	preload.owned = preload.sigbit | on_signal_set(preload.config.on_signal);
	preload.sid = sys_call1(__NR_getsid, 0);
	if (preload.sid == 0 && session)
		preload.sid = (int32_t)parse_dec(&session);
	preload.first_pid = first ? (int32_t)parse_dec(&first) : 0;
	rseq_find();
	vdso_find();
	exe_name_read();
	if (preload.owned != preload.sigbit)
		coordinator_find();
	if (handler_install() < 0 || request_install() < 0)
		return;
	written_init();
	preload.active = true;
	hello_send(0);
	mask = preload.owned;
	sys_sigprocmask(SIG_UNBLOCK, &mask, NULL);
}
