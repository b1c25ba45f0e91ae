/*
 * What both outputs call the same.
 */
#include <ckpt/file_use.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include "inspect.h"

const struct vma_flag_name vma_flag_names[] = {
	{VMA_DELETED, "deleted"},
	{VMA_GROWSDOWN, "growsdown"},
	{VMA_NORESERVE, "noreserve"},
	{VMA_LOCKED, "locked"},
	{VMA_LOCKONFAULT, "lockonfault"},
	{VMA_HUGEPAGE, "hugepage"},
	{VMA_NOHUGEPAGE, "nohugepage"},
	{VMA_DONTFORK, "dontfork"},
	{VMA_WIPEONFORK, "wipeonfork"},
	{VMA_DONTDUMP, "dontdump"},
	{VMA_SEQUENTIAL, "sequential"},
	{VMA_RANDOM, "random"},
	{VMA_MERGEABLE, "mergeable"},
	{VMA_HUGETLB, "hugetlb"},
	{VMA_AIO, "aio"},
	{VMA_GUARD, "guard"},
	{VMA_DROPPABLE, "droppable"},
	{VMA_SYSV, "sysv"},
	{VMA_READONLY, "readonly"},
	{0, NULL},
};

const char *ipc_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[IPC_SHM] = "shared memory",
		[IPC_SEM] = "semaphores",
		[IPC_MSG] = "message queue",
	};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "unknown";
}

const char *object_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[OBJECT_FILE] = "deleted file",
		[OBJECT_MEMFD] = "memfd",
		[OBJECT_SHMEM] = "shared memory",
		[OBJECT_MAPPED] = "file",
		[OBJECT_MAPPED_PART] = "parts of a file",
		[OBJECT_SYSV] = "SysV shared memory",
	};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "unknown";
}

const char *area_name(const struct area *a)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} kinds[] = {
		{VMA_STACK, "[stack]"}, {VMA_HEAP, "[heap]"}, {VMA_VDSO, "[vdso]"},
		{VMA_VVAR, "[vvar]"},	{VMA_AIO, "[aio]"},
	};

	for (size_t i = 0; !a->path[0] && i < ARRAY_SIZE(kinds); i++)
		if (a->rec.flags & kinds[i].flag)
			return kinds[i].name;
	return a->path;
}

const char *child_state(const struct child *c, char buf[64])
{
	static const char *const states[] = {
		[CLD_EXITED] = "ended with status",   [CLD_KILLED] = "ended by signal",
		[CLD_DUMPED] = "ended by signal",     [CLD_TRAPPED] = "stopped by signal",
		[CLD_STOPPED] = "stopped by signal", [CLD_CONTINUED] = "continued by signal",
	};
	uint32_t code = c->rec.code;

	snprintf(buf, 64, "%s %d", code < ARRAY_SIZE(states) && states[code] ? states[code] : "changed to",
		 c->rec.status);
	return buf;
}

const char *area_permissions(const struct area *a, char buf[5])
{
	buf[0] = a->rec.prot & PROT_READ ? 'r' : '-';
	buf[1] = a->rec.prot & PROT_WRITE ? 'w' : '-';
	buf[2] = a->rec.prot & PROT_EXEC ? 'x' : '-';
	buf[3] = a->rec.flags & VMA_SHARED ? 's' : 'p';
	buf[4] = 0;
	return buf;
}

const char *file_use_name(uint32_t use)
{
	static const char *const names[] = {
		[FILE_READ_ONLY] = "checked",	[FILE_SEQUENTIAL] = "cut back", [FILE_IN_PLACE] = "put back",
		[FILE_UNSAVED] = "left as it is", [FILE_DELETED] = "made anew",
	};

	return use < ARRAY_SIZE(names) ? names[use] : NULL;
}

const char *file_access(const struct file *f)
{
	if (f->rec.flags & O_PATH)
		return "path";
	switch (f->rec.flags & O_ACCMODE) {
	case O_RDONLY:
		return "r";
	case O_WRONLY:
		return "w";
	default:
		return "rw";
	}
}
