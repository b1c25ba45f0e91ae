#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "protocol.h"
#include "unit.h"

/* Every type, and one of its text fields. */
static const struct {
	uint16_t type;
	size_t size;
	size_t text, text_len; /* text_len 0: it has none */
} kinds[] = {
#define KIND(t, s)                                                                                 \
	{                                                                                          \
		t, sizeof(struct s), 0, 0                                                          \
	}
#define TEXT_KIND(t, s, f)                                                                         \
	{                                                                                          \
		t, sizeof(struct s), offsetof(struct s, f), sizeof(((struct s *)0)->f)             \
	}
	TEXT_KIND(MSG_HELLO, msg_hello, exe_name),
	TEXT_KIND(MSG_HELLO, msg_hello, config.job),
	TEXT_KIND(MSG_HELLO, msg_hello, config.name),
	TEXT_KIND(MSG_HELLO, msg_hello, config.dir),
	TEXT_KIND(MSG_LEADER, msg_leader, config.job),
	TEXT_KIND(MSG_LEADER, msg_leader, config.name),
	TEXT_KIND(MSG_LEADER, msg_leader, config.dir),
	TEXT_KIND(MSG_TARGET, msg_target, path),
	TEXT_KIND(MSG_REQUEST, msg_request, config.dir),
	KIND(MSG_TAKEN, msg),
	TEXT_KIND(MSG_PARAMS, msg_params, job),
	TEXT_KIND(MSG_PARAMS, msg_params, path),
	TEXT_KIND(MSG_PARAMS, msg_params, link),
	TEXT_KIND(MSG_REFUSE, msg_line, text),
	KIND(MSG_BARRIER, msg_barrier),
	KIND(MSG_RELEASE, msg_release),
	KIND(MSG_THAWED, msg_thawed),
	KIND(MSG_PROGRESS, msg_progress),
	TEXT_KIND(MSG_DONE, msg_done, text),
	TEXT_KIND(MSG_COMMAND, msg_command, job),
	TEXT_KIND(MSG_JOB, msg_job, job),
	TEXT_KIND(MSG_JOB, msg_job, name),
	TEXT_KIND(MSG_JOB, msg_job, dir),
	TEXT_KIND(MSG_JOB, msg_job, last_error),
	TEXT_KIND(MSG_PROCESS, msg_process, name),
	TEXT_KIND(MSG_RESULT, msg_result, job),
	TEXT_KIND(MSG_RESULT, msg_result, image),
	TEXT_KIND(MSG_RESULT, msg_result, text),
	TEXT_KIND(MSG_LINE, msg_line, text),
	TEXT_KIND(MSG_END, msg_end, text),
};

static void make(union any_msg *m, size_t i)
{
	memset(m, 0, sizeof(*m));
	msg_init(&m->m, kinds[i].type, kinds[i].size);
}

UNIT_TEST(protocol_takes_every_message)
{
	union any_msg m;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(&m, i);
		ck_assert_int_eq(msg_check(&m, kinds[i].size), 0);
	}
}

UNIT_TEST(protocol_rejects_any_other_length)
{
	union any_msg m;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t n = 0; n <= sizeof(m); n++) {
			make(&m, i);
			if (n == kinds[i].size)
				continue;
			ck_assert_int_eq(msg_check(&m, n), -EPROTO);
			m.m.size = n;
			ck_assert_int_eq(msg_check(&m, n), -EPROTO);
		}
}

UNIT_TEST(protocol_rejects_unknown_types)
{
	union any_msg m = {0};

	for (unsigned type = 0; type <= UINT16_MAX; type++) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			known |= kinds[i].type == type;
		msg_init(&m.m, type, sizeof(m.m));
		if (!known)
			ck_assert_int_eq(msg_check(&m, sizeof(m.m)), -EPROTO);
	}
}

UNIT_TEST(protocol_rejects_text_without_end)
{
	union any_msg m;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		make(&m, i);
		memset((char *)&m + kinds[i].text, 'x', kinds[i].text_len);
		ck_assert_int_eq(msg_check(&m, kinds[i].size), kinds[i].text_len ? -EPROTO : 0);
	}
}

UNIT_TEST(protocol_rejects_other_versions_and_no_messages)
{
	union any_msg m;

	make(&m, 0);
	m.m.version++;
	ck_assert_int_eq(msg_check(&m, kinds[0].size), -EPROTONOSUPPORT);
	make(&m, 0);
	m.m.magic++;
	ck_assert_int_eq(msg_check(&m, kinds[0].size), -EPROTO);
}

static void pair(int fd[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
}

UNIT_TEST(protocol_sends_and_receives)
{
	struct msg_barrier b = {.phase = PHASE_FREEZE, .err = -EIO};
	union any_msg m;
	int fd[2];

	pair(fd);
	MSG_INIT(&b, MSG_BARRIER);
	ck_assert_int_eq(msg_send(fd[0], &b.m), 0);
	ck_assert_int_eq(msg_recv(fd[1], &m, -1), 1);
	ck_assert_int_eq(m.m.type, MSG_BARRIER);
	ck_assert_int_eq(m.barrier.err, -EIO);
	ck_assert_int_eq(msg_recv(fd[1], &m, 20), -ETIMEDOUT);
	ck_assert_int_eq(msg_recv(fd[1], &m, 0), -ETIMEDOUT);
	close(fd[0]);
	ck_assert_int_eq(msg_recv(fd[1], &m, -1), 0);
	ck_assert_int_eq(msg_send(fd[1], &b.m), -EPIPE); /* and no SIGPIPE */
}

UNIT_TEST(protocol_receives_what_was_sent_before_a_reset)
{
	struct msg_release r = {.phase = PHASE_FREEZE};
	union any_msg m;
	int fd[2];

	pair(fd);
	MSG_INIT(&r, MSG_RELEASE);
	msg_send(fd[1], &r.m); /* never read by the other end */
	msg_send(fd[0], &r.m);
	close(fd[0]);
	ck_assert_int_eq(msg_recv(fd[1], &m, 1000), 1);
	ck_assert_int_eq(msg_recv(fd[1], &m, 1000), 0);
}

UNIT_TEST(protocol_rejects_what_is_too_long_for_any_message)
{
	char big[sizeof(union any_msg) + 1] = {0};
	union any_msg m;
	int fd[2];

	pair(fd);
	ck_assert_int_eq(send(fd[0], big, sizeof(big), 0), sizeof(big));
	ck_assert_int_eq(msg_recv(fd[1], &m, 1000), -EPROTO);
}

UNIT_TEST(protocol_connect_says_what_is_wrong)
{
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	ck_assert_int_eq(msg_connect(path), -ENAMETOOLONG);
	ck_assert_int_eq(msg_connect("/nonexistent/socket"), -ENOENT);
}
