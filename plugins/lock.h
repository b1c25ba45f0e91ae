/* lock.c: locks on a file, of whatever plugin the file is. */
#ifndef PLUGIN_LOCK_H
#define PLUGIN_LOCK_H

#include <ckpt/plugin.h>

/*
 * Append the locks held through f or, for those of fcntl(2), on its inode, to f's records. True
 * when the file must not be opened and closed again: that loses locks of fcntl(2) and breaks
 * leases.
 */
bool locks_save(struct plugin_ctx *c, const struct plugin_file *f)
	__attribute__((visibility("hidden")));
/*
 * Take again the locks that belong to the open file (flock, OFD, leases), and see that those of
 * fcntl(2) are free. 0, or what plugin_fail() returned when someone else has one now.
 */
int locks_restore(struct plugin_ctx *c, const struct plugin_file *f)
	__attribute__((visibility("hidden")));

/*
 * Of a file that another process saves: keep the fcntl(2) locks that this process has through it. The others
 * are the open file's.
 */
void locks_share(struct plugin_ctx *c, struct plugin_file *f) __attribute__((visibility("hidden")));

#endif
