"""Calls that wait for a time, through checkpoints whose pauses are long: these do not add up.

What else there is to such calls the two programs check by themselves in test_objects.py.
"""

import os

import pytest

PAUSE = "leader-frozen:delay"  # 300 ms each time
CHECKPOINTS = 6
PROGRAMS = {
    "eintr_timed": ["2500"],  # a call is under way in all pauses, and may be late by less than two of them
    "eintr_rest": [],
}


def again(ckpt, job, image):
    job.kill()
    job = ckpt.restart(image, job)
    job.wait_program()
    return job


def go_on(job, go):
    open(go, "w").close()
    job.wait()
    assert job.output() == "ready\nok\n", job.story()


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("name", PROGRAMS)
def test_pauses_do_not_add_up(ckpt, programs, name, restarts):
    go = ckpt.path("go")
    job = ckpt.launch([os.path.join(programs, "system", name), *PROGRAMS[name]],
                      env={"CKPT_TEST_GO": go, "CKPT_FAULT": PAUSE})  # the coordinator keeps it
    job.wait_output("ready\n")
    for i in range(CHECKPOINTS):
        image = ckpt.checkpoint()["image"]
        if restarts and i == CHECKPOINTS // 2:
            job = again(ckpt, job, image)
    go_on(job, go)


TICKS = """
import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None)
MS = 1000000
begin = time.monotonic_ns()
fd = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
libc.timerfd_settime(fd, 0, (ctypes.c_long * 4)(0, MS, 0, MS), None)
armed = time.monotonic_ns()
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.002)
low = (time.monotonic_ns() - armed) // MS - 1
ticks, = struct.unpack("Q", os.read(fd, 8))
high = (time.monotonic_ns() - begin) // MS
print("ok" if low <= ticks <= high else "%d of %d to %d" % (ticks, low, high))
"""


@pytest.mark.parametrize("restarts", [0, 1])
def test_no_tick_before_its_time(ckpt, restarts):
    """A timer is asked for its ticks long after the process for its state, and the program's clock knows them all."""
    go = ckpt.path("go")
    job = ckpt.launch(["/usr/bin/python3", "-c", TICKS, go], env={"CKPT_FAULT": "collect-process:delay"})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    if restarts:
        job = again(ckpt, job, image)
    go_on(job, go)
