"""Steps of a SLURM job without SLURM: ckpt_launch with the variables of one, and a scontrol that says what is wanted."""

import contextlib
import json
import os
import signal
import stat
import subprocess
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
