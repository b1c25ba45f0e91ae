/*
 * Where the programs that read images have the key of an encrypted one from.
 */
#ifndef CKPT_KEYS_H
#define CKPT_KEYS_H

#include "image.h"

/*
 * For image_open_sealed(): the key is in the file that option names (--key); or that CKPT_KEYFILE does; or that the
 * image does. option may be NULL.
 */
struct image_keys keys_of(const char *option);

#endif
