#include <errno.h>
#include <stdlib.h>
#include "keys.h"

static int find(const struct image_keys *keys, const char *named, uint8_t *master, char *file, struct text *why)
{
	const char *env = getenv("CKPT_KEYFILE");
	const char *path = keys->path ? keys->path : env && *env ? env : named;

	if (!*path) {
		text_put(why, "encrypted, and no key file is named (--key FILE or CKPT_KEYFILE)");
		return -ENOKEY;
	}
	if (!str_copy(file, path, IMAGE_KEY_PATH_MAX)) {
		text_put(why, "the name of the key file is too long");
		return -ENOKEY;
	}
	return image_key_read(path, master, why);
}

struct image_keys keys_of(const char *option)
{
	return (struct image_keys){find, option};
}
