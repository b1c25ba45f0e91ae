/*
 * regular.c and regular_restore.c: what they keep of a regular file, and what is asked of it in both.
 *
 * How a file was used when it was saved says how it comes back, unless the user has said so (--files):
 *
 *	read only	it must be what it was (size and time)
 *	sequential	a log: opened to append, or only for writing and at its end. Cut back to the size it had.
 *			Of a small one the content is in the image, too: it may have been begun anew since
 *	in place	may be written anywhere (HDF5, SQLite): its content is saved with the image and put back
 *	unsaved		the same, but its content is not saved: left as it is
 *	deleted		no name leads to it: content in the image, made anew without a name
 *
 * A log that was rotated is found by its inode. A file that is gone, and whose content is saved, is made anew. One
 * that is another file under the same name now, or shorter, is an error unless the user said force. The same inode,
 * or the same size and time (a copy), is the same file.
 */
#ifndef PLUGIN_REGULAR_H
#define PLUGIN_REGULAR_H

#include <ckpt/file_use.h>
#include <ckpt/plugin.h>

enum { LOG_SAVED_MAX = 64 << 10 }; /* bytes of a log whose content is saved, too */

int regular_restore(struct plugin_ctx *c, struct plugin_file *f) __attribute__((visibility("hidden")));
int regular_fill(struct plugin_ctx *c, struct plugin_file *f) __attribute__((visibility("hidden")));

#endif
