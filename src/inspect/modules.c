#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "die.h"
#include "modules.h"

enum { HEADERS_MAX = 64 << 10, VDSO_MAX = 256 << 10 };

struct symbol {
	uint64_t start, size;
	const char *name;
};

struct modules {
	struct memory *memory;
	struct module **found; /* by area, NULL: not looked at yet */
};

static void *need(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

struct modules *modules_open(struct memory *m)
{
	struct modules *all = need(1, sizeof(*all));

	if (elf_version(EV_CURRENT) == EV_NONE)
		die("libelf: %s", elf_errmsg(-1));
	all->memory = m;
	all->found = need(memory_process(m)->nareas, sizeof(*all->found));
	return all;
}

/* ---- headers ---- */

/* The area that the file's first bytes are mapped by: below, and of the same file. */
static const struct area *first_area(struct modules *all, const struct area *a)
{
	const struct process *p = memory_process(all->memory);

	if (a->rec.flags & VMA_VDSO)
		return a;
	if (!(a->rec.flags & VMA_FILE))
		return NULL;
	for (const struct area *b = a; b >= p->areas; b--)
		if (b->rec.flags & VMA_FILE && b->rec.ino == a->rec.ino && b->rec.dev == a->rec.dev && b->rec.offset == 0)
			return b;
	return NULL;
}

/* Bytes of the process as an ELF file; NULL: it is none. */
static Elf *elf_from(struct modules *all, const struct area *a, size_t max)
{
	size_t n = a->rec.end - a->rec.start < max ? a->rec.end - a->rec.start : max;
	char *bytes = need(n, 1);
	Elf *e;

	n = memory_read(all->memory, a->rec.start, bytes, n);
	e = n > SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG) ? elf_memory(bytes, n) : NULL;
	if (e && elf_kind(e) == ELF_K_ELF && gelf_getclass(e) == ELFCLASS64)
		return e; /* lasts, and the bytes with it */
	elf_end(e);
	free(bytes);
	return NULL;
}

static void headers_take(struct module *to, Elf *e, uint64_t start)
{
	uint64_t eh = 0;
	GElf_Phdr ph;
	size_t n = 0;
	bool loaded = false;

	elf_getphdrnum(e, &n);
	for (size_t i = 0; i < n && gelf_getphdr(e, i, &ph); i++) {
		if (ph.p_type == PT_LOAD && !loaded) {
			to->bias = start - (ph.p_vaddr - ph.p_offset) / CKPT_PAGE * CKPT_PAGE;
			loaded = true;
		}
		if (ph.p_type == PT_GNU_EH_FRAME)
			eh = ph.p_vaddr;
	}
	to->eh_frame_hdr = eh && loaded ? eh + to->bias : 0;
}

/* ---- symbols ---- */

static int symbol_order(const void *x, const void *y)
{
	const struct symbol *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

static void symbols_add(Elf *e, Elf_Scn *scn, const GElf_Shdr *sh, struct symbol **all, size_t *n)
{
	size_t count = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym s;

	if (!data || count > data->d_size / sizeof(Elf64_Sym))
		return;
	*all = reallocarray(*all, *n + count + 1, sizeof(**all));
	if (!*all)
		die("out of memory");
	for (size_t i = 0; i < count && gelf_getsym(data, (int)i, &s); i++) {
		int type = GELF_ST_TYPE(s.st_info);
		const char *name = elf_strptr(e, sh->sh_link, s.st_name);

		if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s.st_shndx != SHN_UNDEF && name && *name)
			(*all)[(*n)++] = (struct symbol){s.st_value, s.st_size, name};
	}
}

static void symbols_take(struct module *to, Elf *e)
{
	struct symbol *all = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(e, scn)))
		if (gelf_getshdr(scn, &sh) && (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM))
			symbols_add(e, scn, &sh, &all, &to->nsymbols);
	if (to->nsymbols)
		qsort(all, to->nsymbols, sizeof(*all), symbol_order);
	to->symbols = all;
}

/* Of the last function that begins at or before pc; with no size it reaches to the next. */
const char *module_function(const struct module *module, uint64_t pc, uint64_t *offset)
{
	size_t low = 0, high = module->nsymbols;
	uint64_t at = pc - module->bias;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (module->symbols[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low; i-- > 0 && module->symbols[i].start == module->symbols[low - 1].start;) {
		const struct symbol *s = &module->symbols[i];

		*offset = at - s->start;
		if (s->size == 0 || *offset < s->size)
			return s->name;
	}
	return NULL;
}

/* ---- one module ---- */

static struct module *module_make(struct modules *all, const struct area *a)
{
	struct module *m = need(1, sizeof(*m));
	const struct area *first = first_area(all, a);
	bool vdso = a->rec.flags & VMA_VDSO;
	Elf *e = first ? elf_from(all, first, vdso ? VDSO_MAX : HEADERS_MAX) : NULL, *file;
	int fd;

	*m = (struct module){.path = area_name(a), .start = a->rec.start, .end = a->rec.end};
	if (!e)
		return m;
	headers_take(m, e, first->rec.start);
	if (vdso) {
		symbols_take(m, e);
		return m;
	}
	fd = memory_file(all->memory, a);
	file = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	if (file && elf_kind(file) == ELF_K_ELF)
		symbols_take(m, file);
	return m;
}

const struct module *module_at(struct modules *all, uint64_t pc)
{
	const struct area *a = memory_area(all->memory, pc);
	struct module **m;

	if (!a || !(a->rec.prot & PROT_EXEC))
		return NULL;
	m = &all->found[a - memory_process(all->memory)->areas];
	if (!*m)
		*m = module_make(all, a);
	return *m;
}
