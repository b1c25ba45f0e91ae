/*
 * What a message means, by its type and by whom it comes from. A message that its sender may not
 * send now is an error, and the end of that connection.
 */
#include "command.h"
#include "linger.h"
#include "log.h"
#include "on_signal.h"
#include "request.h"
#include "run.h"

#include <errno.h>

/*
 * The process at the other end. One that can't open a descriptor may let a helper connect for it: a
 * child that no wait() sees (no exit signal), and that is no snapshot writer, for those have other
 * work.
 */
static int speaking_for(const struct peer *p)
{
	struct proc_stat f;

	if (process_find(p->pid) || proc_stat(p->pid, &f) || f.exit_signal)
		return p->pid;
	return f.ppid;
}

static int take_hello(struct peer *p, const union any_msg *m)
{
	const struct job_config *c = &m->hello.config;
	struct process *process;
	struct job_config *job;

	if (config_check(c))
		return -EPROTO;
	if (m->hello.flags & HELLO_LEAVES) {
		linger_stay(); /* ckpt_restart */
		process_forget(p->pid);
		return 0;
	}
	process = process_add(p->pid, peer_pidfd(p), c);
	if (!process || !(m->hello.flags & HELLO_RESTARTED))
		return 0;
	/* Its environment is what it was, and does not know what the restart was told: where it was moved, where the key is. */
	job = &process->job->config;
	str_copy(job->dir, c->dir, sizeof(job->dir));
	str_copy(job->keyfile, c->keyfile, sizeof(job->keyfile));
	return 0;
}

static int take_target(struct peer *p, const union any_msg *m)
{
	if (m->target.path[0] && m->target.path[0] != '/')
		return -EPROTO;
	p->target = m->target;
	return 0;
}

static int take_leader(struct peer *p, const union any_msg *m)
{
	const struct msg_leader *l = &m->leader;
	int pid = speaking_for(p);
	struct process *process = process_find(pid);

	if (config_check(&l->config))
		return -EPROTO;
	log_line("pid %d leads request %d", pid, l->request);
	if (!process)
		process = process_add(pid, -1, &l->config);
	if (process && l->flags & LEADER_FIRST)
		process->is_first = true;
	if (process && !l->request)
		request_of_process(p, process);
	else if (!process || !run_takes_leader(process, p, l->request))
		run_send_back(p);
	return 0;
}

/* The answer tells that it need not be asked for again. */
static int take_request(struct peer *p, const union any_msg *m)
{
	const struct msg_request *r = &m->request;
	int pid = speaking_for(p);
	struct process *process = process_find(pid);
	struct msg taken;

	if (config_check(&r->config) || r->signo < 1 || r->signo > ON_SIGNAL_MAX ||
	    !r->config.on_signal[r->signo - 1])
		return -EPROTO;
	log_line("pid %d has got signal %d", pid, r->signo);
	if (!process)
		process = process_add(pid, -1, &r->config);
	if (process)
		on_signal_request(process, r->signo, r->config.on_signal[r->signo - 1]);
	msg_init(&taken, MSG_TAKEN, sizeof(taken));
	peer_send(p, &taken, -1);
	peer_finish(p);
	return 0;
}

static int take_command(struct peer *p, const union any_msg *m)
{
	p->role = PEER_CLIENT;
	p->command = m->command;
	command_serve(p);
	return 0;
}

static const struct {
	uint16_t type;
	enum peer_role role;
	int (*take)(struct peer *p, const union any_msg *m);
} takes[] = {
	{MSG_HELLO, PEER_NEW, take_hello},	  {MSG_LEADER, PEER_NEW, take_leader},
	{MSG_COMMAND, PEER_NEW, take_command},	  {MSG_REFUSE, PEER_MEMBER, run_message},
	{MSG_BARRIER, PEER_MEMBER, run_message},  {MSG_THAWED, PEER_MEMBER, run_message},
	{MSG_PROGRESS, PEER_MEMBER, run_message}, {MSG_DONE, PEER_MEMBER, run_message},
	{MSG_THAWED, PEER_WAITING, run_message},  {MSG_TARGET, PEER_NEW, take_target},
	{MSG_REQUEST, PEER_NEW, take_request},
};

int serve_message(struct peer *p, const union any_msg *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++)
		if (takes[i].type == m->m.type && takes[i].role == p->role)
			return takes[i].take(p, m);
	return -EPROTO;
}

void serve_closed(struct peer *p)
{
	run_closed(p);
}
