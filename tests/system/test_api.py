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

# A section in which the two counters differ: no image may show them so.
SECTION = r"""
#include <ckpt.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile long a, b;
static volatile int stop;

static void *work(void *arg)
{
	(void)arg;
	while (!stop) {
		ckpt_disable();
		ckpt_disable();
		a++;
		usleep(300);
		ckpt_enable();
		b++;
		ckpt_enable();
		usleep(100);
	}
	return NULL;
}

int main(void)
{
	pthread_t t;
	int before = 0;

	ckpt_disable();
	if (ckpt_checkpoint() != -1 || (ckpt_is_enabled() && errno != EBUSY))
		printf("checkpoint inside a section\n");
	ckpt_enable();
	pthread_create(&t, NULL, work, NULL);
	for (int i = 0; i < 40; i++) {
		/* From this thread, outside of the other's sections or refused. */
		int r = ckpt_checkpoint();

		if (r == CKPT_RESTARTED)
			printf("restarted %s\n", a == b ? "whole" : "torn");
		before += r == CKPT_DONE;
		usleep(500);
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("end %d\n", before > 0);
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
    assert job.output() == "end 1\n"
    images = [f for f in os.listdir(ckpt.images) if not os.path.islink(os.path.join(ckpt.images, f))]
    for f in sorted(images)[:5]:
        again = ckpt.restart(os.path.join(ckpt.images, f), job)
        again.wait()
        lines = again.output().splitlines()
        assert lines[0] == "restarted whole" and lines[-1].startswith("end"), lines


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
