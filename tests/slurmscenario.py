"""Scenarios: tests of jobs in SLURM that run at the same time, since each of them mostly waits for SLURM.

A function that @scenario decorates becomes a test; its body has a private place on a cluster, as the fixture "slurm"
gives it, and runs in one of a few threads that begin with the session. The test only waits for its end.
"""

import collections
import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import traceback

import pytest

import ckpttest
import slurmtest
from ckpttest import TREE, Failure, wait_for

AT_ONCE = 6
LIMIT = 900  # seconds until a scenario that says nothing has failed
PYTHON = "/usr/bin/python3"
PROGRAM = os.path.join(TREE, "tests", "slurm", "plate.py")

Spec = collections.namedtuple("Spec", "body cluster user first")


def scenario(cluster="hooks", user=slurmtest.USERS[0], first=False):
    """Make a test of a function of a slurmtest.Slurm. first: it takes long, and is not to be the last to begin."""
    def decorate(body):
        def test(scenarios):
            scenarios.wait(test)
        test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
        test.scenario = Spec(body, cluster, user, first)
        return test
    return decorate


class Scenarios:
    """Those of the session that were selected."""

    def __init__(self, tests, clusters):
        self.clusters = clusters
        self.results = {test: queue.Queue() for test in tests}
        self.todo = collections.deque(sorted(tests, key=lambda t: not t.scenario.first))
        self.skips = {test: slurmtest.obstacle(test.scenario.cluster, test.scenario.user) for test in tests}
        for kind in sorted({t.scenario.cluster for t in tests if not self.skips[t]}):
            clusters(kind)
        # Daemons: whoever gives up need not wait for them.
        for _ in range(AT_ONCE):
            threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            try:
                test = self.todo.popleft()
            except IndexError:
                return
            if not self.skips[test]:
                self.results[test].put(self.run(test.scenario))

    def run(self, spec):
        """None, or what went wrong."""
        slurm = slurmtest.Slurm(self.clusters(spec.cluster), spec.user)
        wrong = None
        try:
            spec.body(slurm)
        except BaseException:  # pytest's own failures are none of Exception's
            wrong = traceback.format_exc()
            if "--- " not in wrong:
                wrong += slurm.story()
        try:
            left = slurm.stop()
        except Exception:
            left = [traceback.format_exc()]
        if wrong or left:
            slurm.cluster.keep = True
            return "\n".join([*([wrong] if wrong else []), *left, "files kept in " + slurm.dir])
        slurm.remove()
        return None

    def wait(self, test):
        if self.skips[test]:
            pytest.skip(self.skips[test])
        try:
            wrong = self.results[test].get(timeout=LIMIT)
        except queue.Empty:
            wrong = "no end in %d s" % LIMIT
        if wrong:
            pytest.fail(wrong, pytrace=False)


class Plate:
    """plate.py in a batch job: held at gates, signalled, requeued, and compared with a run that nobody interrupts."""

    BLOCKS = 40
    GATE = 24  # where it waits by default
    SCRIPT = "srun ckpt_launch {program}\n"
    lock = threading.Lock()
    reference = None

    def __init__(self, slurm, *options, name="plate", gates=(GATE,), script=SCRIPT, env=None, submit=True):
        self.slurm = slurm
        self.name = name
        self.gates = gates
        self.job = None
        self.file = slurm.path("plate.py")
        if not os.path.exists(self.file):
            shutil.copy(PROGRAM, self.file)
        self.script = "cd $SLURM_SUBMIT_DIR\n" + script.format(program=self.command(name), name=name)
        if submit:
            self.job = slurm.submit(self.script, "--open-mode=append", "--output=%s.out" % name,
                                    "--error=%s.err" % name, "--ntasks=1", *options, name=name, env=env)

    def command(self, name):
        return " ".join([PYTHON, self.file, name, str(self.BLOCKS), *map(str, self.gates)])

    @classmethod
    def expected(cls):
        """Its output in a run that nobody interrupts."""
        with cls.lock:
            if cls.reference is None:
                place = tempfile.mkdtemp(prefix="ckpt-test-plate-")
                done = subprocess.run([PYTHON, PROGRAM, "plate", str(cls.BLOCKS)], cwd=place, text=True, check=True,
                                      env={"PATH": "/usr/bin:/bin", "PLATE_PAUSE": "0"},
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                shutil.rmtree(place)
                cls.reference = done.stdout
        return cls.reference

    # --- what it has done ---

    def output(self):
        return self.slurm.read(self.name + ".out")

    def result(self):
        return self.slurm.read(self.name + ".result")

    def errors(self):
        return self.slurm.read(self.name + ".err")

    def begun(self):
        """How often main() has begun."""
        return self.errors().splitlines().count("begun")

    def blocks(self):
        """How many it has finished."""
        return self.result().count("\nblock ") + self.result().startswith("block ")

    def story(self):
        return "%s of %s: %s\n%s" % (self.name, self.job.id, self.job.show(), self.slurm.story())

    def wait_blocks(self, number, limit=slurmtest.LIMIT):
        """Wait until it has finished so many."""
        wait_for(lambda: self.blocks() >= number, lambda: "block %d of %s" % (number, self.story()), limit)

    def images(self, step="step0"):
        """The images of a step, oldest first."""
        found = []
        for where, _, names in os.walk(self.slurm.path(".ckpt")):
            if re.search("/[a-z]+-%s/%s$" % (self.job.id, step), where):
                found += [os.path.join(where, n) for n in names
                          if n.endswith(".ckpt") and not os.path.islink(os.path.join(where, n))]
        return sorted(found, key=lambda path: path.split(".")[-2])

    def wait_new_image(self):
        """Wait for an image that was begun from now on: not the one that may be in the making."""
        number = self.generation() + 2
        wait_for(lambda: self.generation() >= number, lambda: "image %d of %s" % (number, self.story()))

    def generation(self):
        """How many images were made."""
        found = self.images()
        return int(found[-1].split(".")[-2]) if found else 0

    def programs(self):
        """Pids of the program's process, as we see them."""
        found = []
        for pid in self.job.processes():
            with contextlib.suppress(OSError):
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    words = f.read().split(b"\0")
                if ckpttest.comm(pid).startswith("python") and [self.file.encode(), self.name.encode()] == words[1:3]:
                    found.append(pid)
        return found

    def wait_started(self, *names):
        """Wait until one of these programs of ours (default: any), or the program, is there: a signal before is lost."""
        names = {*(names or ("ckpt_launch", "ckpt_restart")), "python3"}
        wait_for(lambda: names & {ckpttest.comm(pid) for pid in self.job.processes()},
                 lambda: "%s of %s" % (names, self.story()))

    def wait_program(self):
        """Wait until it is there, as itself and not as what starts or restores it."""
        return wait_for(self.programs, lambda: "the program of " + self.story())[0]

    # --- what is done to it ---

    def open(self, *gates):
        """Let it pass; without arguments all."""
        for gate in gates or self.gates:
            self.slurm.file("%s.%d" % (self.name, gate))

    def signal(self, sig="USR1", expect=0):
        """To all processes of its steps, as --signal does."""
        self.job.signal(sig, expect)

    def checkpoint(self):
        """An image, as ckpt_command makes it."""
        pid = self.wait_program()
        env = dict(e.split(b"=", 1) for p, environ in ckpttest.processes() if p == pid
                   for e in environ.split(b"\0") if b"=" in e)
        self.slurm.run("ckpt_command", "--checkpoint", env={"CKPT_SOCKET": env[b"CKPT_SOCKET"].decode()})

    def requeue(self):
        self.slurm.scontrol("requeue", self.job.id)

    def hurry(self, show):
        """SLURM lets a requeued job wait until its old credential is over; a test need not."""
        if show["JobState"] == "PENDING" and show.get("Reason") == "BeginTime":
            self.slurm.scontrol("update", "JobId=" + self.job.id, "StartTime=now+1", expect=None)

    def wait_rerun(self, number, limit=slurmtest.LIMIT):
        """Wait until it runs for the number-th time after the first."""
        def runs(show):
            if int(show["Restarts"]) < number:
                if show["JobState"] in slurmtest.FINAL:
                    raise Failure("it has ended before rerun %d: %s" % (number, self.story()))
                return False
            self.hurry(show)
            return show["JobState"] in ("RUNNING", "COMPLETED")
        self.job.wait_for(runs, "rerun %d" % number, limit)

    def kill(self):
        """kill -9 of every process of the job but its batch script."""
        def ended():
            found = [pid for pid in self.job.processes() if ckpttest.comm(pid) not in ("slurm_script", "slurmstepd")]
            for sig in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    with contextlib.suppress(OSError):
                        os.kill(pid, sig)
            return not any(ckpttest.alive(pid) for pid in found)
        wait_for(ended, self.story)

    def finish(self):
        """Let it run to its end, which is that of a run that nobody interrupted."""
        self.open()
        self.job.wait_completed()
        self.check()

    def check(self, output="whole", begun=1):
        """Compare. output: "whole", or "repeated" when lines were printed after the image that it went on from."""
        expected = self.expected()
        if self.result() != expected:
            raise Failure("result: %s\n%s" % (ckpttest.first_difference(self.result(), expected), self.story()))
        printed = self.output()
        if output == "repeated":
            printed = "".join(dict.fromkeys(printed.splitlines(keepends=True)))
        if printed != expected:
            raise Failure("output: %s\n%s" % (ckpttest.first_difference(printed, expected), self.story()))
        if self.begun() != begun:
            raise Failure("main() has begun %d times, not %d: %s" % (self.begun(), begun, self.story()))
