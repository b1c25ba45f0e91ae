"""Something goes wrong at each step of a checkpoint and of a restart (lib/core/fault.h): the program runs on, or the
newest complete image restarts; its output is that of an uninterrupted run; nothing is left; one line says what was.

One job goes through all of it. CKPT_TEST_LONG=1: every action at every point, in both processes and in the second one
only, as root too.
"""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

import ckpttest
from ckpttest import alive, comm, wait_for

LONG = os.environ.get("CKPT_TEST_LONG") == "1"
STEPS, MS = 1000000, 2


def points():
    """(name, can it fail?) of each point, in order."""
    with open(os.path.join(ckpttest.TREE, "lib/core/fault.h")) as f:
        found = re.findall(r'^\s([PE])\(\w+, "([a-z-]+)"\)', f.read(), re.M)
    assert len(found) > 40
    return [(name, kind == "E") for kind, name in found]


def of(*parts):
    return [(name, fails) for name, fails in points() if name.split("-")[0] in parts]


CHECKPOINT = of("coordinator", "leader", "collect", "snapshot", "writer")
RESTART = [p for p in points() if p not in CHECKPOINT]
assert {name.split("-")[0] for name, _ in RESTART} == {"restart", "init", "restorer", "return"}

USERS = [pytest.param({"root": False}, id="user")] + [pytest.param({"root": True}, id="root")] * LONG


def actions(name, fails, number):
    """What is to be done at a point."""
    if LONG:
        return ["kill", "delay"] + ["eio", "enospc"] * fails
    return [("eio", "enospc")[number % 2] if fails else "kill"]


class Pair:
    """The two processes, through launch, checkpoints, crashes and restarts."""

    def __init__(self, ckpt, programs):
        self.ckpt = ckpt
        self.job = ckpt.launch([os.path.join(programs, "apps", "fault_pair"), "content", str(STEPS), str(MS)],
                               ["--timeout", "10m"], compress="zstd:1")  # nobody is to wait for that
        self.job.wait_output("\n5 5 5\n")
        self.good()

    def good(self):
        """A checkpoint at which nothing goes wrong."""
        self.fresh_coordinator()
        return self.ckpt.checkpoint()["image"]

    def fresh_coordinator(self):
        """The next program that needs one starts it, with its own environment."""
        found = self.ckpt.coordinators()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not any(map(alive, found)), "the coordinator to end")

    def second(self):
        """The pid of the second process, as the coordinator sees it; as it is in the image."""
        (pid,) = ckpttest.proc_children(self.job.outer_pid())
        return pid, ckpttest.proc_inner_pid(pid)

    def nothing_partial(self):
        wait_for(lambda: not [n for n in os.listdir(self.ckpt.images) if n.endswith((".part", ".new", ".part.files"))],
                 lambda: "parts to go: %s" % os.listdir(self.ckpt.images))

    def runs_on(self):
        """Both are in step, and what they printed is what they should have."""
        self.job.wait_growth(20)
        assert self.job.running(), self.job.story()
        self.right()

    def right(self):
        lines = self.job.output().split("\n")[:-1]
        assert lines == ["%d %d %d" % (n, n, n) for n in range(1, len(lines) + 1)], self.job.story()

    def everybody(self):
        found = set(self.ckpt.left()) - set(self.ckpt.coordinators())
        for job in self.ckpt.jobs:
            if job.running():
                found |= set(job.tree())
        return [pid for pid in found if alive(pid)]

    def crash(self):
        """All that is ours at once, as the machine's end would."""
        while True:
            found = set(self.everybody()) | set(self.ckpt.coordinators())
            for sig in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, sig)
            if not found:
                return
            for job in self.ckpt.jobs:
                job.popen.poll()
            time.sleep(0.001)

    def gone(self):
        self.job.wait(check=False)
        wait_for(lambda: not self.everybody(), lambda: "processes to end: %s" % [
            ckpttest.describe(p) for p in self.everybody()])

    def restart(self, fault=None):
        return self.ckpt.restart(self.ckpt.images, self.job, env={"CKPT_FAULT": fault} if fault else None)

    def go_on(self):
        """From the newest complete image."""
        self.job = self.restart()
        self.ckpt.wait_known(self.job)
        self.runs_on()

    def stopped_at(self, fault):
        """The process that has come to a point at which it stops."""
        def found():
            return [p for p in self.everybody() + self.ckpt.coordinators() if comm(p) == "ckpt_fault"]
        return wait_for(found, lambda: "somebody to come to %s: %s" % (fault, self.job.story()))[0]

    def command(self, fault):
        self.fresh_coordinator()
        return subprocess.Popen([self.ckpt.installed.bin("ckpt_command"), "--checkpoint"],
                                env=self.ckpt.env({"CKPT_FAULT": fault}), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **self.ckpt.as_user)


@pytest.fixture
def pair(ckpt, programs):
    p = Pair(ckpt, programs)
    yield p
    p.crash()
    p.fresh_coordinator()
    p.ckpt.command("--list", expect=None)  # a coordinator that was killed has left its socket to the next


def variants(name, pid):
    return ["", "@%d" % pid] if LONG and not name.startswith(("coordinator", "init", "restart")) else [""]


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_checkpoint(pair):
    for number, (name, fails) in enumerate(CHECKPOINT):
        for action in actions(name, fails, number):
            for who in variants(name, pair.second()[0]):
                one_checkpoint(pair, name, action, "%s:%s%s" % (name, action, who))


def one_checkpoint(pair, name, action, fault):
    second_only = "@" in fault
    command = pair.command(fault)
    _, err = command.communicate(timeout=ckpttest.LIMIT)
    told = err.strip().splitlines()
    print(fault, command.returncode, told)
    done = action == "delay" or name in ("snapshot-fork", "writer-prune")
    first_only = name in ("writer-open", "writer-header", "writer-footer", "writer-sync", "writer-rename",
                          "writer-rename-files", "collect-contents", "writer-sync-dir", "writer-link")  # the first one's writer makes the file
    if done or (second_only and first_only):
        assert command.returncode == 0, (fault, told)
    elif action in ("eio", "enospc"):
        assert command.returncode == 4 and len(told) <= 1 + name.startswith("collect-"), (fault, told)
        assert all(line.endswith({"eio": "EIO", "enospc": "ENOSPC"}[action]) for line in told), (fault, told)
    elif command.returncode:
        assert command.returncode in (3, 4) and len(told) == 1, (fault, told)
    pair.nothing_partial()
    if action == "kill" and name.startswith(("leader", "collect", "snapshot-forked", "snapshot-done")):
        if second_only:
            pair.crash()
        pair.gone()
        pair.go_on()
    else:
        pair.runs_on()


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_restart(pair):
    inner = pair.second()[1]
    pair.good()
    pair.crash()
    for number, (name, fails) in enumerate(RESTART):
        for action in actions(name, fails, number):
            for who in variants(name, inner):
                one_restart(pair, name, action, "%s:%s%s" % (name, action, who))
    pair.go_on()


def one_restart(pair, name, action, fault):
    pair.job = pair.restart(fault)
    if action == "delay":
        pair.ckpt.wait_known(pair.job)
        pair.runs_on()
        pair.crash()
        pair.gone()
        return
    status = pair.job.wait(check=False)
    told = pair.job.errors().strip().splitlines()
    print(fault, status, told)
    assert status != 0, (fault, told)
    if name == "restart-choose" and action != "kill":
        assert len(told) == 3 and "no usable image" in told[2], (fault, told)
    elif action in ("eio", "enospc"):
        assert status == 125 and len(told) == 1 and {"eio": ("EIO", "Input/output error"), "enospc": (
            "ENOSPC", "No space left on device")}[action][name.startswith("init")] in told[0], (fault, told)
    elif name.startswith("restorer") or name in ("return-begin", "return-state", "return-meet"):
        assert status == 125 and len(told) == 1 and "being restored" in told[0], (fault, told)
    else:
        assert not told, (fault, told)
    pair.gone()
    pair.right()


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_crash(pair):
    """Everything is killed at once, at each step of both; in CI at those that change files, and some others."""
    for number, (name, _) in enumerate(CHECKPOINT):
        if not LONG and not name.startswith("writer") and number % 4:
            continue
        command = pair.command(name + ":stop")
        pair.stopped_at(name)
        pair.crash()
        command.communicate(timeout=ckpttest.LIMIT)
        pair.gone()
        pair.go_on()
    pair.good()
    pair.nothing_partial()
    pair.crash()
    for number, (name, _) in enumerate(RESTART):
        if not LONG and number % 4:
            continue
        pair.job = pair.restart(name + ":stop")
        pair.stopped_at(name)
        pair.crash()
        pair.gone()
        pair.right()
    pair.go_on()


def test_init_killed(pair):
    """The process above all others, from outside."""
    pair.crash()
    pair.job = pair.restart("init-plan:stop")
    os.kill(pair.stopped_at("init-plan"), signal.SIGKILL)
    assert pair.job.wait(check=False) == 128 + signal.SIGKILL
    (line,) = pair.job.errors().splitlines()
    assert "stands above the job was killed" in line
    pair.gone()
    pair.go_on()
