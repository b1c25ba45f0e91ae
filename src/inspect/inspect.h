/*
 * ckpt_inspect: what is in an image. load.c makes of its records the structures below; text.c shows
 * them to people, json.c to programs; verify.c looks at every byte.
 *
 * The image may be anything, so strings of it are never printed as they are, and all memory lasts
 * until the program ends.
 */
#ifndef CKPT_INSPECT_H
#define CKPT_INSPECT_H

#include "beside.h"
#include "image.h"
#include "records.h"

/* Sorted by stream and start. */
struct extents {
	struct image_extent *e;
	size_t n;
};

/* How much of something the image holds. */
struct share {
	uint64_t saved; /* bytes */
	double stored;	/* bytes they take in the file; a chunk's are divided among what is in it */
};

struct area {
	struct rec_vma rec;
	const char *path;
	struct share share;
};

struct file {
	struct rec_file rec;
	const char *link;
	const char *restart; /* what becomes of a regular file: "put back", …; NULL: of no other */
};

/* How a regular file was used: an enum file_use. */
struct file_used {
	uint32_t file, use;
};

struct descriptor {
	struct rec_fd rec;
	const struct file *file; /* NULL: the image does not have it */
};

/* Content kept as a stream: a deleted file, memfd, shared memory. */
struct object {
	struct rec_object rec;
	const char *name;
	struct share share;
	struct beside_file beside; /* with a file: its content lies there */
};

/* A child that has changed state and was not yet waited for. */
struct child {
	struct rec_child rec; /* comm is terminated */
};

/* A call that had not returned; the first is where the thread was. */
struct frame {
	uint64_t pc;
	const char *function; /* NULL: unknown */
	uint64_t offset;      /* of pc in it */
	const char *object;   /* file that the code is of, "" for none */
};

struct stack {
	struct frame *frames;
	size_t nframes;
};

/* Of the environment. */
struct variable {
	const char *name, *value;
	bool secret; /* looks like something that not everybody is to see */
};

struct python_stacks;
struct python_thread;

struct process {
	struct rec_process rec;
	struct share own;    /* what its writer has written */
	struct share shared; /* what others have written and this one has as well */
	const char *comm, *exe, *cwd; /* "" when absent */
	const char *cmdline;	      /* arguments, each terminated */
	size_t cmdline_len;
	const char *auxv; /* bytes of /proc/PID/auxv */
	size_t auxv_len;
	const char **warnings;
	size_t nwarnings;
	struct rec_thread *threads;
	size_t nthreads;
	struct stack *stacks; /* by thread; NULL: report_stacks() was not called */
	const struct python_stacks *python; /* NULL: no CPython, or report_python() was not called */
	struct area *areas;
	size_t nareas;
	struct file *files; /* that were saved with this process, by id */
	size_t nfiles;
	struct file_used *used;
	size_t nused;
	struct descriptor *fds;
	size_t nfds;
	struct object *objects; /* the same; any process may have written their bytes */
	size_t nobjects;
	struct rec_ipc *ipc; /* SysV objects that were saved with this process */
	size_t nipc;
	struct child *children;
	size_t nchildren;
	struct variable *environment; /* filled by report_environment() */
	size_t nenvironment;
	struct extents extents;
};

struct report {
	const char *path;
	const char *key; /* file that was given for it, NULL: none */
	struct image image;
	struct beside beside;
	struct rec_job job;
	uint64_t raw; /* bytes of all chunks, decompressed */
	struct process *processes; /* by index */
	size_t nprocesses;
	struct extents objects; /* those of all objects, whoever wrote them */
	bool verified;
	bool secrets; /* show them */
	bool python;  /* report_python() was called, */
	bool locals;  /* for variables, too */
};

/*
 * Open and read all but the chunks; dies with one line when the file is no good image. key: file with the key of an
 * encrypted one, NULL: not given.
 */
void report_load(struct report *r, const char *path, const char *key);
/* Index of the first extent of the stream that ends behind start. */
size_t extents_find(const struct extents *x, uint32_t stream, uint64_t start);
/*
 * Check every chunk and section; one line on standard error for each that is damaged. Returns how
 * many there are.
 */
size_t report_verify(struct report *r);
/* Find out what all threads were doing. */
void report_stacks(struct report *r);
/* Find the environments that the processes were started with. */
void report_environment(struct report *r);
/* What is to be shown of a variable. */
const char *variable_value(const struct report *r, const struct variable *v);
/* Find out what Python code they were running, with values of variables if locals is set. */
void report_python(struct report *r, bool locals);
enum { PYTHON_VERSION_MAX = 24 };
/* "3.11.2", "3.9", "?" */
const char *python_version(const struct python_stacks *s, char buf[PYTHON_VERSION_MAX]);
/* Which thread of the process that is; 0: none that was saved. */
int python_tid(const struct process *p, const struct python_thread *t);
/* The stacks only, of whichever kind is there. */
void report_stacks_text(const struct report *r);
void report_text(const struct report *r);
void report_json(const struct report *r);

/* Only r->job, of r->image, which is open: 0, or -errno with why filled. */
int report_job(struct report *r, struct text *why);
/* The process with this pid, or the first one for 0. Dies when there is none. */
const struct process *report_process(const struct report *r, int pid);
/*
 * Write the process as an ELF core file that debuggers open: readable for the user alone. Dies when that
 * can't be done; a file that was begun is removed.
 */
void report_core(const struct report *r, const struct process *p, const char *path);

/*
 * A regular file to write to, empty and readable for the user alone: a descriptor. Dies when that can't be had. Unless
 * output_finish() is called the file is removed at the end of the program.
 */
int output_create(const struct report *r, const char *path);
void output_finish(void);

/* "shared memory", … of an enum ipc_kind. */
const char *ipc_kind_name(uint32_t kind);
/* "regular file", "memfd", … of an enum object_kind. */
const char *object_kind_name(uint32_t kind);
/* The path, or what a /proc/PID/maps says of an area without one; "" for plain memory. */
const char *area_name(const struct area *a);
/* "ended with status 3", "ended by signal 9", "stopped by signal 19", … */
const char *child_state(const struct child *c, char buf[64]);
/* "rw-p" */
const char *area_permissions(const struct area *a, char buf[5]);
/* Of an enum file_use; NULL for an unknown one. */
const char *file_use_name(uint32_t use);
/* "r", "w", "rw", "path" */
const char *file_access(const struct file *f);

/* Names of the bits of enum vma_flag that are no part of name or permissions. */
struct vma_flag_name {
	uint32_t flag;
	const char *name;
};
extern const struct vma_flag_name vma_flag_names[]; /* ends with NULL */

#endif
