"""ckpt-requeue, for sites whose slurm.conf has no RequeueExit."""

import os

import pytest

import slurmtest

BARE = pytest.mark.parametrize("slurm", [{"cluster": "bare"}], indirect=True)

# exec: of a child that is only being forked SLURM's linuxproc does not know when it kills the script.
SCRIPT = """echo run ${SLURM_RESTART_COUNT-0} as $SLURM_JOB_ID
    [ "${SLURM_RESTART_COUNT-0}" = 0 ] || exit 0
    if [ $SLURM_ARRAY_TASK_ID = %d ]; then env -u PATH -u SLURM_TASK_PID %s; exec sleep 1000; fi
    exit 0"""


def program(slurm):
    return os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "ckpt-requeue")


@BARE
def test_one_task_of_an_array_is_requeued_alone(slurm):
    """The last task has the array's number for its own."""
    last = slurm.submit(SCRIPT % (3, program(slurm)), "--array=1-3", "--open-mode=append", name="last")
    first = slurm.submit(SCRIPT % (1, program(slurm)), "--array=1-2", "--open-mode=append", name="first")
    for array, again, tasks in ((last, 3, (1, 2, 3)), (first, 1, (1, 2))):
        for task in tasks:
            array.task(task).wait_completed()
            runs = [line.split()[1] for line in array.task(task).output().splitlines() if line.startswith("run ")]
            assert runs == (["0", "1"] if task == again else ["0"]), (array.id, task, array.task(task).output())
    assert "as %s\n" % last.id in last.task(3).output()


@BARE
def test_the_status_tells(slurm):
    done = slurm.run(program(slurm), expect=2)
    assert "no SLURM job" in done.stderr
    done = slurm.run(program(slurm), env={"SLURM_JOB_ID": "12; true"}, expect=2)
    done = slurm.run(program(slurm), env={"SLURM_JOB_ID": "999999"}, expect=1)
    assert "999999" in done.stderr and "Invalid job id" in done.stderr
    done = slurm.run(program(slurm), env={"SLURM_JOB_ID": "1", "SLURM_CONF": "/nowhere"}, expect=1)
