/*
 * Which pages exist: ioctl(PAGEMAP_SCAN) of Linux 6.7 where there is one, else the bits of
 * /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include "preload.h"
#include "frozen.h"

/* As in Linux 6.7's <linux/fs.h>, which older headers lack. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end;
	uint64_t vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
	uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
enum {
	IS_FILE = 1 << 2,
	IS_PRESENT = 1 << 3,
	IS_SWAPPED = 1 << 4,
	IS_ZERO = 1 << 5,
	IS_GUARD = 1 << 8, /* Linux 6.15 */
};

/* Bits of an entry of pagemap. */
#define PM_PRESENT (1ull << 63)
#define PM_SWAPPED (1ull << 62)
#define PM_FILE	   (1ull << 61)

int page_scan_open(struct page_scan *ps)
{
	*ps = (struct page_scan){.fd = sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0)};
	return ps->fd < 0 ? ps->fd : 0;
}

typedef int page_fn(void *arg, uint64_t start, uint64_t end, enum page_kind kind);

static int region_report(const struct scan_region *r, page_fn *fn, void *arg)
{
	if (r->categories & IS_GUARD)
		return fn(arg, r->start, r->end, PAGE_GUARD);
	if (r->categories & IS_ZERO)
		return 0;
	return fn(arg, r->start, r->end, r->categories & IS_FILE ? PAGE_OF_FILE : PAGE_OWN);
}

static int scan_by_ioctl(struct page_scan *ps, uint64_t start, uint64_t end, page_fn *fn, void *arg)
{
	struct scan_region vec[128];
	uint64_t guard = ps->no_guard ? 0 : IS_GUARD;

	while (start < end) {
		struct scan_arg a = {
			.size = sizeof(a),
			.start = start,
			.end = end,
			.vec = (uint64_t)vec,
			.vec_len = ARRAY_SIZE(vec),
			.category_anyof_mask = IS_PRESENT | IS_SWAPPED | guard,
			.return_mask = IS_PRESENT | IS_SWAPPED | IS_FILE | IS_ZERO | guard,
		};
		int n = sys_ioctl(ps->fd, SCAN_IOCTL, &a);

		if (n == -EINVAL && !ps->no_guard) {
			ps->no_guard = 1;
			return scan_by_ioctl(ps, start, end, fn, arg);
		}
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			int r = region_report(&vec[i], fn, arg);

			if (r)
				return r;
		}
		start = a.walk_end;
	}
	return 0;
}

static int pagemap_kind(uint64_t entry)
{
	if (!(entry & (PM_PRESENT | PM_SWAPPED)))
		return -1;
	return entry & PM_FILE ? PAGE_OF_FILE : PAGE_OWN;
}

static int scan_by_read(struct page_scan *ps, uint64_t start, uint64_t end, page_fn *fn, void *arg)
{
	uint64_t entry[512];

	while (start < end) {
		uint64_t pages = (end - start) / CKPT_PAGE, run = 0;
		int r;

		if (pages > ARRAY_SIZE(entry))
			pages = ARRAY_SIZE(entry);
		r = io_pread(ps->fd, entry, pages * 8, start / CKPT_PAGE * 8);
		if (r < 0)
			return r;
		for (uint64_t i = 0; i < pages; i += run) {
			int kind = pagemap_kind(entry[i]);

			for (run = 1; i + run < pages && pagemap_kind(entry[i + run]) == kind; run++)
				;
			if (kind < 0)
				continue;
			r = fn(arg, start + i * CKPT_PAGE, start + (i + run) * CKPT_PAGE, kind);
			if (r)
				return r;
		}
		start += pages * CKPT_PAGE;
	}
	return 0;
}

int page_scan(struct page_scan *ps, uint64_t start, uint64_t end, page_fn *fn, void *arg)
{
	int r;

	if (!ps->no_ioctl) {
		r = scan_by_ioctl(ps, start, end, fn, arg);
		if (r != -ENOTTY && r != -EINVAL)
			return r;
		ps->no_ioctl = 1;
	}
	return scan_by_read(ps, start, end, fn, arg);
}
