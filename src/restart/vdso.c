/*
 * A program looks the functions of the vdso up when it starts and calls them by address ever after. So
 * the vdso that it knows stays where it is, as ordinary memory, and each function begins with a jump to
 * the one of the same name in this kernel's vdso; the rest of the old code is never reached again. It
 * could not run: its data, the vvar areas, is laid out as its own kernel wanted it.
 *
 * What this kernel's vdso does not have becomes the system call that the function stands for.
 */
#define _GNU_SOURCE
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include "vdso.h"

/* An exported function. */
struct function {
	const char *name;
	uint64_t offset; /* in the image */
};

struct functions {
	Elf *elf;
	struct function f[VDSO_PATCHES_MAX];
	uint32_t n;
};

/* ---- stubs ---- */

/* mov $nr,%eax; syscall; ret */
#define SYSCALL_STUB(nr) {0xb8, (nr)&0xff, (nr) >> 8, 0, 0, 0x0f, 0x05, 0xc3}

static const struct {
	const char *name;
	uint8_t len;
	uint8_t code[sizeof(((struct plan_patch *)0)->code)];
} stubs[] = {
	{"__vdso_clock_gettime", 8, SYSCALL_STUB(__NR_clock_gettime)},
	{"__vdso_gettimeofday", 8, SYSCALL_STUB(__NR_gettimeofday)},
	{"__vdso_time", 8, SYSCALL_STUB(__NR_time)},
	{"__vdso_getcpu", 8, SYSCALL_STUB(__NR_getcpu)},
	{"__vdso_clock_getres", 8, SYSCALL_STUB(__NR_clock_getres)},
	/*
	 * cmp $-1,%r8; jne 1f; mov $-ENOSYS,%rax; ret; 1: mov $318,%eax; syscall; ret
	 * The fifth argument -1 asks for the size of a state that the system call knows nothing of.
	 */
	{"__vdso_getrandom", 22, {0x49, 0x83, 0xf8, 0xff, 0x75, 0x08, 0x48, 0xc7, 0xc0, 0xda, 0xff,
				  0xff, 0xff, 0xc3, 0xb8, 0x3e, 0x01, 0, 0, 0x0f, 0x05, 0xc3}},
};

/* For a function that is no system call: mov $-ENOSYS,%rax; ret */
static const uint8_t no_function[] = {0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, 0xc3};

static void put_stub(struct plan_patch *p, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(stubs); i++) {
		if (strcmp(name, stubs[i].name))
			continue;
		p->len = stubs[i].len;
		memcpy(p->code, stubs[i].code, p->len);
		return;
	}
	p->len = sizeof(no_function);
	memcpy(p->code, no_function, p->len);
}

/* jmp *0(%rip), the address behind it: no register is lost, any distance is bridged. */
static void put_jump(struct plan_patch *p, uint64_t to)
{
	static const uint8_t jmp[] = {0xff, 0x25, 0, 0, 0, 0};

	p->len = sizeof(jmp) + sizeof(to);
	memcpy(p->code, jmp, sizeof(jmp));
	memcpy(p->code + sizeof(jmp), &to, sizeof(to));
}

/* ---- the two ELF images ---- */

/* Address that the image was linked for; 0 in every vdso of this century, but for the first ones. */
static uint64_t link_base(Elf *e)
{
	GElf_Phdr ph;
	size_t n = 0;

	elf_getphdrnum(e, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_LOAD)
			return ph.p_vaddr - ph.p_offset;
	return 0;
}

/* Names begin with __vdso_; what else is there are aliases of the same functions. */
static int functions_add(struct functions *fs, Elf_Scn *scn, const GElf_Shdr *sh, size_t len)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	uint64_t base = link_base(fs->elf);
	GElf_Sym sym;

	for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
		const char *name = elf_strptr(fs->elf, sh->sh_link, sym.st_name);

		if (!name || strncmp(name, "__vdso_", 7) || sym.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_value - base >= len)
			continue;
		if (fs->n == VDSO_PATCHES_MAX)
			return -E2BIG;
		fs->f[fs->n++] = (struct function){name, sym.st_value - base};
	}
	return 0;
}

static int functions_read(struct functions *fs, const struct vdso *v)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int r = 0;

	elf_version(EV_CURRENT);
	*fs = (struct functions){.elf = elf_memory((char *)v->image, v->len)};
	if (!fs->elf || elf_kind(fs->elf) != ELF_K_ELF)
		return -ENOEXEC;
	while (r == 0 && (scn = elf_nextscn(fs->elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_DYNSYM)
			r = functions_add(fs, scn, &sh, v->len);
	return r < 0 ? r : fs->n ? 0 : -ENOEXEC;
}

static const struct function *function_find(const struct functions *fs, const char *name)
{
	for (uint32_t i = 0; i < fs->n; i++)
		if (!strcmp(fs->f[i].name, name))
			return &fs->f[i];
	return NULL;
}

/* Bytes from the function's entry to the next one, or to the end of the image. */
static uint64_t function_room(const struct functions *fs, const struct function *f, size_t len)
{
	uint64_t end = len;

	for (uint32_t i = 0; i < fs->n; i++)
		if (fs->f[i].offset > f->offset && fs->f[i].offset < end)
			end = fs->f[i].offset;
	return end - f->offset;
}

static int redirect(const struct functions *from, const struct functions *to, const struct vdso *old,
		    const struct vdso *now, struct plan_patch *out, struct text *why)
{
	for (uint32_t i = 0; i < from->n; i++) {
		const struct function *f = &from->f[i], *g = function_find(to, f->name);

		out[i].addr = old->at + f->offset;
		if (g)
			put_jump(&out[i], now->at + g->offset);
		else
			put_stub(&out[i], f->name);
		if (out[i].len > function_room(from, f, old->len)) {
			text_put(why, "%s of the old vdso is too short to be redirected", f->name);
			return -ENOTSUP;
		}
	}
	return from->n;
}

int vdso_redirect(const struct vdso *old, const struct vdso *now, struct plan_patch *out,
		  struct text *why)
{
	struct functions from, to = {0};
	int r = functions_read(&from, old);

	if (r == 0 && now->len)
		r = functions_read(&to, now);
	if (r < 0)
		text_put(why, "the functions of the vdso can't be found: %s", errno_name(r));
	else
		r = redirect(&from, &to, old, now, out, why);
	elf_end(from.elf);
	elf_end(to.elf);
	return r;
}
