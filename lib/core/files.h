/*
 * files.c: what the user wants to become of files, by pattern: the text of --files and CKPT_FILES,
 *
 *	POLICY[:GLOB][,POLICY[:GLOB]...]
 *
 * POLICY is truncate, save, ignore or force. A GLOB is held against the whole path when there is a '/' in it,
 * else against the last name; without one the policy is for all files. Of the patterns that match the last
 * holds. Frozen-safe.
 */
#ifndef CKPT_FILES_H
#define CKPT_FILES_H

#include <ckpt/plugin.h>
#include "core.h"

#define FILES_EXPECTED                                                                                     \
	"truncate, save, ignore or force, each with :GLOB for some files only, several with commas, "      \
	"511 characters at most"

/* Is that such a text? "" is one. */
bool files_valid(const char *list);
/* What it says of the file at path; FILES_BY_USE: nothing. */
enum files_policy files_policy(const char *list, const char *path);
/* The same, of patterns that have a GLOB only. */
enum files_policy files_policy_named(const char *list, const char *path);
/*
 * Append more to the list, of at most n bytes with its end: 0, -EINVAL when it is not valid, -ENAMETOOLONG.
 */
int files_add(char *list, size_t n, const char *more);
/* "by use", "truncate", ... */
const char *files_policy_name(enum files_policy policy);

#endif
