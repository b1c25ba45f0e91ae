/*
 * timerfd_create(2): clock, flags, time left, interval and ticks not read yet.
 *
 * On clocks that go on where they stopped (CLOCK_MONOTONIC, CLOCK_BOOTTIME) the timer is set again
 * to the absolute time it was to expire at. On CLOCK_REALTIME one set to an absolute time keeps
 * it, and expires at once when that has passed; one set to a span has as much left as it had.
 *
 * The kernel tells of a timer that is just due as of one that is not set: 0 is left (timerfd_get_remaining()). But one with
 * an interval that is not set never has ticks.
 */
#include <ckpt/plugin.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <sys/ioctl.h>

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

enum { NS = 1000000000, DUE_NS = 200000 /* as long may an interrupt take */ };

struct timerfd_state {
	int32_t clock;
	uint32_t flags; /* TFD_TIMER_* */
	uint64_t ticks;
	int64_t now_ns;	 /* on that clock, at the checkpoint */
	int64_t left_ns; /* 0: not armed */
	int64_t interval_ns;
};

static bool timerfd_match(const struct plugin_file *f)
{
	return str_eq(f->link, "anon_inode:[timerfd]");
}

/* Does it have ticks, or will it in a moment? Then fdinfo has them, too. */
static bool has_ticks(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec limit = {.tv_nsec = DUE_NS};

	return sys_call6(__NR_ppoll, (long)&p, 1, (long)&limit, 0, 0, 0) > 0;
}

/* timerfd_gettime(2) first: it counts the ticks of a periodic timer that nobody has read. */
static void timerfd_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct timerfd_state st = {0};
	struct itimerspec its = {{0, 0}, {0, 0}};
	const char *info, *clock, *ticks, *flags;
	int err = sys_call2(__NR_timerfd_gettime, f->fd, &its);

	if (err)
		plugin_refuse(c, f, "timerfd_gettime fails");
	st.left_ns = its.it_value.tv_sec * (int64_t)NS + its.it_value.tv_nsec;
	st.interval_ns = its.it_interval.tv_sec * (int64_t)NS + its.it_interval.tv_nsec;
	if (!st.left_ns && has_ticks(f->fd) && st.interval_ns)
		st.left_ns = 1;
	info = plugin_fdinfo(c, f);
	if (err || !info)
		return;
	clock = proc_field(info, "clockid:");
	ticks = proc_field(info, "ticks:");
	flags = proc_field(info, "settime flags:");
	if (!clock || !ticks || !flags) {
		plugin_refuse(c, f, "the kernel does not tell its state");
		return;
	}
	st.clock = parse_dec(&clock);
	st.ticks = parse_dec(&ticks);
	st.flags = parse_oct(&flags);
	st.now_ns = sys_clock_ns(st.clock);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ns / NS, ns % NS};
}

static bool clock_goes_on(int clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

static int timer_set(int fd, const struct timerfd_state *st)
{
	struct itimerspec its = {timespec_of(st->interval_ns), timespec_of(st->left_ns)};
	uint32_t flags = st->flags;

	if (clock_goes_on(st->clock))
		flags |= TFD_TIMER_ABSTIME;
	if (st->left_ns && flags & TFD_TIMER_ABSTIME)
		its.it_value = timespec_of(st->now_ns + st->left_ns);
	return sys_call4(__NR_timerfd_settime, fd, flags, &its, NULL);
}

static int timerfd_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct timerfd_state st;
	size_t n;
	int fd, err;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = sys_call2(__NR_timerfd_create, st.clock, O_CLOEXEC);
	if (fd < 0)
		return plugin_fail(c, f, fd, "timerfd_create of clock %d", st.clock);
	err = timer_set(fd, &st);
	if (err)
		return plugin_fail(c, f, err, "timerfd_settime");
	err = st.ticks ? sys_ioctl(fd, TFD_IOC_SET_TICKS, &st.ticks) : 0;
	if (err)
		return plugin_fail(c, f, err, "its ticks can't be set");
	return fd;
}

const struct plugin plugin_timerfd = {
	.name = "timerfd",
	.match = timerfd_match,
	.save = timerfd_save,
	.restore = timerfd_restore,
};
