/*
 * Regular files, as they are saved: see regular.h for what is told apart. regular_restore.c is the other half.
 */
#include "regular.h"
#include "lock.h"
#include <unistd.h>

static bool regular_match(const struct plugin_file *f)
{
	return S_ISREG(f->mode) && f->link[0] == '/';
}

/* Does the path of the link lead to this inode? */
static bool path_leads_here(const struct plugin_file *f)
{
	struct stat st;

	return sys_call4(__NR_newfstatat, AT_FDCWD, f->link, &st, 0) == 0 && st.st_ino == f->ino &&
	       st.st_dev == f->dev;
}

/* NFS keeps a deleted file as .nfs… until it is closed. */
static bool is_nfs_remnant(const struct plugin_file *f)
{
	const char *p, *name = f->link;

	for (p = f->link; *p; p++)
		if (*p == '/')
			name = p + 1;
	return str_starts(name, ".nfs");
}

static bool is_deleted(const struct plugin_file *f)
{
	return (str_ends(f->link, " (deleted)") && !path_leads_here(f)) || is_nfs_remnant(f);
}

static enum file_use deleted_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	int err = plugin_save_object(c, f, PLUGIN_OBJECT_DELETED, f->link, !locked);

	if (err)
		plugin_refuse(c, f, "it is deleted and its content can't be read");
	else if (f->nlink)
		plugin_warn(c, f, "comes back as a file of its own: its other names are not known");
	return FILE_DELETED;
}

/*
 * Output to a file without a name is read by who started the program: a standard stream from
 * outside. Input (a here-document) is content.
 */
static bool is_output_stream(const struct plugin_file *f)
{
	return plugin_writes(f) && (f->number == 1 || f->number == 2);
}

static enum file_use in_place_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	if (plugin_save_object(c, f, PLUGIN_OBJECT_IN_PLACE, f->link, !locked)) {
		plugin_warn(c, f, "written in place, but can't be read: its content is not saved");
		return FILE_UNSAVED;
	}
	return FILE_IN_PLACE;
}

/*
 * Who may read what it has written, goes back to it: h5py, SQLite and zip files are often at their end, too. And who
 * appends can't do otherwise.
 */
static bool is_log(const struct plugin_file *f)
{
	return f->flags & O_APPEND || (!plugin_reads(f) && (uint64_t)f->pos >= f->size);
}

/* Of a log whose content can't be read, or is too large to be kept without being asked for, only the size is known. */
static enum file_use log_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	uint64_t max = f->policy == FILES_SAVE ? UINT64_MAX : f->policy == FILES_TRUNCATE ? 0 : LOG_SAVED_MAX;

	if (f->size <= max && plugin_save_object(c, f, PLUGIN_OBJECT_IN_PLACE, f->link, !locked) == 0)
		return FILE_SEQUENTIAL;
	f->object = 0;
	if (f->policy == FILES_SAVE)
		plugin_warn(c, f, "its content is not saved, as was asked for: it is cut back as a log");
	return FILE_SEQUENTIAL;
}

static enum file_use named_save(struct plugin_ctx *c, struct plugin_file *f, bool locked)
{
	bool log = is_log(f) || f->policy == FILES_TRUNCATE;

	if (!path_leads_here(f) && !f->closed)
		plugin_refuse(c, f, "its path leads to another file");
	if (!plugin_writes(f))
		return FILE_READ_ONLY;
	if (f->policy == FILES_IGNORE)
		return log ? FILE_SEQUENTIAL : FILE_UNSAVED;
	return log ? log_save(c, f, locked) : in_place_save(c, f, locked);
}

/* The shell, or whoever started the program, could open what the program itself can't by its path.
 */
static bool can_be_opened(const struct plugin_file *f)
{
	int mode = (plugin_reads(f) ? R_OK : 0) | (plugin_writes(f) ? W_OK : 0);

	return path_leads_here(f) &&
	       sys_call4(__NR_faccessat2, AT_FDCWD, f->link, mode, AT_EACCESS) != -EACCES;
}

static void regular_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct regular_state st = {.magic = REGULAR_MAGIC};
	bool locked;

	if (is_deleted(f) ? is_output_stream(f) : !can_be_opened(f) && plugin_std_numbers(c, f)) {
		plugin_outside(c, f, "it can't be opened again");
		return;
	}
	locked = !f->closed && locks_save(c, f);
	st.use = is_deleted(f) ? deleted_save(c, f, locked) : named_save(c, f, locked);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

const struct plugin plugin_regular = {
	.name = "regular",
	.match = regular_match,
	.save = regular_save,
	.share = locks_share,
	.restore = regular_restore,
	.fill = regular_fill,
};
