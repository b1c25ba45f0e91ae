"""include/ckpt.h: checkpoints that the program asks for, and sections without any."""

import json
import os
import signal
import subprocess

import pytest

import ckpttest

SELF = r"""
#include <ckpt.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	static struct ckpt_info info = {.size = sizeof(info)};

	printf("enabled %d\n", ckpt_is_enabled());
	for (int i = 0; i < 3; i++) {
		int r = ckpt_checkpoint_info(&info);

		if (r < 0)
			printf("%d failed %s\n", i, errno == ENOTCONN ? "ENOTCONN" : info.error);
		else
			printf("%d %s %s %d\n", i, r == CKPT_RESTARTED ? "restarted" : "done",
			       strrchr(info.path, '/') ? strrchr(info.path, '.') : "", info.bytes > 0);
		fflush(stdout);
	}
	return 0;
}
"""

# A thread that would see a restart inside of its section: the pid namespace becomes another.
SECTION = r"""
#include <ckpt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int stop, torn;

static void *work(void *arg)
{
	char before[64], after[64];

	(void)arg;
	while (!stop) {
		memset(before, 0, sizeof(before));
		memset(after, 0, sizeof(after));
		ckpt_disable();
		ckpt_disable();
		if (readlink("/proc/self/ns/pid", before, sizeof(before) - 1) < 0)
			torn = 1;
		usleep(300);
		ckpt_enable();
		if (readlink("/proc/self/ns/pid", after, sizeof(after) - 1) < 0)
			torn = 1;
		if (strcmp(before, after))
			torn = 1;
		ckpt_enable();
		usleep(100);
	}
	return NULL;
}

int main(void)
{
	pthread_t t;
	int done = 0, failed = 0;

	ckpt_disable();
	if (ckpt_checkpoint() != -1 || (ckpt_is_enabled() && errno != EBUSY))
		printf("checkpoint inside a section\n");
	ckpt_enable();
	pthread_create(&t, NULL, work, NULL);
	for (int i = 0; i < 20; i++) {
		/* From this thread, so outside of the other's sections. */
		int r = ckpt_checkpoint();

		if (r == CKPT_RESTARTED)
			printf("restarted\n");
		done += r == CKPT_DONE;
		failed += r < 0;
		usleep(500);
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("end %d %d %s\n", done, failed, torn ? "torn" : "whole");
	return 0;
}
"""

HOLD = r"""
#include <ckpt.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	long a = 0, b = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 400; i++) {
		ckpt_disable();
		a++;
		usleep(4000);
		b++;
		ckpt_enable();
		if (a != b)
			printf("torn\n");
		printf("%d\n", i);
	}
	return 0;
}
"""


@pytest.fixture
def build(ckpt):
    def compile_it(name, source):
        src = ckpt.file(name + ".c", source)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-O2", "-pthread", "-I",
                        os.path.join(ckpt.installed.prefix, "include"), "-o", ckpt.path(name), src],
                       check=True)
        return ckpt.path(name)
    return compile_it


USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]


def test_without_ckpt(ckpt, build):
    program = build("self", SELF)
    assert ckpt.uninterrupted([program]).splitlines() == ["enabled 0"] + [
        "%d failed ENOTCONN" % i for i in range(3)]


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_returns_twice(ckpt, build):
    job = ckpt.launch([build("self", SELF)], options=["--keep", "0"])
    job.wait()
    lines = job.output().splitlines()
    assert lines == ["enabled 1"] + ["%d done .ckpt 1" % i for i in range(3)]
    second = sorted(f for f in os.listdir(ckpt.images) if f.endswith(".00002.ckpt"))
    again = ckpt.restart(os.path.join(ckpt.images, second[0]), job)
    again.wait()
    assert again.output().splitlines() == lines[:2] + ["1 restarted .ckpt 0", "2 done .ckpt 1"]


def test_starts_a_coordinator(ckpt, build):
    job = ckpt.launch([build("self", SELF)], options=["--keep", "0"],
                      env={"CKPT_LINGER": "60"})
    job.wait()
    for pid in ckpt.coordinators():
        os.kill(pid, signal.SIGKILL)
    first = sorted(f for f in os.listdir(ckpt.images) if f.endswith(".00001.ckpt"))
    again = ckpt.restart(os.path.join(ckpt.images, first[0]), job)
    ckpttest.wait_for(lambda: ckpt.coordinators() or not again.running(), "a coordinator")
    for pid in ckpt.coordinators():
        os.kill(pid, signal.SIGKILL)
    again.wait()
    assert again.output().splitlines()[-1].startswith("2 ")


def test_sections(ckpt, build):
    job = ckpt.launch([build("section", SECTION)], options=["--keep", "0"])
    job.wait()
    assert job.output() == "end 20 0 whole\n"
    images = [f for f in os.listdir(ckpt.images) if not os.path.islink(os.path.join(ckpt.images, f))]
    for f in sorted(images)[::4]:
        again = ckpt.restart(os.path.join(ckpt.images, f), job)
        again.wait()
        generation = int(f.split(".")[1])
        assert again.output().splitlines() == ["restarted", "end %d 0 whole" % (20 - 1)], generation


def test_request_waits_for_the_end_of_a_section(ckpt, build):
    """Asked for from outside while the section lasts: taken at its end."""
    job = ckpt.launch([build("hold", HOLD)])
    job.wait_output("5\n")
    image = None
    for _ in range(10):
        image = ckpt.checkpoint()["image"]
    job.kill()
    again = ckpt.restart(image, job)
    again.wait()
    assert again.output() == "".join("%d\n" % i for i in range(400))
    assert json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
