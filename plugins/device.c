/* Devices that hold no state: the memory devices of the kernel. */
#include <ckpt/plugin.h>
#include <sys/sysmacros.h>

enum { MEMORY_DEVICES = 1 };

static bool device_match(const struct plugin_file *f)
{
	static const uint8_t minors[] = {3 /* null */, 5 /* zero */, 7 /* full */, 8 /* random */,
					 9 /* urandom */};
	size_t i;

	if (!S_ISCHR(f->mode) || major(f->rdev) != MEMORY_DEVICES)
		return false;
	for (i = 0; i < sizeof(minors); i++)
		if (minor(f->rdev) == minors[i])
			return true;
	return false;
}

static int device_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	int fd = sys_open(f->link, plugin_open_flags(f->flags) | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return plugin_fail(c, f, fd, "can't be opened again");
	if (sys_call2(__NR_fstat, fd, &st) || st.st_rdev != f->rdev)
		return plugin_fail(c, f, 0, "is another device now");
	return fd;
}

const struct plugin plugin_device = {
	.name = "device",
	.match = device_match,
	.restore = device_restore,
};
