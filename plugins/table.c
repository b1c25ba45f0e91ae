/*
 * All plugins. The first that matches claims an open file, so the special come before the general.
 */
#include <ckpt/plugin.h>

extern const struct plugin plugin_path, plugin_memfd, plugin_mqueue, plugin_proc, plugin_regular, plugin_directory,
	plugin_device, plugin_ptm, plugin_pts, plugin_tty,
	plugin_pipe, plugin_unix, plugin_tcp, plugin_udp, plugin_netlink, plugin_othersocket, plugin_eventfd, plugin_epoll,
	plugin_timerfd, plugin_signalfd, plugin_inotify, plugin_pidfd, plugin_unsupported;

const struct plugin *const plugin_table[] = {
	&plugin_path,	  &plugin_memfd,       &plugin_mqueue,
	&plugin_proc,
	&plugin_regular,  &plugin_directory,   &plugin_device,
	&plugin_ptm,	  &plugin_pts,	       &plugin_tty,
	&plugin_pipe,	       &plugin_unix,
	&plugin_tcp,	  &plugin_udp,	       &plugin_netlink,
	&plugin_othersocket,
	&plugin_eventfd,  &plugin_epoll,       &plugin_timerfd,
	&plugin_signalfd, &plugin_inotify,     &plugin_pidfd,
	&plugin_std,	  &plugin_ignored,     &plugin_unsupported,
	NULL,
};
