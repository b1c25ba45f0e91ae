/* The restorer's memory: a hole in both address spaces. The restorer is an ELF file inside this one. */
#define _GNU_SOURCE
#include <elf.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "die.h"
#include "region.h"

extern const uint8_t restorer_elf[], restorer_elf_end[];

enum { LOW = 0x100000, MARGIN = 1 << 20 };

void region_avoid(struct region *g, uint64_t start, uint64_t end)
{
	if (g->navoid == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 256;
		g->avoid = realloc(g->avoid, g->cap * sizeof(*g->avoid));
		if (!g->avoid)
			die("out of memory");
	}
	g->avoid[g->navoid].start = start;
	g->avoid[g->navoid++].end = end;
}

static int by_start(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* With a margin on either side, for what grows. */
uint64_t region_hole(struct region *g, size_t len)
{
	uint64_t at = LOW;

	qsort(g->avoid, g->navoid, sizeof(*g->avoid), by_start);
	for (size_t i = 0; i < g->navoid; i++) {
		if (g->avoid[i].start >= at && g->avoid[i].start - at >= len + 2 * MARGIN)
			break;
		if (g->avoid[i].end > at)
			at = g->avoid[i].end;
	}
	if (at + len + 2 * MARGIN > TASK_END)
		die("no room in the address space");
	return ALIGN_UP(at + MARGIN, CKPT_PAGE);
}

/* Span of the restorer's segments in memory. */
static uint64_t elf_span(Elf *e)
{
	uint64_t span = 0;
	GElf_Phdr ph;
	size_t n;

	if (elf_getphdrnum(e, &n))
		die("restorer: %s", elf_errmsg(-1));
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_LOAD && ph.p_vaddr + ph.p_memsz > span)
			span = ph.p_vaddr + ph.p_memsz;
	return ALIGN_UP(span, CKPT_PAGE);
}

static Elf *elf_ours(void)
{
	Elf *e;

	elf_version(EV_CURRENT);
	e = elf_memory((char *)restorer_elf, restorer_elf_end - restorer_elf);
	if (!e)
		die("restorer: %s", elf_errmsg(-1));
	return e;
}

/* Everything in it is addressed relative to itself, but for the words that these relocations name. */
static void elf_relocate(uint64_t base, const GElf_Phdr *dynamic)
{
	const Elf64_Dyn *d = (const Elf64_Dyn *)(base + dynamic->p_vaddr);
	uint64_t rela = 0, size = 0;

	for (; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_RELA)
			rela = d->d_un.d_ptr;
		if (d->d_tag == DT_RELASZ)
			size = d->d_un.d_val;
	}
	for (uint64_t i = 0; i < size / sizeof(Elf64_Rela); i++) {
		const Elf64_Rela *r = (const Elf64_Rela *)(base + rela) + i;

		if (ELF64_R_TYPE(r->r_info) != R_X86_64_RELATIVE)
			die("restorer: relocation of type %lu", (long)ELF64_R_TYPE(r->r_info));
		*(uint64_t *)(base + r->r_offset) = base + r->r_addend;
	}
}

static void elf_load(struct region *g, Elf *e)
{
	GElf_Ehdr eh;
	GElf_Phdr ph;
	size_t n;

	elf_getphdrnum(e, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_LOAD)
			memcpy((void *)(g->start + ph.p_vaddr), restorer_elf + ph.p_offset, ph.p_filesz);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_DYNAMIC)
			elf_relocate(g->start, &ph);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X &&
		    mprotect((void *)(g->start + ph.p_vaddr), ALIGN_UP(ph.p_memsz, CKPT_PAGE),
			     PROT_READ | PROT_EXEC) < 0)
			die("cannot make the restorer executable:");
	if (!gelf_getehdr(e, &eh))
		die("restorer: %s", elf_errmsg(-1));
	g->entry = g->start + eh.e_entry;
}

void region_reserve(struct region *g, size_t n)
{
	Elf *e = elf_ours();
	uint64_t span = elf_span(e);
	void *p;

	g->len = span + ALIGN_UP(n, CKPT_PAGE);
	g->start = region_hole(g, g->len);
	p = mmap((void *)g->start, g->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		die("cannot map memory for the restorer:");
	g->used = span;
	elf_load(g, e);
	elf_end(e);
}

void *region_put(struct region *g, const void *p, size_t n)
{
	void *to;

	g->used = ALIGN_UP(g->used, 16);
	if (n > g->len - g->used)
		die("the restorer's memory is too small");
	to = (void *)(g->start + g->used);
	if (p)
		memcpy(to, p, n);
	g->used += n;
	return to;
}

void *region_put_pages(struct region *g, size_t n)
{
	g->used = ALIGN_UP(g->used, CKPT_PAGE);
	return region_put(g, NULL, ALIGN_UP(n, CKPT_PAGE));
}

void region_enter(struct region *g, struct restore_job *job, uint32_t node)
{
	void (*entry)(struct restore_job *, void *, uint32_t) = (void *)g->entry;

	entry(job, g->stack_top, node);
	__builtin_unreachable();
}
