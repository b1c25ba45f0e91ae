"""A batch job is told to end, or made to, and goes on where it was in its next run: what it has printed and written in
the end is what an uninterrupted run prints and writes."""

import os
import random

from ckpttest import wait_for
from slurmscenario import Plate, scenario

REQUEUES = 30


@scenario(first=True)
def test_a_chain_of_requeues(slurm):
    gates = range(2, 2 + REQUEUES)
    plate = Plate(slurm, gates=gates)
    moments = random.Random(os.environ.get("CKPT_TEST_SEED", slurm.mark))
    for run, gate in enumerate(gates, 1):
        plate.wait_blocks(gate - 1)
        if moments.random() < 0.5:
            plate.open(gate)
        plate.wait_started()
        plate.signal()
        plate.wait_rerun(run)
        plate.open(gate)
    plate.finish()
    assert plate.job.restarts() == REQUEUES


@scenario(first=True)
def test_the_time_limit_is_hit_twice(slurm):
    # The signal may come up to a minute early, as it is a minute that there is. It comes within half of one.
    plate = Plate(slurm, "--time=1", "--signal=USR1@60")
    plate.wait_blocks(Plate.GATE - 1)
    plate.job.wait_restarts(2)
    plate.slurm.scontrol("update", "JobId=" + plate.job.id, "TimeLimit=10")
    plate.finish()


@scenario()
def test_a_signal(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()
    assert plate.job.restarts() == 1


@scenario()
def test_signals_one_after_another(slurm):
    """A checkpoint that is under way serves them, too."""
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    for _ in range(4):
        plate.signal(expect=None)  # it may have ended: there is no such job until it is queued again
    plate.wait_rerun(1)
    plate.finish()
    assert plate.job.restarts() == 1


@scenario()
def test_signals_at_any_moment_of_a_start(slurm):
    """From the first instruction of ckpt_launch and of ckpt_restart on a signal is a request, and kills nobody."""
    plate = Plate(slurm)
    for run, name in enumerate(("ckpt_launch", "ckpt_restart", "ckpt_restart", "ckpt_restart"), 1):
        plate.wait_started(name)
        plate.signal()
        plate.wait_rerun(run)
    plate.finish()


@scenario()
def test_a_step_of_several_processes(slurm):
    """Each of them gets the signal, one image is made."""
    plate = Plate(slurm, script="srun ckpt_launch sh -c '{program} | cat | cat'\n")
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    assert plate.generation() == 1, plate.images()
    plate.finish()


def tasks(slurm):
    """A step of two tasks, each of which is a plate with files for its output."""
    plates = [Plate(slurm, name="task%d" % n, submit=False) for n in range(2)]
    slurm.file("task.sh", "exec ckpt_launch %s >>task$SLURM_PROCID.out 2>>task$SLURM_PROCID.err\n"
               % plates[0].command("task$SLURM_PROCID"))
    job = slurm.submit("cd $SLURM_SUBMIT_DIR; srun -n2 sh task.sh\n", "--ntasks=2", "--open-mode=append", name="tasks")
    for plate in plates:
        plate.job = job
    return plates


@scenario()
def test_a_step_of_two_tasks(slurm):
    plates = tasks(slurm)
    for plate in plates:
        plate.wait_blocks(3)
    plates[0].signal()
    plates[0].wait_rerun(1)
    for plate in plates:
        plate.open()
    for plate in plates:
        plate.finish()
    assert plates[0].job.restarts() == 1


@scenario()
def test_a_step_of_which_one_task_has_finished(slurm):
    plates = tasks(slurm)
    plates[0].open()
    wait_for(lambda: "sha256" in plates[0].output() and not plates[0].programs(), plates[0].story)
    plates[0].signal()
    plates[0].wait_rerun(1)
    for plate in plates[::-1]:
        plate.finish()


@scenario("preempt")
def test_preemption_with_grace_time(slurm):
    plate = Plate(slurm, "--partition=low", "--nodelist=n1", "--signal=USR1@60", "--time=60")
    plate.wait_blocks(3)
    high = slurm.submit("touch high; while [ ! -e go ]; do sleep 0.1; done", "--partition=high", "--nodelist=n1",
                        "--exclusive", name="high")
    high.wait_state("RUNNING")
    plate.job.wait_for(lambda show: show["JobState"] == "PENDING" and show["Restarts"] == "1", "preemption")
    slurm.file("go")
    high.wait_completed()
    plate.wait_rerun(1)
    plate.finish()


@scenario()
def test_scontrol_requeue_without_a_signal(slurm):
    """It goes on from the last image that --interval has made."""
    plate = Plate(slurm, script="srun ckpt_launch --interval 1 {program}\n")
    plate.wait_blocks(Plate.GATE - 1)
    plate.wait_new_image()
    plate.requeue()
    plate.wait_rerun(1)
    plate.open()
    plate.job.wait_completed()
    plate.check("repeated")


def array(slurm, victim):
    """Tasks 0 to 2, of which one gets a signal: it alone runs twice."""
    plates = [Plate(slurm, name="task%d" % n, submit=False) for n in range(3)]
    script = "cd $SLURM_SUBMIT_DIR; srun ckpt_launch %s\n" % plates[0].command("task$SLURM_ARRAY_TASK_ID")
    job = slurm.submit(script, "--array=0-2", "--open-mode=append", "--output=task%a.out", "--error=task%a.err",
                       name="array")
    for n, plate in enumerate(plates):
        plate.job = job.task(n)
        plate.wait_blocks(3)
    if victim == 2:  # the last one to be started has the array's number for its own
        assert plates[2].job.show()["JobId"] == job.id, plates[2].job.show()
    plates[victim].signal()
    plates[victim].wait_rerun(1)
    for plate in plates:
        plate.finish()
    assert [plate.job.restarts() for plate in plates] == [int(n == victim) for n in range(3)]


@scenario()
def test_one_task_of_an_array(slurm):
    array(slurm, 1)


@scenario()
def test_the_last_task_of_an_array(slurm):
    array(slurm, 2)


@scenario("bare")
def test_a_signal_at_a_site_without_requeueexit(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()
    assert plate.job.restarts() == 1


@scenario("bare")
def test_one_task_of_an_array_without_requeueexit(slurm):
    array(slurm, 1)


@scenario("bare")
def test_the_last_task_of_an_array_without_requeueexit(slurm):
    array(slurm, 2)


@scenario()
def test_two_jobs_on_one_node(slurm):
    plates = [Plate(slurm, "--nodelist=n2", name=name) for name in ("one", "two")]
    for plate in plates:
        plate.wait_blocks(3)
    assert {plate.job.show()["BatchHost"] for plate in plates} == {"n2"}
    plates[0].signal()
    plates[0].wait_rerun(1)
    assert not plates[1].images() and plates[1].job.restarts() == 0
    plates[1].signal()
    plates[1].wait_rerun(1)
    for plate in plates:
        plate.finish()
        assert plate.job.restarts() == 1


STEPS = """srun ckpt_launch sh -c 'echo first >>first'
srun ckpt_launch {program}
srun ckpt_launch sh -c 'cat {name}.result >>last'
"""


def steps(slurm, script):
    plate = Plate(slurm, script=script)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()
    assert plate.job.restarts() == 1
    assert slurm.read("first") == "first\n"
    assert slurm.read("last") == Plate.expected()


@scenario()
def test_a_script_of_several_steps(slurm):
    """One that has finished is not run again, even without set -e none runs behind one that was stopped."""
    steps(slurm, STEPS)


@scenario()
def test_a_script_of_several_steps_with_set_e(slurm):
    steps(slurm, "set -e\n" + STEPS)


@scenario()
def test_programs_of_the_batch_script_itself(slurm):
    """Without srun: the signal has to reach the batch shell, too, which would be killed by it."""
    plate = Plate(slurm, script="trap : USR1\nckpt_launch sh -c 'echo first >>first'\nckpt_launch {program}\n")
    plate.wait_blocks(3)
    slurm.run("scancel", "--full", "-s", "USR1", plate.job.id)
    plate.wait_rerun(1)
    plate.finish()
    assert slurm.read("first") == "first\n"
