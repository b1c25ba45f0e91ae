/*
 * Native stacks: libunwind walks the saved memory of a thread from its registers on, by the tables for unwinding
 * that the ELF files have in memory (.eh_frame_hdr, of the Linux Standard Base).
 */
#include <libunwind.h>
#include <stdlib.h>
#include "die.h"
#include "modules.h"
#include "registers.h"

enum { FRAMES_MAX = 10000 };

/* Of libunwind, for who finds the tables himself. */
#define dwarf_search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
int dwarf_search_unwind_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *table, unw_proc_info_t *to,
			      int need_unwind_info, void *arg);

struct unwinder {
	struct memory *memory;
	struct modules *modules;
	struct registers registers;
};

/* ---- what libunwind asks for ---- */

/* DWARF pointer encodings of the headers that linkers write: 4 bytes, relative to here, or to the table. */
enum { EH_VERSION = 1, EH_PCREL_SDATA4 = 0x1b, EH_UDATA4 = 0x03, EH_DATAREL_SDATA4 = 0x3b };

struct eh_frame_hdr {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *to, int need_unwind_info, void *arg)
{
	struct unwinder *u = arg;
	const struct module *m = module_at(u->modules, ip);
	struct eh_frame_hdr h;
	unw_dyn_info_t table = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};

	if (!m || !m->eh_frame_hdr || memory_read(u->memory, m->eh_frame_hdr, &h, sizeof(h)) != sizeof(h))
		return -UNW_ENOINFO;
	if (h.version != EH_VERSION || h.frame_encoding != EH_PCREL_SDATA4 || h.count_encoding != EH_UDATA4 ||
	    h.table_encoding != EH_DATAREL_SDATA4)
		return -UNW_ENOINFO;
	table.start_ip = m->start;
	table.end_ip = m->end;
	table.u.rti.segbase = m->eh_frame_hdr;
	table.u.rti.table_data = m->eh_frame_hdr + sizeof(h);
	table.u.rti.table_len = h.count * 2 * sizeof(int32_t) / sizeof(unw_word_t);
	return dwarf_search_unwind_table(as, ip, &table, to, need_unwind_info, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *info, void *arg)
{
	(void)as;
	(void)info;
	(void)arg;
}

static int get_dyn_info_list_addr(unw_addr_space_t as, unw_word_t *to, void *arg)
{
	(void)as;
	(void)to;
	(void)arg;
	return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t at, unw_word_t *word, int write, void *arg)
{
	struct unwinder *u = arg;

	(void)as;
	if (write || memory_read(u->memory, at, word, sizeof(*word)) != sizeof(*word))
		return -UNW_EINVAL;
	return 0;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t n, unw_word_t *word, int write, void *arg)
{
	const struct user_regs_struct *r = &((struct unwinder *)arg)->registers.general;
	const unsigned long long values[] = {
		[UNW_X86_64_RAX] = r->rax, [UNW_X86_64_RDX] = r->rdx, [UNW_X86_64_RCX] = r->rcx,
		[UNW_X86_64_RBX] = r->rbx, [UNW_X86_64_RSI] = r->rsi, [UNW_X86_64_RDI] = r->rdi,
		[UNW_X86_64_RBP] = r->rbp, [UNW_X86_64_RSP] = r->rsp, [UNW_X86_64_R8] = r->r8,
		[UNW_X86_64_R9] = r->r9,   [UNW_X86_64_R10] = r->r10, [UNW_X86_64_R11] = r->r11,
		[UNW_X86_64_R12] = r->r12, [UNW_X86_64_R13] = r->r13, [UNW_X86_64_R14] = r->r14,
		[UNW_X86_64_R15] = r->r15, [UNW_X86_64_RIP] = r->rip,
	};

	(void)as;
	if (write || n < 0 || (size_t)n >= ARRAY_SIZE(values))
		return -UNW_EBADREG;
	*word = values[n];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t n, unw_fpreg_t *to, int write, void *arg)
{
	(void)as;
	(void)n;
	(void)to;
	(void)write;
	(void)arg;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as;
	(void)cursor;
	(void)arg;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t at, char *name, size_t n, unw_word_t *offset, void *arg)
{
	(void)as;
	(void)at;
	(void)name;
	(void)n;
	(void)offset;
	(void)arg;
	return -UNW_ENOINFO;
}

/* ---- one thread ---- */

/* A caller's pc is behind the call, which may be the last of its function. */
static void frame_add(struct unwinder *u, struct stack *s, uint64_t pc)
{
	uint64_t in = s->nframes ? pc - 1 : pc;
	const struct module *m = module_at(u->modules, in);
	struct frame *f;

	if ((s->nframes & (s->nframes - 1)) == 0) {
		s->frames = reallocarray(s->frames, s->nframes ? s->nframes * 2 : 1, sizeof(*s->frames));
		if (!s->frames)
			die("out of memory");
	}
	f = &s->frames[s->nframes++];
	*f = (struct frame){.pc = pc, .object = m ? m->path : ""};
	f->function = m ? module_function(m, in, &f->offset) : NULL;
	if (f->function)
		f->offset += pc - in;
}

static void unwind(struct unwinder *u, unw_addr_space_t as, struct stack *s)
{
	unw_cursor_t cursor;
	unw_word_t pc, sp, before = 0;

	if (unw_init_remote(&cursor, as, u) < 0)
		return;
	do {
		if (unw_get_reg(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0 || unw_get_reg(&cursor, UNW_REG_SP, &sp) < 0)
			return;
		if (s->nframes && sp <= before) /* a damaged stack may be a ring */
			return;
		before = sp;
		frame_add(u, s, pc);
	} while (s->nframes < FRAMES_MAX && unw_step(&cursor) > 0);
}

static void process_stacks(const struct report *r, struct process *p, unw_addr_space_t as)
{
	struct unwinder u = {.memory = memory_open(r, p)};

	u.modules = modules_open(u.memory);
	p->stacks = calloc(p->nthreads ? p->nthreads : 1, sizeof(*p->stacks));
	if (!p->stacks)
		die("out of memory");
	for (size_t i = 0; i < p->nthreads; i++) {
		registers_read(u.memory, &p->threads[i], &u.registers);
		free(u.registers.xstate);
		unw_flush_cache(as, 0, 0);
		unwind(&u, as, &p->stacks[i]);
	}
}

void report_stacks(struct report *r)
{
	unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = get_dyn_info_list_addr,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = access_fpreg,
		.resume = resume,
		.get_proc_name = get_proc_name,
	};
	unw_addr_space_t as = unw_create_addr_space(&accessors, 0);

	if (!as)
		die("out of memory");
	for (size_t i = 0; i < r->nprocesses; i++)
		process_stacks(r, &r->processes[i], as);
	unw_destroy_addr_space(as);
}
