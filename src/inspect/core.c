/*
 * An ELF core file of one process (core(5)): headers and notes as the kernel writes them (fs/binfmt_elf.c), and all
 * of its memory, with holes where there are zeros only.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>
#include "die.h"
#include "registers.h"

enum { BLOCK = 1 << 20, NOTE_ALIGN = 4 };

struct core {
	const struct report *r;
	const struct process *p;
	struct memory *memory;
	const char *path;
	int fd;
	struct blob notes;
	Elf64_Phdr *segments; /* of areas */
	const struct area **areas;
	size_t nsegments;
};

static void __attribute__((noreturn)) fail(const struct core *c)
{
	die("cannot write %s:", c->path);
}

static void *grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		die("out of memory");
	return p;
}

/* ---- notes ---- */

static void put(struct blob *b, const void *p, size_t n, size_t align)
{
	static const char zeros[NOTE_ALIGN];

	blob_put(b, p, n);
	blob_put(b, zeros, ALIGN_UP(n, align) - n);
	if (b->err)
		die("out of memory");
}

static void note(struct core *c, const char *name, uint32_t type, const void *p, size_t n)
{
	Elf64_Nhdr h = {.n_namesz = strlen(name) + 1, .n_descsz = n, .n_type = type};

	put(&c->notes, &h, sizeof(h), 1);
	put(&c->notes, name, h.n_namesz, NOTE_ALIGN);
	put(&c->notes, p, n, NOTE_ALIGN);
}

static void note_thread(struct core *c, const struct rec_thread *t)
{
	const struct rec_process *p = &c->p->rec;
	struct elf_prstatus s = {.pr_pid = t->tid, .pr_ppid = p->ppid, .pr_pgrp = p->pgid, .pr_sid = p->sid};
	struct registers regs;

	registers_read(c->memory, t, &regs);
	_Static_assert(sizeof(s.pr_reg) == sizeof(regs.general), "elf_gregset_t");
	memcpy(&s.pr_reg, &regs.general, sizeof(s.pr_reg));
	s.pr_fpvalid = regs.xstate != NULL;
	note(c, "CORE", NT_PRSTATUS, &s, sizeof(s));
	if (regs.xstate)
		note(c, "CORE", NT_FPREGSET, regs.xstate, sizeof(struct user_fpregs_struct));
	if (regs.xstate_len > sizeof(struct user_fpregs_struct))
		note(c, "LINUX", NT_X86_XSTATE, regs.xstate, regs.xstate_len);
	free(regs.xstate);
}

/* Debuggers take the first thread for the one to begin with. */
static void note_threads(struct core *c)
{
	for (int main_first = 1; main_first >= 0; main_first--)
		for (size_t i = 0; i < c->p->nthreads; i++)
			if ((c->p->threads[i].tid == c->p->rec.pid) == main_first)
				note_thread(c, &c->p->threads[i]);
}

static void note_process(struct core *c)
{
	const struct process *p = c->p;
	struct elf_prpsinfo info = {
		.pr_sname = 'S',
		.pr_uid = p->rec.uid,
		.pr_gid = p->rec.gid,
		.pr_pid = p->rec.pid,
		.pr_ppid = p->rec.ppid,
		.pr_pgrp = p->rec.pgid,
		.pr_sid = p->rec.sid,
	};
	size_t n = p->cmdline_len < sizeof(info.pr_psargs) ? p->cmdline_len : sizeof(info.pr_psargs) - 1;

	strncpy(info.pr_fname, p->comm, sizeof(info.pr_fname) - 1);
	memcpy(info.pr_psargs, p->cmdline, n);
	for (size_t i = 0; i + 1 < n; i++)
		if (info.pr_psargs[i] == 0)
			info.pr_psargs[i] = ' ';
	note(c, "CORE", NT_PRPSINFO, &info, sizeof(info));
	note(c, "CORE", NT_AUXV, p->auxv, p->auxv_len);
}

static bool is_of_file(const struct area *a)
{
	return a->rec.flags & VMA_FILE && !(a->rec.flags & VMA_GUARD) && *a->path;
}

/* Which file is mapped where: count and page size, three words each, then the names. */
static void note_files(struct core *c)
{
	uint64_t head[2] = {0, CKPT_PAGE};
	struct blob b = {0};

	for (size_t i = 0; i < c->p->nareas; i++)
		head[0] += is_of_file(&c->p->areas[i]);
	put(&b, head, sizeof(head), 1);
	for (size_t i = 0; i < c->p->nareas; i++) {
		const struct rec_vma *v = &c->p->areas[i].rec;
		uint64_t words[] = {v->start, v->end, v->offset / CKPT_PAGE};

		if (is_of_file(&c->p->areas[i]))
			put(&b, words, sizeof(words), 1);
	}
	for (size_t i = 0; i < c->p->nareas; i++)
		if (is_of_file(&c->p->areas[i]))
			put(&b, c->p->areas[i].path, strlen(c->p->areas[i].path) + 1, 1);
	note(c, "CORE", NT_FILE, b.data, b.len);
	blob_free(&b);
}

/* ---- segments ---- */

/* Is there anything in it at all? What is only reserved may be larger than a file can be. */
static bool is_readable(const struct core *c, const struct area *a)
{
	char byte;

	if (!a->share.saved && !(a->rec.prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return false;
	return a->share.saved || memory_read(c->memory, a->rec.start, &byte, 1) == 1;
}

static uint32_t permissions(uint32_t prot)
{
	return (prot & PROT_READ ? PF_R : 0) | (prot & PROT_WRITE ? PF_W : 0) | (prot & PROT_EXEC ? PF_X : 0);
}

static void segments_make(struct core *c)
{
	size_t n = c->p->nareas + 1;

	c->segments = grow(NULL, n * sizeof(*c->segments));
	c->areas = grow(NULL, n * sizeof(*c->areas));
	for (size_t i = 0; i < c->p->nareas; i++) {
		const struct area *a = &c->p->areas[i];
		uint64_t len = a->rec.end - a->rec.start;

		if (a->rec.flags & VMA_GUARD)
			continue;
		c->areas[c->nsegments] = a;
		c->segments[c->nsegments++] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = permissions(a->rec.prot),
			.p_vaddr = a->rec.start,
			.p_filesz = is_readable(c, a) ? len : 0,
			.p_memsz = len,
			.p_align = CKPT_PAGE,
		};
	}
}

/* ---- the file ---- */

static void write_at(const struct core *c, const void *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t done = pwrite(c->fd, p, n, at);

		if (done < 0)
			fail(c);
		p = (const char *)p + done;
		n -= done;
		at += done;
	}
}

/* More program headers than e_phnum can count are counted in a section header. */
static uint64_t headers_write(struct core *c)
{
	uint64_t nph = c->nsegments + 1, at = sizeof(Elf64_Ehdr) + nph * sizeof(Elf64_Phdr);
	Elf64_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(e),
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = nph < PN_XNUM ? nph : PN_XNUM,
	};
	Elf64_Shdr many = {.sh_info = nph, .sh_size = 1};
	Elf64_Phdr notes = {.p_type = PT_NOTE, .p_filesz = c->notes.len, .p_align = NOTE_ALIGN};

	if (nph >= PN_XNUM) {
		e.e_shoff = at;
		e.e_shentsize = sizeof(many);
		e.e_shnum = 1;
		write_at(c, &many, sizeof(many), at);
		at += sizeof(many);
	}
	notes.p_offset = at;
	write_at(c, c->notes.data, c->notes.len, at);
	at = ALIGN_UP(at + c->notes.len, CKPT_PAGE);
	for (size_t i = 0; i < c->nsegments; i++) {
		c->segments[i].p_offset = at;
		at += c->segments[i].p_filesz;
	}
	write_at(c, &e, sizeof(e), 0);
	write_at(c, &notes, sizeof(notes), sizeof(e));
	write_at(c, c->segments, c->nsegments * sizeof(*c->segments), sizeof(e) + sizeof(notes));
	return at;
}

/* What can't be read of an area that is there, like a file that has changed, is left as zeros. */
static void segment_write(struct core *c, size_t i, char *block)
{
	const struct area *a = c->areas[i];
	uint64_t at = a->rec.start, start, end;

	while (memory_next(c->memory, a, at, &start, &end)) {
		size_t n = end - start < BLOCK ? end - start : BLOCK;
		size_t got = memory_read(c->memory, start, block, n);

		write_at(c, block, got, c->segments[i].p_offset + (start - a->rec.start));
		at = start + (got ? got : CKPT_PAGE);
	}
}

void report_core(const struct report *r, const struct process *p, const char *path)
{
	struct core c = {.r = r, .p = p, .memory = memory_open(r, p), .path = path};
	char *block = grow(NULL, BLOCK);

	note_process(&c);
	note_files(&c);
	note_threads(&c);
	segments_make(&c);
	c.fd = output_create(r, path);
	if (ftruncate(c.fd, headers_write(&c)) < 0)
		fail(&c);
	for (size_t i = 0; i < c.nsegments; i++)
		if (c.segments[i].p_filesz)
			segment_write(&c, i, block);
	if (close(c.fd) < 0)
		fail(&c);
	output_finish();
	free(block);
	blob_free(&c.notes);
	free(c.segments);
	free(c.areas);
}
