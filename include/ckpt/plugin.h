/*
 * Plugins: how one kind of open file is saved at a checkpoint and rebuilt at a restart.
 *
 * A plugin is one file, plugins/NAME.c, with both halves side by side. It is compiled into
 * libckpt.so, which calls match() and save(), and into ckpt_restart, which calls restore(), fill()
 * and attach(). What the table (plugins/table.c) lists first and matches claims the open file.
 *
 * A job may have many processes. Each saves the open files of which it is the first to have them; the
 * others only note their numbers. All processes stand still before the first save() is called, and
 * none runs before the last has returned. In a process the list of files has all of the job that could
 * matter to it: its own, and, in the ring of an inode, those that only others have (fd -1). At
 * restart one process makes the files of all.
 *
 * Both halves keep to raw system calls (ckpt/sys.h) and the functions below. save() runs while
 * every thread of the program stands still, some of them inside libc with its locks: no libc
 * function may be called there, and what the program can see must be left as it was (bytes in a
 * pipe, positions).
 *
 * At restart, in this order, each for all files before the next begins (the processes are made between
 * fill() and attach(), and restore() of what is_late is called then):
 *
 *   restore()	makes the open file. Changes nothing outside the new process: a restart may still
 *		fail because of another file.
 *   fill()	puts back content, positions and pending bytes
 *   attach()	refers to files by the descriptor numbers they had (epoll)
 *
 * then flags, owner and signal are set and the descriptors get their numbers, by no plugin's
 * doing.
 */
#ifndef CKPT_PLUGIN_H
#define CKPT_PLUGIN_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <ckpt/sys.h>

/*
 * What is to become of a file at a restart (--files): what its use says, or, because the user said so: it is
 * cut back as a log; its content is saved and put back; it is left as it is; one that has changed is gone on
 * with.
 */
enum files_policy { FILES_BY_USE, FILES_TRUNCATE, FILES_SAVE, FILES_IGNORE, FILES_FORCE };

/* What a plugin works on behalf of: the checkpoint or the restart. */
struct plugin_ctx;

/* An open file description: what descriptors made by dup(2) share. */
struct plugin_file {
	struct plugin_file *next; /* restart: in order of id */
	/*
	 * Ring of the open files of one inode: of all at restart, and of pipes, FIFOs and sockets in save();
	 * of another kind of file when plugin_file_by_inode() was asked for it.
	 */
	struct plugin_file *twin;
	const struct plugin *plugin;
	const char *link; /* text of the link /proc/self/fd/N */
	int fd;		  /* save: lowest descriptor of this process, -1: it has none; restart: ours, -1: none yet */
	int number;	  /* the lowest number it had in its process, -1: none (plugin_add_file()) */
	int process;	  /* index of the process that saves it: the first of those that have it */
	int pid;	  /* of that process */
	bool mine;	  /* save: that is this process */
	uint32_t id;	  /* from 1, one for the whole job */
	uint32_t flags;	  /* F_GETFL */
	uint32_t mode;	  /* st_mode and so on, at the checkpoint: */
	uint32_t nlink;
	int64_t pos;
	uint64_t dev, ino, rdev;
	uint64_t size;
	int64_t mtime_ns;
	uint32_t object;	   /* its content is that object, 0: none */
	bool made;		   /* restart: restore() has made it at link, which goes when others can't be restored */
	bool moved;		   /* restart: link is where it leads now (--map-path), not where it led */
	enum files_policy policy;  /* what the user said of its path (--files) */
	bool closed;		   /* it is none: number is -1, and nobody gets it at the restart */
	int32_t owner, owner_type; /* F_GETOWN_EX */
	int32_t sig;		   /* F_GETSIG */
	void *data;		   /* the plugin's own, NULL at first */
};

struct plugin {
	const char *name; /* at most 15 bytes; stands in images, so it stays */
	bool is_std;	  /* descriptors 0, 1 and 2 of such a file become ckpt_restart's own */
	bool is_late;	  /* restore() needs the processes: it is called when they are there (pidfd, /proc) */
	/* Is f, an open file of the program, of this kind? */
	bool (*match)(const struct plugin_file *f);
	/*
	 * Save: find open files that no number leads to, such as descriptors in flight in a unix socket,
	 * and plugin_add_file() each. Called for every open file that this process has of this kind,
	 * those added here included, before other processes are told what it has: so neither mine,
	 * process nor id hold yet, and f's ring has files of this process only. May be NULL.
	 */
	void (*discover)(struct plugin_ctx *c, struct plugin_file *f);
	/*
	 * Add records, or plugin_refuse(). NULL: the open file needs no more than its plugin_file.
	 * Called for files that are mine only.
	 */
	void (*save)(struct plugin_ctx *c, struct plugin_file *f);
	/*
	 * Save: the same for a file that this process has and another one saves: keep what belongs to this
	 * process and not to the open file. No records. May be NULL.
	 */
	void (*share)(struct plugin_ctx *c, struct plugin_file *f);
	/*
	 * When every save() of the job has returned, and before any process runs: undo what save() did
	 * to the file (bytes that it had to take). May be NULL.
	 */
	void (*resume)(struct plugin_ctx *c, struct plugin_file *f);
	/* Return a new descriptor, or what plugin_fail() returned. */
	int (*restore)(struct plugin_ctx *c, struct plugin_file *f);
	/* 0 or what plugin_fail() returned; may be NULL. */
	int (*fill)(struct plugin_ctx *c, struct plugin_file *f);
	int (*attach)(struct plugin_ctx *c, struct plugin_file *f);
};

/* plugins/table.c; ends with NULL. */
extern const struct plugin *const plugin_table[] __attribute__((visibility("hidden")));
/* Descriptors that the user said to leave out (--ignore). */
extern const struct plugin plugin_ignored __attribute__((visibility("hidden")));
/* Descriptors that become ckpt_restart's own (plugin_outside()). */
extern const struct plugin plugin_std __attribute__((visibility("hidden")));

/*
 * Each half finds its functions in its own program; what is not there is never called. Weak, so
 * that either program links.
 */
#define PLUGIN_CALL	 __attribute__((weak, visibility("hidden")))
#define PLUGIN_PRINTF(n) __attribute__((format(printf, n, n + 1)))

/* ---- Both halves ------------------------------------------------------------------------- */

/* Zeroed memory that lasts until the checkpoint or restart is over; NULL: none left. */
void *plugin_alloc(struct plugin_ctx *c, size_t n) PLUGIN_CALL;
/* The file with this id, NULL when there is none. */
struct plugin_file *plugin_file_by_id(struct plugin_ctx *c, uint32_t id) PLUGIN_CALL;
/* The file after f, the first one for NULL; NULL at the end. */
struct plugin_file *plugin_file_next(struct plugin_ctx *c, struct plugin_file *f) PLUGIN_CALL;
/*
 * An open file of this inode, NULL when nobody in the job has one. Save: one of this process if there is any;
 * its ring then has all of the job's; not in discover().
 */
struct plugin_file *plugin_file_by_inode(struct plugin_ctx *c, uint64_t dev,
					 uint64_t ino) PLUGIN_CALL;
/* --tcp=refuse: connections to outside the job are refused. */
bool plugin_tcp_refuse(struct plugin_ctx *c) PLUGIN_CALL;

static inline bool plugin_same_inode(const struct plugin_file *a, const struct plugin_file *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static inline bool plugin_reads(const struct plugin_file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY;
}

static inline bool plugin_writes(const struct plugin_file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* ---- Save: called with all threads standing still ---------------------------------------- */

/*
 * Of all open files of the job the one whose id comes next after *id, which becomes that; NULL at the end. Not in
 * discover().
 */
struct plugin_file *plugin_file_next_of_job(struct plugin_ctx *c, uint32_t *id) PLUGIN_CALL;
/* Is a process with this pid saved with the job? */
bool plugin_has_process(struct plugin_ctx *c, int pid) PLUGIN_CALL;
/* The file with this descriptor number, NULL when there is none. */
struct plugin_file *plugin_file_by_number(struct plugin_ctx *c, int number) PLUGIN_CALL;
/*
 * In discover(): fd is a descriptor that came to us and is none of the program's numbers. Adds the open
 * file it refers to, unless the process has that already, and returns it; in a new one fd is this
 * descriptor, and number -1. Takes it over: it is closed once the snapshot is forked, or at once when the
 * file was known. NULL after a refusal.
 */
struct plugin_file *plugin_add_file(struct plugin_ctx *c, int fd) PLUGIN_CALL;
/*
 * In save() and resume(): a word that the processes of the job share, one for each open file, 0 at first; NULL:
 * there is none. When a checkpoint is called off, others may have left before a save() here has begun: what
 * both ends must agree upon is settled by this word.
 */
uint32_t *plugin_shared_word(struct plugin_ctx *c, const struct plugin_file *f) PLUGIN_CALL;
/* Memory of n bytes that the process which saves f finds with plugin_given(); NULL: none left. */
void *plugin_give(struct plugin_ctx *c, const struct plugin_file *f, size_t n) PLUGIN_CALL;
/* What was given for f, *n bytes; NULL: nothing. */
const void *plugin_given(struct plugin_ctx *c, const struct plugin_file *f, size_t *n) PLUGIN_CALL;
/* The process can't be checkpointed because of f; the message begins "fd N (LINK): ". */
void plugin_refuse(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt,
		   ...) PLUGIN_CALL PLUGIN_PRINTF(3);
/*
 * The same, of what will have passed in a moment, when the program has gone on: nobody is told before the
 * checkpoint has been tried again for about two seconds. Only for what is seen at once, for all stand still.
 */
void plugin_refuse_for_now(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt,
			   ...) PLUGIN_CALL PLUGIN_PRINTF(3);
/* It can, but not all of f comes back. */
void plugin_warn(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt,
		 ...) PLUGIN_CALL PLUGIN_PRINTF(3);
/*
 * What f refers to reaches outside the job. One that the program got as standard stream becomes
 * ckpt_restart's own; any other is refused with the clause.
 */
void plugin_outside(struct plugin_ctx *c, struct plugin_file *f, const char *clause) PLUGIN_CALL;
/*
 * Which standard streams of the job (bit n: number n) are the same pipe, socket or terminal as f: those of
 * the first process that has it as one.
 */
uint32_t plugin_std_numbers(struct plugin_ctx *c, const struct plugin_file *f) PLUGIN_CALL;
/* Is that a process of the job? */
bool plugin_is_member(struct plugin_ctx *c, int pid) PLUGIN_CALL;
/* Text of /proc/PID/fdinfo/N, valid until the next call; NULL after a refusal. */
const char *plugin_fdinfo(struct plugin_ctx *c, const struct plugin_file *f) PLUGIN_CALL;
/*
 * Open f's inode anew, with a position of its own: a descriptor to be closed, or -errno. Closing
 * it loses fcntl(2) locks of the process.
 */
int plugin_reopen(struct plugin_ctx *c, const struct plugin_file *f, int flags) PLUGIN_CALL;
/* Is f the open file that item nr of epoll instance ep, added as number tfd, refers to? */
bool plugin_is_epoll_target(struct plugin_ctx *c, const struct plugin_file *ep, int tfd, int nr,
			    const struct plugin_file *f) PLUGIN_CALL;

/* Path of an inotify watch by its number and inode; NULL: not known. */
const char *plugin_watch_path(struct plugin_ctx *c, int wd, uint64_t ino) PLUGIN_CALL;
/*
 * The process has this fcntl(2) lock through f. It takes it again itself, after the restart and
 * when none of our descriptors, closing which would lose it, are left.
 */
void plugin_keep_lock(struct plugin_ctx *c, const struct plugin_file *f,
		      const struct flock *lock) PLUGIN_CALL;
/*
 * The process takes this item out of f, an epoll instance, and adds it again itself, after the restart: the
 * kernel has the item wait for something of the process that adds it.
 */
void plugin_keep_item(struct plugin_ctx *c, const struct plugin_file *f, int number, uint32_t events,
		      uint64_t data) PLUGIN_CALL;
/* At restart plugin_place() will be called for this number: the program may have it no longer. */
void plugin_keep_free(struct plugin_ctx *c, int number) PLUGIN_CALL;

enum plugin_object {
	PLUGIN_OBJECT_DELETED = 1, /* file without a name */
	PLUGIN_OBJECT_MEMFD,
	PLUGIN_OBJECT_IN_PLACE = 4, /* file that is there, to be put back as it was */
};
/*
 * Copy the content of f as an object: f->object is its id. The name is a path or a memfd's name.
 * may_open: open the inode anew for it, which tells where the holes are; not where that would lose
 * fcntl(2) locks. 0 or -errno.
 */
int plugin_save_object(struct plugin_ctx *c, struct plugin_file *f, enum plugin_object kind,
		       const char *name, bool may_open) PLUGIN_CALL;
/* Append a record of f: n bytes of p, then m bytes of more (NULL, 0: none). */
void plugin_put(struct plugin_ctx *c, const struct plugin_file *f, const void *p, size_t n,
		const void *more, size_t m) PLUGIN_CALL;

/* ---- Restart ----------------------------------------------------------------------------- */

/*
 * Say that f can't be restored: "fd N (LINK): MESSAGE: ERRNO"; err 0 leaves the last part away.
 * Returns a negative number, which the caller passes on.
 */
int plugin_fail(struct plugin_ctx *c, const struct plugin_file *f, int err, const char *fmt,
		...) PLUGIN_CALL PLUGIN_PRINTF(4);
/* Say that something of f does not come back. */
void plugin_caution(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt,
		    ...) PLUGIN_CALL PLUGIN_PRINTF(3);
/* The same, for those only who want to know it all (--verbose). */
void plugin_note(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt, ...) PLUGIN_CALL
	PLUGIN_PRINTF(3);
/*
 * A file is not what it was: fails like plugin_fail() unless its policy is FILES_FORCE; then it
 * is said and 0 returned.
 */
int plugin_changed(struct plugin_ctx *c, const struct plugin_file *f, const char *fmt,
		   ...) PLUGIN_CALL PLUGIN_PRINTF(3);
/*
 * The index-th record of f: copies n bytes to *p, zeroing what it does not have, and returns the
 * bytes that follow (*m of them); NULL when there is no such record.
 */
const void *plugin_get(struct plugin_ctx *c, const struct plugin_file *f, unsigned int index,
		       void *p, size_t n, size_t *m) PLUGIN_CALL;
/* Our descriptor of an object with its content in place, or -errno after saying why not. */
int plugin_object_fd(struct plugin_ctx *c, const struct plugin_file *f,
		     uint32_t object) PLUGIN_CALL;
/* ckpt_restart's own standard stream n, -1 when it has none. */
int plugin_std_fd(struct plugin_ctx *c, int n) PLUGIN_CALL;
/* Where a path of the image leads now (--map-path): path itself, or text that lasts. */
const char *plugin_moved_path(struct plugin_ctx *c, const char *path) PLUGIN_CALL;
/* CLOCK_REALTIME, in ns, at which the job stood still for the checkpoint. */
int64_t plugin_saved_at(struct plugin_ctx *c) PLUGIN_CALL;
/* Rename what stands at path, beside f, to PATH.ckpt-aside-N, which nothing has; noted. 0 or -errno. */
int plugin_set_aside(struct plugin_ctx *c, const struct plugin_file *f, const char *path) PLUGIN_CALL;
/* The path beside f's own that leads to f's inode now, as that of a log that was rotated; NULL: none, or it needs none. */
const char *plugin_renamed(struct plugin_ctx *c, const struct plugin_file *f) PLUGIN_CALL;
/* Undo that: what stands at f's own path is set aside. 0 or -errno. */
int plugin_rename_back(struct plugin_ctx *c, const struct plugin_file *f, const char *path) PLUGIN_CALL;
/* Open the inode behind our descriptor fd anew: a descriptor or -errno. */
int plugin_open_again(int fd, uint32_t flags) PLUGIN_CALL;
/*
 * Call fn(arg) in a process that has this pid and shares our descriptors and memory: for what records
 * the pid of its maker (SO_PEERCRED, SCM_CREDENTIALS). Not in attach(): the pid is taken then. Returns
 * what fn did, or -errno.
 */
int plugin_as_pid(struct plugin_ctx *c, int pid, int (*fn)(void *arg), void *arg) PLUGIN_CALL;
/*
 * In fill(): our descriptor fd is of the terminal that a session has as controlling one, with this process
 * group in the foreground; a copy is kept. 0 or -errno.
 */
int plugin_session_tty(struct plugin_ctx *c, int session, int foreground, int fd) PLUGIN_CALL;
/* A path that leads to what our descriptor fd refers to; valid until the next call. */
const char *plugin_fd_path(struct plugin_ctx *c, int fd) PLUGIN_CALL;
/* In attach(): make f appear as number; 0 or -errno. Lasts until the next call for the number. */
int plugin_place(struct plugin_ctx *c, const struct plugin_file *f, int number) PLUGIN_CALL;

/* Flags of an open file that open(2) takes again. */
static inline int plugin_open_flags(uint32_t flags)
{
	return flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT | O_NOATIME |
			O_NOFOLLOW | O_DIRECTORY | O_PATH);
}

/* ---- Text: part of lib/core, which both programs have ------------------------------------ */

/* Name of an errno or -errno. */
const char *errno_name(int err);
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
size_t str_len(const char *s);
/* Parse digits at *p and move it behind them. */
uint64_t parse_dec(const char **p);
uint64_t parse_hex(const char **p);
uint64_t parse_oct(const char **p);
bool parse_skip(const char **p, const char *prefix);
/* Behind "key" and white space, in the first line that starts with key; NULL when there is none. */
const char *proc_field(const char *text, const char *key);

/* The line after the one p is in; "" at the end. */
static inline const char *text_next_line(const char *p)
{
	while (*p && *p++ != '\n')
		;
	return p;
}

/* In the rest of p's line, the first character behind key and blanks; NULL when it is not there. */
static inline const char *text_in_line(const char *p, const char *key)
{
	while (*p && *p != '\n' && !str_starts(p, key))
		p++;
	if (!*p || *p == '\n')
		return NULL;
	p += str_len(key);
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

#endif
