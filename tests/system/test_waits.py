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
            job.kill()
            job = ckpt.restart(image, job)
            job.wait_program()
    open(go, "w").close()
    job.wait()
    assert job.output() == "ready\nok\n", job.story()
