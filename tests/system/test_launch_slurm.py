"""ckpt_launch in a SLURM job: which directory a step gets, and what it does in one run; without SLURM, see slurmfake."""

import contextlib
import os
import shutil
import signal
import tempfile

import pytest

from ckpttest import wait_for
from slurmfake import BOTH, COUNT, PYTHON, kill, mode, slurm  # slurm: a fixture


# ---- directories ---------------------------------------------------------------------------------

@BOTH
def test_each_step_has_a_directory(ckpt, slurm):
    for step in 0, 1:
        slurm.launch("true", step=step).wait()
    slurm.launch("true").wait()
    slurm.launch("sh", "-c", "true").wait()
    assert slurm.dirs() == ["batch1", "batch2", "step0", "step1"]
    assert sorted(os.listdir(slurm.dir("step0"))) == ["finished", "log", "state"]
    for path in slurm.dir(), slurm.dir("step0"), os.path.dirname(slurm.dir()):
        assert mode(path) == 0o700 and os.stat(path).st_uid == ckpt.uid
    for name in "job", "step0/state", "step0/log", "step0/finished":
        assert mode(slurm.dir(name)) == 0o600
    assert len([a for a in slurm.asked() if a == "show config"]) == 1  # in a run


def test_steps_of_several_tasks(ckpt, slurm):
    """All at once; each is a job of its own, all in the step's directory."""
    jobs = [slurm.launch("true", step=3, proc=n, tasks=4, node="n%d" % (n // 2)) for n in range(4)]
    for job in jobs:
        job.wait()
        assert job.errors() == ""
    assert slurm.dirs() == ["step3"]
    assert sorted(n for n in os.listdir(slurm.dir("step3")) if n.startswith("task")) == ["task%d" % n for n in range(4)]
    assert all(os.path.exists(slurm.dir("step3", "task%d" % n, "finished")) for n in range(4))


def test_tasks_of_an_array(ckpt, slurm):
    for slurm.task in 0, 7:
        slurm.launch("true", step=0).wait()
    assert slurm.asked()[0] == "show job -o 12_0"
    assert sorted(os.listdir(ckpt.path(".ckpt"))) == [".lock-%d" % ckpt.uid, "test-12_0", "test-12_7"]


def test_several_launches_in_one_step(ckpt, slurm):
    script = "; ".join("%s true" % ckpt.installed.bin("ckpt_launch") for _ in range(3))
    for _ in range(2):
        out = ckpt.name("out")
        p, _ = ckpt.start(["sh", "-c", script], out, out + ".err", slurm.variables(step=0))
        assert p.wait() == 0
        assert slurm.dirs() == ["step0", "step0-2", "step0-3"]
        slurm.again()
    with open(out + ".err") as f:
        assert f.read().count("has finished in an earlier run") == 3


def test_where_images_go_can_be_said(ckpt, slurm):
    ckpt.mkdir("work/elsewhere")
    for how in ({"options": ["--ckptdir", "elsewhere"]}, {"env": {"CKPT_DIR": ckpt.path("elsewhere/deep")}}):
        job = slurm.launch("sh", "-c", "echo $CKPT_DIR; echo $CKPT_FINISHED", step=0, **how)
        job.wait()
        where = ckpt.path("elsewhere" if "options" in how else "elsewhere/deep") + "/test-12/step0"
        assert job.output() == "%s\n%s/finished\n" % (where, where)


@pytest.mark.parametrize("where", ["/tmp", "/var/tmp", "/dev/shm", "link"])
def test_a_node_s_own_directory_is_refused_by_name(ckpt, slurm, where):
    slurm.env = {}
    top = tempfile.mkdtemp(prefix="ckpt-test-", dir="/tmp" if where == "link" else where)
    os.chown(top, ckpt.uid, ckpt.gid)
    given = top
    if where == "link":
        given, where = ckpt.path("link"), "/tmp"
        os.symlink(top, given)
    try:
        for path in given, given + "/new":
            job = slurm.launch("touch", "started", step=0, options=["--ckptdir", path])
            job.wait(125)
            assert len(job.errors().splitlines()) == 1 and where + " is private to a node or lost with it" in job.errors()
            assert os.listdir(top) == [] and not os.path.exists(ckpt.path("started"))
    finally:
        os.rmdir(top)


@pytest.mark.skipif(os.getuid() != 0, reason="makes a directory in /srv")
def test_a_directory_that_is_not_a_node_s_own_will_do(ckpt, slurm):
    top = tempfile.mkdtemp(prefix="ckpt-test-", dir="/srv")
    os.chmod(top, 0o755)
    os.chown(top, ckpt.uid, ckpt.gid)
    slurm.env = {"SLURM_SUBMIT_DIR": top}
    try:
        slurm.launch("true", step=0).wait()
        assert os.path.exists(top + "/.ckpt/test-12/step0/finished")
    finally:
        shutil.rmtree(top)


@pytest.mark.parametrize("env, reason", [
    ({"SLURM_SUBMIT_DIR": ""}, "SLURM_SUBMIT_DIR is not set"),
    ({"SLURM_SUBMIT_DIR": "/nowhere"}, "directory for images /nowhere/.ckpt: No such file"),
    ({"SLURM_JOB_ID": "12x"}, "SLURM_JOB_ID=12x: not a number"),
    ({"SLURM_RESTART_COUNT": "-1"}, "SLURM_RESTART_COUNT=-1: not a number"),
    ({"CKPT_REQUEST_SIGNAL": "KILL"}, "CKPT_REQUEST_SIGNAL=KILL: must be"),
    ({"CKPT_REQUEST_SIGNAL": "USR1=x"}, "CKPT_REQUEST_SIGNAL=USR1=x: must be"),
    ({"CKPT_DIR": "/proc"}, "directory for images /proc"),
])
def test_what_can_t_be_is_told(ckpt, slurm, env, reason):
    job = slurm.launch("touch", "started", step=0, env=env)
    job.wait(125)
    assert len(job.errors().splitlines()) == 1 and reason in job.errors(), job.errors()
    assert not os.path.exists(ckpt.path("started"))


def test_a_directory_of_another_user_is_not_used(ckpt, slurm):
    if os.getuid() != 0:
        pytest.skip("needs root")
    ckpt.mkdir("work/.ckpt")
    os.mkdir(slurm.dir())
    os.chmod(ckpt.path(".ckpt"), 0o1777)
    os.chown(ckpt.path(".ckpt"), 0, 0)
    job = slurm.launch("true", step=0)
    job.wait(125)
    assert "another job with this number" in job.errors()


def test_without_slurm_s_integration(ckpt, slurm):
    ckpt.mkdir("work/images")
    job = slurm.launch("sh", "-c", "echo $CKPT_DIR $CKPT_ON_SIGNAL $CKPT_FINISHED.", env={"CKPT_SLURM": "0"},
                       options=["--ckptdir=images"])
    job.wait()
    assert job.output() == ckpt.path("images") + " .\n" and not os.path.exists(ckpt.path(".ckpt"))


def test_what_the_program_is_given(ckpt, slurm):
    show = ["sh", "-c", "echo $CKPT_ON_SIGNAL; echo $CKPT_LINGER; echo $CKPT_SOCKET; echo $CKPT_ON_COMMIT."]
    expected = ["USR1=checkpoint+exit:85", "1", ckpt.runtime + "/ckpt/test-12.step0.n1", "."]

    def lines(**env):
        slurm.job += 1
        job = slurm.launch(*show, step=0, env=env)
        job.wait()
        return job.output().replace("test-%d" % slurm.job, "test-12").splitlines()
    assert lines() == expected
    assert lines(CKPT_REQUEST_SIGNAL="USR2")[0] == "USR2=checkpoint+exit:85"
    assert lines(CKPT_ON_SIGNAL="HUP=checkpoint", CKPT_LINGER="5")[:2] == ["HUP=checkpoint", "5"]
    assert lines(CKPT_SOCKET=ckpt.dir + "/mine")[2] == ckpt.dir + "/mine"
    for requeue, is_set in ("(null)", True), ("1,80-90", False), ("5-9", True), ("1-84,86", True):
        slurm.config(requeue)
        hook = lines()[3]
        assert hook == (os.path.join(ckpt.installed.prefix, "lib/ckpt/slurm/ckpt-requeue.") if is_set else "."), requeue
    assert lines(CKPT_ON_COMMIT="/bin/true")[3] == "/bin/true."


def test_a_name_that_is_too_long_for_a_socket(ckpt, slurm):
    for n in range(20, 110, 15):
        slurm.job += 1
        job = slurm.launch("sh", "-c", "echo $CKPT_SOCKET", step=0, node="n" * 60, env={
            "SLURM_CLUSTER_NAME": "c" * 60, "XDG_RUNTIME_DIR": ckpt.runtime if n < 50 else ckpt.mkdir(
                "r" * (n - 45), 0o700)})
        job.wait(check=False)
        if job.popen.returncode == 0:
            assert str(slurm.job) in job.output() and len(job.output()) <= 108
        else:
            assert "too long for a socket" in job.errors() or "path is too long" in job.errors(), job.errors()


# ---- in one run ------------------------------------------------------------------------------------

def test_after_a_step_that_was_checkpointed_nothing_begins(ckpt, slurm):
    """CKPT_EXITED tells; in the next run, or in an allocation without a script, it is nothing to wait for."""
    slurm.launch("sh", "-c", "touch $CKPT_EXITED; exit 85", step=0).wait(85)
    for step in {"step": 1}, {}:
        job = slurm.launch("touch", "started", **step)
        job.wait(85)
        assert "step0 of this job was checkpointed" in job.errors() and not os.path.exists(ckpt.path("started"))
    slurm.again()
    slurm.launch("true", step=1).wait()
    slurm.job += 1
    slurm.answer(BatchFlag="0")
    job = slurm.launch("sh", "-c", "touch $CKPT_EXITED; echo $CKPT_ON_SIGNAL ${CKPT_ON_COMMIT-none}; exit 75", step=0)
    job.wait(75)
    assert job.output() == "USR1=checkpoint+exit:75 none\n"  # by 85 SLURM would begin an allocation for nobody
    slurm.launch("true", step=1).wait()


def test_a_launch_inside_of_a_job_is_a_part_of_it(ckpt, slurm):
    inner = ckpt.installed.bin("ckpt_launch")
    job = slurm.launch("sh", "-c", "%s --keep 7 sh -c 'echo $CKPT_JOB $CKPT_KEEP.'; echo $CKPT_JOB .; exit 1" % inner, step=0)
    job.wait(1)
    lines = job.output().splitlines()
    assert len(lines) == 2 and lines[0].split()[0] == lines[1].split()[0]
    assert job.errors() == "ckpt_launch: sh runs as a part of the job of ckpt that is here already\n"
    assert slurm.dirs() == ["step0"] and not os.path.exists(slurm.dir("step0", "finished"))


def test_nothing_is_left_when_a_step_has_ended(ckpt, slurm):
    job = slurm.count(step=0)
    slurm.checkpoint()
    [coordinator] = ckpt.coordinators()
    env = open("/proc/%d/environ" % coordinator).read().split("\0")
    assert "SLURM_JOB_ID=12" in env and "SLURM_CLUSTER_NAME=test" in env
    ckpt.file("end", "0")
    job.wait()
    wait_for(lambda: not ckpt.coordinators() and os.listdir(ckpt.runtime + "/ckpt") == [], "the coordinator's end")


def test_a_signal_before_the_program_is_there_is_not_lost(ckpt, slurm):
    """It is blocked from the very first; who asks SLURM takes a while."""
    slurm.state("hangs")
    job = slurm.launch(PYTHON, "-c", COUNT, step=0, env={"CKPT_ON_COMMIT": "/bin/true"})
    wait_for(lambda: os.path.exists(slurm.bin + "/asked"), "scontrol")
    job.popen.send_signal(signal.SIGUSR1)
    job.wait(85)
    assert len(slurm.images("step0")) == 1


def test_the_signal_ends_a_run_and_the_next_goes_on(ckpt, slurm):
    """What the script does behind it waits; CKPT_ON_COMMIT is run where SLURM does not requeue by itself."""
    slurm.config("(null)")
    hook = ckpt.file("hook", "#!/bin/sh\necho $SLURM_JOB_ID $SLURM_STEP_ID >%s/committed\n" % ckpt.work, 0o755)
    for run in range(3):
        job = slurm.count(step=0, env={"CKPT_ON_COMMIT": hook})
        assert run == 0 or "goes on from" in job.errors()
        for pid in job.tree():  # as SLURM does it
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGUSR1)
        job.wait(85)
        assert os.path.exists(slurm.dir("step0", "exited")) and len(slurm.images("step0")) == min(run + 1, 2)
        assert open(ckpt.path("committed")).read() == "12 0\n"
        slurm.launch("touch", "started", step=1).wait(85)
        assert not os.path.exists(ckpt.path("started"))
        slurm.again()
    ckpt.file("end", "0")  # it ends before all is told to run
    job = slurm.count(step=0, env={"CKPT_ON_COMMIT": hook, "CKPT_FAULT": "init-started:delay"})
    job.wait()
    assert not os.path.exists(slurm.dir("step0", "exited")) and os.path.exists(slurm.dir("step0", "finished"))
    slurm.launch("touch", "started", step=1).wait()
    assert os.path.exists(ckpt.path("started"))
