"""ckpt_launch in a SLURM job: which directory, and what a step does when the job runs again.

No SLURM is needed: its variables are set, and scontrol is a script. tests/slurm has the real one.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading

import pytest

import ckpttest
from ckpttest import wait_for

PYTHON = "/usr/bin/python3"
BOTH = pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])

# Counts; ends at 100000, or with the status in the file "end".
COUNT = """
import os, sys, time
n = 0
print("run", os.environ.get("SLURM_RESTART_COUNT", 0), *sys.argv[1:], flush=True)
while not os.path.exists("end"):
    n += 1
    print(n, os.popen("echo ${SLURM_RESTART_COUNT-none} $SRUN_COMM_PORT").read().strip(), flush=True)
    time.sleep(0.02)
os._exit(int(open("end").read() or 0))
"""

SCONTROL = """#!/bin/sh
echo "$*" >>{dir}/asked
[ -e {dir}/hangs ] && exec sleep 1000
[ -e {dir}/down ] && exit 1
case "$*" in
"show config") cat {dir}/config ;;
*) cat {dir}/answer ;;
esac
"""


class Step(ckpttest.Job):
    """A job whose output comes through pipes: when it has ended, all of it has come."""

    def wait(self, *args, **kwargs):
        status = super().wait(*args, **kwargs)
        for thread in self.drains:
            thread.join(ckpttest.LIMIT)
        return status


def streamed(ckpt, argv, *files, env):
    """Start argv with pipes for standard output and error, as a step has them; what comes goes to files."""
    writers, drains = [], []
    for path in files:
        reader, writer = os.pipe()
        writers.append(writer)
        drains.append(threading.Thread(target=ckpttest.drain, daemon=True,
                                       args=(reader, os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))))
        drains[-1].start()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=writers[0], stderr=writers[1], env=ckpt.env(env),
                         cwd=ckpt.work, **ckpt.as_user)
    for writer in writers:
        os.close(writer)
    step = Step(ckpt, p, p.pid, *files)
    step.drains = drains
    ckpt.jobs.append(step)
    return step


class Slurm:
    """A job of SLURM, as far as its steps can tell."""

    def __init__(self, ckpt, job=12, **env):
        self.ckpt = ckpt
        self.job, self.task, self.run, self.port = job, None, 0, 20000
        self.facts = {"AllocNode:Sid": "login:4711", "Command": "/home/me/job.sh", "BatchFlag": "1"}
        self.submit = 10  # seconds
        self.env = {"CKPT_SLURM_LOCAL": "1", **env}
        self.bin = ckpt.mkdir("bin")
        self.config("85")
        self.answer()
        with open(self.bin + "/scontrol", "w") as f:
            f.write(SCONTROL.format(dir=self.bin))
        os.chmod(self.bin + "/scontrol", 0o755)

    def config(self, requeue_exit):
        with open(self.bin + "/config", "w") as f:
            f.write("Configuration data as of now\nRebootProgram           = (null)\n"
                    "RequeueExit             = %s\nRequeueExitHold         = 86\n" % requeue_exit)

    def answer(self, **facts):
        self.facts.update(facts)
        shown = {"JobId": self.job, "JobName": "a job", **self.facts,
                 "SubmitTime": "2026-11-29T04:00:%02d" % self.submit}
        with open(self.bin + "/answer", "w") as f:
            f.write(" ".join("%s=%s" % fact for fact in shown.items()) + " \n")

    def again(self):
        """SLURM has requeued it."""
        self.run += 1
        self.submit += 1
        self.answer()

    def state(self, what):
        """"down", "hangs", or "up"."""
        for name in "down", "hangs":
            if os.path.exists(self.bin + "/" + name):
                os.unlink(self.bin + "/" + name)
        if what != "up":
            open(self.bin + "/" + what, "w").close()

    def asked(self):
        with open(self.bin + "/asked") as f:
            return f.read().splitlines()

    def variables(self, step=None, proc=0, tasks=1, node="n1"):
        self.port += 1
        env = {"PATH": self.bin + ":" + self.ckpt.env()["PATH"], "SLURM_JOB_ID": str(self.job),
               "SLURM_CLUSTER_NAME": "test", "SLURM_SUBMIT_DIR": self.ckpt.work, "SLURMD_NODENAME": node,
               "SLURM_PROCID": str(proc), "SLURM_TASK_PID": "100", "SRUN_COMM_PORT": str(self.port), **self.env}
        if self.task is not None:
            env.update(SLURM_ARRAY_JOB_ID=str(self.job), SLURM_ARRAY_TASK_ID=str(self.task))
        if self.run:
            env["SLURM_RESTART_COUNT"] = str(self.run)
        if step is not None:
            env.update(SLURM_STEP_ID=str(step), SLURM_STEP_NUM_TASKS=str(tasks), SLURM_SRUN_COMM_HOST="here",
                       SLURM_SRUN_COMM_PORT=str(1000 * self.run + step))
        return env

    def launch(self, *argv, options=(), env=None, **step):
        """ckpt_launch argv, in a step, or straight in the batch script; the Job."""
        ckpt = self.ckpt
        out, err = ckpt.name("out"), ckpt.name("err")
        return streamed(ckpt, [ckpt.installed.bin("ckpt_launch"), *options, *argv], out, err,
                        env={**self.variables(**step), **(env or {})})

    def count(self, *args, **step):
        job = self.launch(PYTHON, "-c", COUNT, *args, **step)
        wait_for(lambda: job.output().count("\n") > 3 or not job.running(), job.story)
        return job

    def dir(self, *names):
        name = "test-%s" % self.job + ("" if self.task is None else "_%s" % self.task)
        return os.path.join(self.ckpt.work, ".ckpt", name, *names)

    def dirs(self):
        return sorted(n for n in os.listdir(self.dir()) if n != "job")

    def images(self, *names):
        return sorted(n for n in os.listdir(self.dir(*names)) if n.endswith(".ckpt") and not os.path.islink(
            os.path.join(self.dir(*names), n)))

    def command(self, *args, step="step0", node="n1", what="ckpt_command"):
        socket = os.path.join(self.ckpt.runtime, "ckpt", "%s.%s.%s" % (os.path.basename(self.dir()), step, node))
        return self.ckpt.run(what, *args, env={"CKPT_SOCKET": socket})

    def checkpoint_all(self, **where):
        jobs = json.loads(self.command("--list", "--json", **where).stdout)["jobs"]
        assert len(jobs) == 2
        for job in jobs:
            done = self.command("--checkpoint", "--job", job["job"], **where)
            assert done.returncode == 0, done

    def checkpoint(self, *args, slot="step0", **where):
        """One more image in the slot."""
        before = self.images(*slot.split("/"))

        def made():
            done = self.command("--checkpoint", "--json", *args, step=slot.split("/")[0].split("-")[0].rstrip(
                "0123456789") if slot.startswith("batch") else slot.split("/")[0].split("-")[0], **where)
            self.said = done.stdout + done.stderr
            return done.returncode == 0
        wait_for(made, lambda: self.said)
        new = [n for n in self.images(*slot.split("/")) if n not in before]
        assert len(new) == 1, (before, new, self.said)
        return self.dir(slot, new[0])


@pytest.fixture
def slurm(ckpt):
    return Slurm(ckpt)


def kill(job):
    """The job is ended, as SLURM does it, with all there is of it, and the coordinator, whose socket the epilog removes."""
    for pid in job.tree() + job.ckpt.coordinators():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    job.wait(check=False)
    runtime = job.ckpt.runtime + "/ckpt"
    for name in os.listdir(runtime) if os.path.exists(runtime) else []:
        os.unlink(os.path.join(runtime, name))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def numbers(job):
    return [int(line.split()[0]) for line in job.output().splitlines() if line[0].isdigit()]


def goes_on(job, image, place, port=None):
    """The job was restored from the image, and says so in one line. What it prints first."""
    assert "run" not in job.output(), job.story()
    assert len(job.errors().splitlines()) == 1, job.story()
    generation = int(image.split(".")[-2])
    assert job.errors().startswith("ckpt: %s: goes on from %s (generation %d of 20" % (place, image, generation)), job.errors()
    return job.output().splitlines()[1]


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
    ckpt.file("end", "0")
    job = slurm.count(step=0, env={"CKPT_ON_COMMIT": hook})
    job.wait()
    assert not os.path.exists(slurm.dir("step0", "exited")) and os.path.exists(slurm.dir("step0", "finished"))
    slurm.launch("touch", "started", step=1).wait()
    assert os.path.exists(ckpt.path("started"))
