/*
 * What makes an image unreadable without its key, and unchangeable: libsodium's secretstream for chunks and
 * sections, each a stream of one message with a nonce of its own; keyed BLAKE2b for what stays in the clear.
 *
 * The keys of an image are derived from the one in the user's file and from a salt in the header, so
 * nothing of one image fits into another. What a message is bound to (struct image_bound) is
 * authenticated with it: it opens at its own place only.
 *
 * Of libsodium nothing is called that allocates, locks or opens. sodium_init() would; all it does that
 * counts here is to choose code for this CPU, and to have randombytes_buf() and sodium_misuse(), which are
 * below, without libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sodium.h>
#include <sys/stat.h>
#include "image.h"

#define STREAM(f) crypto_secretstream_xchacha20poly1305_##f

_Static_assert(IMAGE_SEAL == STREAM(HEADERBYTES) + STREAM(ABYTES), "what a seal takes");
_Static_assert(IMAGE_SEAL_FRONT == STREAM(HEADERBYTES) + 1, "its part before the message");
_Static_assert(IMAGE_KEY_BYTES == STREAM(KEYBYTES), "one key");
_Static_assert(IMAGE_SALT_BYTES == crypto_generichash_blake2b_SALTBYTES, "one salt");

/* ---- libsodium without libc ---- */

void randombytes_buf(void *const buf, const size_t n)
{
	for (size_t at = 0; at < n;) {
		long got = sys_call3(__NR_getrandom, (uint8_t *)buf + at, n - at, 0);

		if (got < 0 && got != -EINTR)
			__builtin_trap();
		at += got < 0 ? 0 : got;
	}
}

/* Called for an argument that can't be: nothing sensible can follow. */
void sodium_misuse(void)
{
	__builtin_trap();
}

/* What sodium_init() calls of the archive; its headers do not name them. */
int _sodium_runtime_get_cpu_features(void);
int _crypto_stream_chacha20_pick_best_implementation(void);
int _crypto_onetimeauth_poly1305_pick_best_implementation(void);

void image_crypto_init(void)
{
	_sodium_runtime_get_cpu_features();
	_crypto_stream_chacha20_pick_best_implementation();
	_crypto_onetimeauth_poly1305_pick_best_implementation();
}

/*
 * Overwrite what the functions that were called have left of keys below us: compilers keep words of them on the
 * stack, which no library can see.
 */
static void wipe_stack(void)
{
	enum { DEEPEST = 8 << 10 };

	sodium_stackzero(DEEPEST);
}

/* ---- keys ---- */

static void derive(void *out, size_t n, const uint8_t *master, const uint8_t *salt, const char *purpose)
{
	uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};

	__builtin_memcpy(personal, purpose, str_len(purpose));
	crypto_generichash_blake2b_salt_personal(out, n, NULL, 0, master, IMAGE_KEY_BYTES, salt, personal);
}

void image_key_derive(struct image_key *k, const uint8_t *master, const uint8_t *salt)
{
	image_crypto_init();
	derive(k->seal, sizeof(k->seal), master, salt, "ckpt image seal");
	derive(k->mac, sizeof(k->mac), master, salt, "ckpt image mac");
	derive(k->check, sizeof(k->check), master, salt, "ckpt image check");
	k->on = 1;
	wipe_stack();
}

void image_key_wipe(void *key, size_t n)
{
	sodium_memzero(key, n);
}

/* The bytes of a key file: the key as it is, or in hexadecimal or base64. */
static bool key_parse(const char *text, size_t n, uint8_t *master)
{
	static const char blanks[] = " \t\r\n";
	size_t len = 0;

	if (n == IMAGE_KEY_BYTES) {
		__builtin_memcpy(master, text, n);
		return true;
	}
	if (sodium_hex2bin(master, IMAGE_KEY_BYTES, text, n, blanks, &len, NULL) == 0 && len == IMAGE_KEY_BYTES)
		return true;
	return sodium_base642bin(master, IMAGE_KEY_BYTES, text, n, blanks, &len, NULL,
				 sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       len == IMAGE_KEY_BYTES;
}

static int refuse_key(struct text *why, const char *path, const char *reason)
{
	text_put(why, "the key file %s %s", path, reason);
	return -ENOKEY;
}

/* Of a file that is open: 0 or -ENOKEY. */
static int key_read_fd(int fd, const char *path, uint8_t *master, struct text *why)
{
	char text[IMAGE_KEY_BYTES * 4];
	struct stat st;
	ssize_t n = sys_call2(__NR_fstat, fd, &st);
	bool good;

	if (n < 0)
		return refuse_key(why, path, errno_name(n));
	if (!S_ISREG(st.st_mode))
		return refuse_key(why, path, "is not a regular file");
	if (st.st_uid != (uid_t)sys_call0(__NR_geteuid))
		return refuse_key(why, path, "belongs to another user");
	if (st.st_mode & 077)
		return refuse_key(why, path, "is open to others: chmod 600 first");
	n = io_read(fd, text, sizeof(text));
	good = n > 0 && key_parse(text, n, master);
	sodium_memzero(text, sizeof(text));
	if (n < 0)
		return refuse_key(why, path, errno_name(n));
	return good ? 0 : refuse_key(why, path, "has no key in it: 32 bytes, or those in hexadecimal or base64");
}

int image_key_read(const char *path, uint8_t *master, struct text *why)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0), r;

	if (fd < 0) {
		text_put(why, "the key file %s can't be opened: %s", path, errno_name(fd));
		return -ENOKEY;
	}
	r = key_read_fd(fd, path, master, why);
	sys_close(fd);
	wipe_stack();
	if (r < 0)
		sodium_memzero(master, IMAGE_KEY_BYTES);
	return r;
}

/* ---- sealing ---- */

void image_seal(const struct image_key *k, const struct image_bound *bound, const void *in, size_t n, void *out)
{
	STREAM(state) state;
	uint8_t *p = out;

	STREAM(init_push)(&state, p, k->seal);
	STREAM(push)(&state, p + STREAM(HEADERBYTES), NULL, in, n, (const uint8_t *)bound, sizeof(*bound),
		     STREAM(TAG_FINAL));
	sodium_memzero(&state, sizeof(state));
	wipe_stack();
}

int image_unseal(const struct image_key *k, const struct image_bound *bound, const void *in, size_t n, void *out)
{
	STREAM(state) state;
	const uint8_t *p = in;
	uint8_t tag = 0;
	int r;

	if (n < IMAGE_SEAL || STREAM(init_pull)(&state, p, k->seal))
		return -EBADMSG;
	r = STREAM(pull)(&state, out, NULL, &tag, p + STREAM(HEADERBYTES), n - STREAM(HEADERBYTES),
			 (const uint8_t *)bound, sizeof(*bound));
	sodium_memzero(&state, sizeof(state));
	wipe_stack();
	return r == 0 && tag == STREAM(TAG_FINAL) ? 0 : -EBADMSG;
}

/* ---- what stays in the clear ---- */

void image_mac(const struct image_key *k, const struct image_header *h, const void *footer, size_t n,
	       const struct image_trailer *t, uint8_t *mac)
{
	struct image_trailer bare = *t;
	crypto_generichash_blake2b_state state;

	__builtin_memset(bare.mac, 0, sizeof(bare.mac));
	crypto_generichash_blake2b_init(&state, k->mac, sizeof(k->mac), sizeof(bare.mac));
	crypto_generichash_blake2b_update(&state, (const uint8_t *)h, sizeof(*h));
	crypto_generichash_blake2b_update(&state, footer, n);
	crypto_generichash_blake2b_update(&state, (const uint8_t *)&bare, offsetof(struct image_trailer, checksum));
	crypto_generichash_blake2b_final(&state, mac, sizeof(bare.mac));
	sodium_memzero(&state, sizeof(state));
	wipe_stack();
}

bool image_mac_same(const uint8_t *a, const uint8_t *b)
{
	return crypto_verify_16(a, b) == 0;
}
