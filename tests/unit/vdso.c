/* A copy of this process' vdso stands for that of another kernel. */
#include <elf.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "unit.h"
#include "vdso.h"

static struct vdso own(void)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	ck_assert_ptr_nonnull(e);
	return (struct vdso){e, ALIGN_UP(e->e_shoff + e->e_shnum * sizeof(Elf64_Shdr), CKPT_PAGE),
			     (uint64_t)e};
}

/* Where nothing that it refers to is beside it. */
static struct vdso copied(void)
{
	struct vdso v = own();
	void *p = mmap(NULL, v.len, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	memcpy(p, v.image, v.len);
	return (struct vdso){p, v.len, (uint64_t)p};
}

static const Elf64_Shdr *section(const struct vdso *v, uint32_t type)
{
	const Elf64_Ehdr *e = v->image;
	const Elf64_Shdr *s = (const Elf64_Shdr *)((const char *)v->image + e->e_shoff);

	for (int i = 0; i < e->e_shnum; i++)
		if (s[i].sh_type == type)
			return &s[i];
	ck_abort_msg("no section of type %u", type);
}

static Elf64_Sym *symbol(const struct vdso *v, const char *name)
{
	const Elf64_Shdr *sh = section(v, SHT_DYNSYM), *str = section(v, SHT_STRTAB);
	Elf64_Sym *s = (Elf64_Sym *)((char *)v->image + sh->sh_offset);

	for (size_t i = 0; i < sh->sh_size / sizeof(*s); i++)
		if (!strcmp((char *)v->image + str->sh_offset + s[i].st_name, name))
			return &s[i];
	return NULL;
}

static void *function(const struct vdso *v, const char *name)
{
	const Elf64_Sym *s = symbol(v, name);

	return s ? (char *)v->image + s->st_value : NULL;
}

/* In v the function has another name. */
static void rename_function(const struct vdso *v, const char *name)
{
	Elf64_Sym *s = symbol(v, name);

	ck_assert_ptr_nonnull(s);
	((char *)v->image)[section(v, SHT_STRTAB)->sh_offset + s->st_name + strlen(name) - 1] ^= 1;
}

static void redirect(const struct vdso *old, const struct vdso *now)
{
	struct plan_patch patch[VDSO_PATCHES_MAX];
	char buf[256];
	struct text why = TEXT(buf);
	int n = vdso_redirect(old, now, patch, &why);

	ck_assert_msg(n > 0, "%s", buf);
	for (int i = 0; i < n; i++)
		memcpy((void *)patch[i].addr, patch[i].code, patch[i].len);
}

/* Every function of v that the system has gives what the system call gives. */
static void functions_work(const struct vdso *v)
{
	int (*gettime)(clockid_t, struct timespec *) = function(v, "__vdso_clock_gettime");
	int (*getres)(clockid_t, struct timespec *) = function(v, "__vdso_clock_getres");
	int (*timeofday)(struct timeval *, void *) = function(v, "__vdso_gettimeofday");
	time_t (*seconds)(time_t *) = function(v, "__vdso_time");
	int (*getcpu)(unsigned *, unsigned *, void *) = function(v, "__vdso_getcpu");
	long (*getrandom)(void *, size_t, unsigned, void *, size_t) = function(v, "__vdso_getrandom");
	struct timespec before, t, after;
	struct timeval tv;
	unsigned cpu = -1, node = -1;
	char bytes[16] = {0};

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before);
	ck_assert_int_eq(gettime(CLOCK_MONOTONIC, &t), 0);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after);
	ck_assert(before.tv_sec < t.tv_sec || (before.tv_sec == t.tv_sec && before.tv_nsec <= t.tv_nsec));
	ck_assert(t.tv_sec < after.tv_sec || (t.tv_sec == after.tv_sec && t.tv_nsec <= after.tv_nsec));
	ck_assert_int_eq(gettime(9999, &t), -EINVAL);
	ck_assert_int_eq(timeofday(&tv, NULL), 0);
	ck_assert_int_ge(tv.tv_sec, 1500000000);
	ck_assert_int_ge(seconds(NULL), tv.tv_sec - 1);
	ck_assert_int_eq(getcpu(&cpu, &node, NULL), 0);
	ck_assert_int_lt(cpu, sysconf(_SC_NPROCESSORS_CONF));
	ck_assert(!getres || getres(CLOCK_MONOTONIC, &t) == 0);
	ck_assert(!getrandom || getrandom(bytes, sizeof(bytes), 0, NULL, 0) == sizeof(bytes));
}

UNIT_TEST(vdso_of_another_kernel_goes_to_this_ones)
{
	struct vdso old = copied(), now = own();

	redirect(&old, &now);
	functions_work(&old);
}

UNIT_TEST(vdso_redirected_twice_still_works)
{
	struct vdso first = copied(), second = copied(), now = own();

	redirect(&first, &second);
	redirect(&second, &now);
	functions_work(&first);
}

UNIT_TEST(vdso_functions_that_are_missing_become_system_calls)
{
	static const char *const names[] = {"__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_time",
					    "__vdso_gettimeofday", "__vdso_getcpu", "__vdso_getrandom"};
	struct vdso old = copied(), now = copied();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (symbol(&now, names[i]))
			rename_function(&now, names[i]);
	redirect(&old, &now);
	functions_work(&old);
}

UNIT_TEST(vdso_may_be_missing_altogether)
{
	struct vdso old = copied(), none = {NULL, 0, 0};
	long (*getrandom)(void *, size_t, unsigned, void *, size_t);
	char size[64];

	redirect(&old, &none);
	functions_work(&old);
	getrandom = function(&old, "__vdso_getrandom");
	if (getrandom)
		ck_assert_int_eq(getrandom(NULL, 0, 0, size, ~0ul), -ENOSYS);
}

UNIT_TEST(vdso_function_unknown_here_is_not_implemented)
{
	struct vdso old = copied(), now = own();
	int (*function_gone)(unsigned *, unsigned *, void *);

	rename_function(&old, "__vdso_getcpu");
	redirect(&old, &now);
	function_gone = function(&old, "__vdso_getcpt");
	ck_assert_int_eq(function_gone(NULL, NULL, NULL), -ENOSYS);
}

UNIT_TEST(vdso_functions_too_short_for_a_jump_are_refused)
{
	struct vdso old = copied(), now = own();
	struct plan_patch patch[VDSO_PATCHES_MAX];
	char buf[256] = "";
	struct text why = TEXT(buf);

	symbol(&old, "__vdso_time")->st_value = symbol(&old, "__vdso_getcpu")->st_value - 13;
	ck_assert_int_eq(vdso_redirect(&old, &now, patch, &why), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(buf, "__vdso_time"));
}

UNIT_TEST(vdso_that_is_none_is_refused)
{
	static const char zeros[2 * CKPT_PAGE];
	struct vdso old = {zeros, sizeof(zeros), 0x10000}, now = own();
	struct plan_patch patch[VDSO_PATCHES_MAX];
	char buf[256] = "";
	struct text why = TEXT(buf);

	ck_assert_int_eq(vdso_redirect(&old, &now, patch, &why), -ENOEXEC);
}
