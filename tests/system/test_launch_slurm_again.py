"""ckpt_launch in a later run of a SLURM job: what it goes on from, and when it does not; without SLURM, see slurmfake."""

import os
import shutil
import subprocess

import pytest

from ckpttest import wait_for
from slurmfake import BOTH, COUNT, PYTHON, Step, goes_on, kill, numbers, slurm  # slurm: a fixture


# ---- the next run --------------------------------------------------------------------------------

@BOTH
def test_a_run_goes_on_from_the_last(ckpt, slurm):
    """With the stdio and the variables of the new step; over several runs."""
    job = slurm.count(step=0)
    for run in 1, 2, 3:
        image = slurm.checkpoint()
        at = numbers(job)[-1]
        kill(job)
        slurm.again()
        job = slurm.count(step=0)
        line = goes_on(job, image, "job 12 step 0")
        assert numbers(job)[0] <= at + 2 and numbers(job)[0] > 1
        assert line.split()[1:] == [str(run), str(slurm.port)]
    ckpt.file("end", "0")
    job.wait()
    assert os.path.exists(slurm.dir("step0", "finished"))
    log = [line for line in open(slurm.dir("step0", "log")) if " run " in line]
    assert len(log) == 4 and "run 0: begins: " in log[0] and "run 3: goes on from generation 3" in log[3], log
    slurm.again()
    job = slurm.count(step=0)
    job.wait()
    assert job.output() == "" and "step 0: has finished in an earlier run" in job.errors()


def test_without_an_image_it_begins_again(ckpt, slurm):
    kill(slurm.count(step=0))
    open(slurm.dir("step0", "x-1.00003.ckpt.part"), "w").close()
    slurm.again()
    job = slurm.count(step=0)
    assert job.output().startswith("run 1\n1 1 ") and job.errors() == "" and slurm.dirs() == ["step0"]
    assert not os.path.exists(slurm.dir("step0", "x-1.00003.ckpt.part"))
    kill(job)


def test_a_status_that_is_not_0_is_run_again(ckpt, slurm):
    ckpt.file("end", "3")
    slurm.count(step=0).wait(3)
    slurm.again()
    job = slurm.count(step=0)
    job.wait(3)
    assert job.output() == "run 1\n"


def test_steps_in_another_order_are_known_by_their_command(ckpt, slurm):
    """The numbers of a run are of no use in the next; and some commands do not come again."""
    first = {name: slurm.count(name, step=n) for n, name in enumerate("abc")}
    images = {name: slurm.checkpoint(slot="step%d" % n) for n, name in enumerate("abc")}
    for job in first.values():
        kill(job)
    slurm.again()
    for n, name in enumerate("cxa"):
        job = slurm.count(name, step=n)
        if name == "x":
            assert job.output().startswith("run 1 x\n")
            assert "had another command line" in job.errors() and slurm.dirs()[:3] == ["step0", "step1", "step1-2"]
        else:
            goes_on(job, images[name], "job 12 step %d" % n)
        kill(job)


def test_launches_of_the_batch_script(ckpt, slurm):
    jobs = [slurm.count(name) for name in "ab"]
    slurm.checkpoint_all(step="batch")
    images = {slot: slurm.dir(slot, slurm.images(slot)[0]) for slot in ("batch1", "batch2")}
    for job in jobs:
        kill(job)
    slurm.again()
    for name, slot in ("b", "batch2"), ("a", "batch1"), ("a", None):
        job = slurm.count(name)
        if slot:
            goes_on(job, images[slot], "job 12")
        else:
            assert job.output().startswith("run 1 a\n")
        kill(job)


@BOTH
@pytest.mark.parametrize("mode", ["a", "w"])
def test_the_batch_script_s_output_is_a_file(ckpt, slurm, mode):
    """It is the run's, shared with the script and SLURM: what they have written stays, a new one is begun with nothing."""
    path = ckpt.path("slurm-12.out")
    noise = "x" * 100000 + "\n"
    source = COUNT.replace("n = 0", "n = 0; own = open('own', 'w'); own.write('begin'); own.flush()")
    for run in range(3):
        with open(path, mode) as out:
            os.fchown(out.fileno(), ckpt.uid, ckpt.gid)
            out.write("script, run %d\n%s" % (run, noise))
            out.flush()
            p = subprocess.Popen([ckpt.installed.bin("ckpt_launch"), PYTHON, "-c", source], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, env=ckpt.env(slurm.variables()), cwd=ckpt.work, **ckpt.as_user)
        job = Step(ckpt, p, p.pid, path, path)
        job.drains = []
        ckpt.jobs.append(job)
        own = lambda: job.output().split("script, run %d\n" % run)[1].splitlines()[1:]
        wait_for(lambda: len(own()) > 5 or not job.running(), job.story)
        assert run == 0 or own()[0].startswith("ckpt: job 12: goes on from"), job.story()
        image = slurm.checkpoint(slot="batch1")
        kill(job)
        with open(path, "a") as out:
            out.write("slurmstepd: killed\n")
        slurm.again()
    text = job.output().replace(noise, "")
    runs = [0, 1, 2] if mode == "a" else [2]
    assert [line for line in text.splitlines() if line[0] == "s"] == [
        line for n in runs for line in ("script, run %d" % n, "slurmstepd: killed")]
    counted = [int(line.split()[0]) for line in text.splitlines() if line[0].isdigit()]
    assert counted[0] == (1 if mode == "a" else counted[0]) and all(b <= a + 1 for a, b in zip(counted, counted[1:]))
    assert open(ckpt.path("own")).read() == "begin" and image


def test_two_tasks_go_on(ckpt, slurm):
    jobs = [slurm.count(step=0, proc=n, tasks=2) for n in range(2)]
    slurm.checkpoint_all()
    images = [slurm.dir("step0", "task%d" % n, slurm.images("step0", "task%d" % n)[0]) for n in range(2)]
    for job in jobs:
        kill(job)
    slurm.again()
    jobs = [slurm.count(step=0, proc=n, tasks=2) for n in range(2)]
    for n in range(2):
        goes_on(jobs[n], images[n], "job 12 step 0 task %d" % n)
        kill(jobs[n])


def test_tasks_with_different_images(ckpt, slurm):
    """One was not saved: it begins again; another had finished."""
    jobs = [slurm.count(step=0, proc=n, tasks=2) for n in range(2)]
    slurm.checkpoint_all()
    for job in jobs:
        kill(job)
    os.unlink(slurm.dir("step0", "task0", slurm.images("step0", "task0")[0]))
    open(slurm.dir("step0", "task1", "finished"), "w").close()
    slurm.again()
    one, two = [slurm.count(step=0, proc=n, tasks=2) for n in range(2)]
    assert one.output().startswith("run 1\n")
    two.wait()
    assert "task 1: has finished" in two.errors()
    kill(one)


# ---- other jobs ----------------------------------------------------------------------------------

def leave_one(slurm):
    """A job has left an image."""
    job = slurm.count(step=0)
    slurm.checkpoint()
    kill(job)


def begins_aside(slurm, n=1):
    job = slurm.count(step=0)
    assert job.output().startswith("run %d\n" % slurm.run), job.story()
    assert job.errors() == "ckpt_launch: %s was left by another job with this number; it is test-12.old-%d now\n" % (
        slurm.dir(), n)
    assert os.path.exists(slurm.dir() + ".old-%d/step0/state" % n) and len(slurm.images("step0")) == 0
    return job


def test_a_number_that_comes_again_begins_anew(ckpt, slurm):
    leave_one(slurm)
    for n in 1, 2:
        slurm.submit += 5
        slurm.answer()
        kill(begins_aside(slurm, n))
    slurm.again()
    job = slurm.count(step=0)
    assert job.output().startswith("run 1\n") and job.errors() == ""
    kill(job)


@pytest.mark.parametrize("facts", [{"AllocNode:Sid": "login:9"}, {"Command": "/home/me/other.sh"}, {"submit": 1}])
def test_another_job_that_was_never_here_before_its_second_run(ckpt, slurm, facts):
    leave_one(slurm)
    slurm.submit = facts.pop("submit", slurm.submit)
    slurm.answer(**facts)
    slurm.again()
    if slurm.submit < 10:
        slurm.submit = 5
        slurm.answer()
    kill(begins_aside(slurm))


def test_another_job_that_has_run_less_often(ckpt, slurm):
    slurm.run = 3
    leave_one(slurm)
    slurm.run, slurm.submit = 2, 30
    slurm.answer()
    kill(begins_aside(slurm))


@pytest.mark.parametrize("state", ["down", "hangs"])
def test_slurmctld_does_not_answer(ckpt, slurm, state):
    """In a later run what is recorded is believed; in a first one only what is of the same step."""
    leave_one(slurm)
    slurm.again()
    slurm.state(state)
    job = slurm.count(step=0)
    image = slurm.images("step0")[0]
    goes_on(job, slurm.dir("step0", image), "job 12 step 0")
    kill(job)
    if state == "down":
        slurm.run = 0
        kill(begins_aside(slurm))
        slurm.launch("true", step=0).wait()
        assert slurm.dirs() == ["step0", "step0-2"]


def test_there_is_no_scontrol(ckpt, slurm):
    os.unlink(slurm.bin + "/scontrol")
    slurm.launch("true", step=0).wait()
    assert slurm.dirs() == ["step0"]


def test_a_record_that_is_damaged_holds_the_job(ckpt, slurm):
    leave_one(slurm)
    slurm.again()
    for name in "job", "step0/state":
        path = slurm.dir(name)
        good = open(path, "rb").read()
        for bad in (b"", good[:-3], good + b"x=1\n", good + good, good.replace(b"format=1", b"format=2"),
                    good.replace(b"run=0", b"run=0x"), good[:20] + b"\0" + good[21:], b"x" * 100000):
            with open(path, "wb") as f:
                f.write(bad)
            job = slurm.launch("touch", "started", step=0)
            status = job.wait(check=False)
            if name == "job" and bad == good.replace(b"format=1", b"format=2"):
                assert status == 0  # a later version's: set aside
                shutil.rmtree(slurm.dir())
                os.rename(slurm.dir() + ".old-1", slurm.dir())
                os.unlink(ckpt.path("started"))
            else:
                assert status == 86 and path + " can't be read" in job.errors(), (name, bad, job.story())
                assert not os.path.exists(ckpt.path("started"))
        with open(path, "wb") as f:
            f.write(good)


# ---- no way to go on ------------------------------------------------------------------------------

def spoil(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        old = f.read(64)
        f.seek(os.path.getsize(path) // 2)
        f.write(bytes(255 - b for b in old))


def test_the_newest_is_damaged(ckpt, slurm):
    job = slurm.count(step=0)
    images = [slurm.checkpoint() for _ in range(2)]
    kill(job)
    spoil(images[1])
    slurm.again()
    job = slurm.count(step=0)
    lines = job.errors().splitlines()
    assert len(lines) == 2 and images[1] in lines[0] and "trying the image before it" in lines[0]
    assert lines[1].startswith("ckpt: job 12 step 0: goes on from " + images[0])
    kill(job)


def test_all_are_damaged(ckpt, slurm):
    job = slurm.count(step=0)
    for _ in range(2):
        slurm.checkpoint()
    kill(job)
    for name in slurm.images("step0"):
        spoil(slurm.dir("step0", name))
    slurm.again()
    job = slurm.count(step=0)
    job.wait(86)
    assert "no usable image in " + slurm.dir("step0") in job.errors() and job.output() == ""
    assert len(slurm.images("step0")) == 2


def test_a_restart_that_fails_otherwise_holds_the_job(ckpt, slurm):
    """What the program has open is gone: nothing begins anew for that."""
    ckpt.file("open", "x")
    job = slurm.launch(PYTHON, "-c", "f = open('open')\n" + COUNT, step=0)
    job.wait_output("\n3 ")
    slurm.checkpoint()
    kill(job)
    os.unlink(ckpt.path("open"))
    slurm.again()
    job = slurm.launch(PYTHON, "-c", "f = open('open')\n" + COUNT, step=0)
    job.wait(86)
    assert ckpt.path("open") in job.errors() and job.output() == ""


def test_images_that_can_t_be_got_at_hold_the_job(ckpt, slurm):
    """A node without the directory, say; in the first run that is an error as any other."""
    leave_one(slurm)
    os.rename(ckpt.path(".ckpt"), ckpt.path("elsewhere"))
    with open(ckpt.path(".ckpt"), "w"):
        pass
    for run, status in (0, 125), (1, 86):
        slurm.run = run
        job = slurm.launch("touch", "started", step=0)
        job.wait(status)
        assert len(job.errors().splitlines()) == 1 and "directory for images" in job.errors(), job.errors()
        assert not os.path.exists(ckpt.path("started"))


def test_three_restores_without_progress(ckpt, slurm):
    """Then the job is held; who lets it go has as many tries again. A newer image is progress."""
    job = slurm.count(step=0)
    slurm.checkpoint()
    for n in range(3):
        kill(job)
        slurm.again()
        job = slurm.count(step=0)
    slurm.checkpoint()
    for n in range(3):
        kill(job)
        slurm.again()
        job = slurm.count(step=0)
        assert job.running()
    kill(job)
    slurm.again()
    job = slurm.count(step=0)
    job.wait(86)
    assert job.output() == "" and len(job.errors().splitlines()) == 1
    assert "job 12 step 0: generation 2 in " in job.errors() and "was restored 3 times" in job.errors()
    assert "scontrol release 12" in job.errors()
    assert "was restored 3 times" in open(slurm.dir("step0", "log")).read()
    slurm.again()
    job = slurm.count(step=0)
    assert job.running() and "goes on from" in job.errors()
    kill(job)


def test_a_program_s_own_125_is_its_own(ckpt, slurm):
    job = slurm.count(step=0)
    slurm.checkpoint()
    kill(job)
    slurm.again()
    job = slurm.count(step=0)
    ckpt.file("end", "125")
    job.wait(125)
