/*
 * CPython exports _PyRuntime, from which all else is found. Which of the ELF files that a process has mapped has it, its
 * table of dynamic symbols tells, which is in memory: so the file need not be there any more. Its hash table (DT_GNU_HASH)
 * finds a name without knowing how many symbols there are.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "die.h"
#include "memory.h"
#include "python.h"

enum { HEADERS_MAX = 64, DYNAMIC_MAX = 512, CHAIN_MAX = 4096, NAME_MAX_LEN = 32 };

/* What finds a dynamic symbol, by address. */
struct dynamic {
	struct memory *memory;
	uint64_t bias; /* what is added to addresses of the file */
	uint64_t symbols, strings, hash;
};

static bool get(struct memory *m, uint64_t at, void *to, size_t n)
{
	return memory_read(m, at, to, n) == n;
}

/* ---- one ELF file ---- */

/* The linker of programs has added the bias to these already; that of the kernel's own has not. */
static uint64_t relocated(const struct dynamic *d, uint64_t at)
{
	return at < d->bias ? at + d->bias : at;
}

static bool dynamic_take(struct dynamic *d, uint64_t at)
{
	Elf64_Dyn e;

	for (size_t i = 0; i < DYNAMIC_MAX && get(d->memory, at + i * sizeof(e), &e, sizeof(e)); i++) {
		switch (e.d_tag) {
		case DT_NULL:
			return d->symbols && d->strings && d->hash;
		case DT_SYMTAB:
			d->symbols = relocated(d, e.d_un.d_ptr);
			break;
		case DT_STRTAB:
			d->strings = relocated(d, e.d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			d->hash = relocated(d, e.d_un.d_ptr);
			break;
		}
	}
	return false;
}

/* Of the file whose beginning is mapped at start. */
static bool dynamic_open(struct dynamic *d, struct memory *m, uint64_t start)
{
	uint64_t dynamic = 0;
	bool loaded = false;
	Elf64_Ehdr h;
	Elf64_Phdr p;

	*d = (struct dynamic){.memory = m};
	if (!get(m, start, &h, sizeof(h)) || memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_phentsize != sizeof(p))
		return false;
	for (size_t i = 0; i < h.e_phnum && i < HEADERS_MAX; i++) {
		if (!get(m, start + h.e_phoff + i * sizeof(p), &p, sizeof(p)))
			return false;
		if (p.p_type == PT_LOAD && !loaded) {
			d->bias = start - (p.p_vaddr - p.p_offset) / CKPT_PAGE * CKPT_PAGE;
			loaded = true;
		}
		if (p.p_type == PT_DYNAMIC)
			dynamic = p.p_vaddr;
	}
	return dynamic && dynamic_take(d, dynamic + d->bias);
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

static bool is_named(const struct dynamic *d, const Elf64_Sym *s, const char *name)
{
	char has[NAME_MAX_LEN];
	size_t n = str_len(name) + 1;

	return s->st_shndx != SHN_UNDEF && n <= sizeof(has) && get(d->memory, d->strings + s->st_name, has, n) &&
	       !memcmp(has, name, n);
}

/* The symbol's address; 0: there is none. */
static uint64_t symbol(const struct dynamic *d, const char *name)
{
	struct {
		uint32_t nbuckets, first, bloom_words, bloom_shift;
	} h;
	uint32_t hash = gnu_hash(name), index, chain;
	uint64_t buckets, chains;
	Elf64_Sym s;

	if (!get(d->memory, d->hash, &h, sizeof(h)) || h.nbuckets == 0)
		return 0;
	buckets = d->hash + sizeof(h) + h.bloom_words * sizeof(uint64_t);
	chains = buckets + h.nbuckets * sizeof(uint32_t);
	if (!get(d->memory, buckets + hash % h.nbuckets * sizeof(uint32_t), &index, sizeof(index)) || index < h.first)
		return 0;
	for (size_t i = 0; i < CHAIN_MAX; i++, index++) {
		if (!get(d->memory, chains + (uint64_t)(index - h.first) * sizeof(chain), &chain, sizeof(chain)))
			return 0;
		if ((chain | 1) == (hash | 1) && get(d->memory, d->symbols + (uint64_t)index * sizeof(s), &s, sizeof(s)) &&
		    is_named(d, &s, name))
			return s.st_value + d->bias;
		if (chain & 1)
			return 0;
	}
	return 0;
}

/* ---- CPython ---- */

/* From 3.11 on there is a number; before, what was new in a version tells it. */
static uint32_t version_of(const struct dynamic *d)
{
	static const struct {
		const char *symbol;
		uint32_t version;
	} news[] = {
		{"PyIter_Send", 0x030a0000},
		{"Py_GenericAlias", 0x03090000},
	};
	uint64_t at = symbol(d, "Py_Version");
	uint32_t version;

	if (at && get(d->memory, at, &version, sizeof(version)))
		return version;
	for (size_t i = 0; i < ARRAY_SIZE(news); i++)
		if (symbol(d, news[i].symbol))
			return news[i].version;
	return 0;
}

static size_t read_memory(void *arg, uint64_t addr, void *buf, size_t n)
{
	return memory_read(arg, addr, buf, n);
}

static struct python_stacks *process_python(struct memory *m, const struct process *p, bool locals)
{
	const struct python_memory memory = {.read = read_memory, .arg = m};
	static struct arena arena; /* lasts */
	struct python_stacks *found;

	for (size_t i = 0; i < p->nareas; i++) {
		const struct area *a = &p->areas[i];
		struct dynamic d;
		uint64_t runtime;

		if (!(a->rec.flags & VMA_FILE) || a->rec.offset || !dynamic_open(&d, m, a->rec.start))
			continue;
		runtime = symbol(&d, "_PyRuntime");
		if (!runtime)
			continue;
		found = arena_alloc(&arena, sizeof(*found));
		if (!found)
			die("out of memory");
		python_walk(&memory, &arena, runtime, version_of(&d), locals, found);
		return found;
	}
	return NULL;
}

const char *python_version(const struct python_stacks *s, char buf[PYTHON_VERSION_MAX])
{
	uint32_t v = s->version;

	if (!v)
		return "?";
	if (v & 0xffff)
		snprintf(buf, PYTHON_VERSION_MAX, "%u.%u.%u", v >> 24, v >> 16 & 0xff, v >> 8 & 0xff);
	else
		snprintf(buf, PYTHON_VERSION_MAX, "%u.%u", v >> 24, v >> 16 & 0xff);
	return buf;
}

int python_tid(const struct process *p, const struct python_thread *t)
{
	for (size_t i = 0; i < p->nthreads; i++)
		if (p->threads[i].fs_base == t->id)
			return p->threads[i].tid;
	return 0;
}

void report_python(struct report *r, bool locals)
{
	for (size_t i = 0; i < r->nprocesses; i++) {
		struct process *p = &r->processes[i];
		struct memory *m = memory_open(r, p);

		p->python = process_python(m, p, locals);
		memory_close(m);
	}
	r->python = true;
	r->locals = locals;
}
