"""Each program of this directory holds one kernel object: set up, checkpoint, kill, restart, verify.

What a program asks for in its opening comment ("test: ...") is described in harness.h.
"""

import contextlib
import glob
import os
import re
import time

import pytest

import ckpttest

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
GENERATIONS = 3

SETTINGS = [
    {"root": False, "compress": "zstd"},
    {"root": False, "compress": "none"},
    {"root": True, "compress": "zstd"},
    {"root": True, "compress": "none"},
]


class Program:
    def __init__(self, source):
        self.name = os.path.basename(source)[:-2]
        with open(source) as f:
            comment = f.read().partition("*/")[0]
        self.tags = dict(re.findall(r"^[ \t/*]*test: *([a-z]+) *([^\n]*?)[ \t]*(?:\*/)?$", comment, re.M))
        unknown = set(self.tags) - {"root", "user", "checkpoints", "refused", "refusable", "tty",
                                    "time", "once", "dead", "running", "loop", "leaves"}
        assert not unknown, "%s: test: %s" % (source, unknown)

    def number(self, tag, default):
        return int(self.tags.get(tag) or default)


def cases():
    for source in sorted(glob.glob(os.path.join(HERE, "*.c"))):
        p = Program(source)
        for setting in SETTINGS:
            user = "root" if setting["root"] else "user"
            if "root" in p.tags and user != "root" or "user" in p.tags and user != "user":
                continue
            if "refused" in p.tags:
                variants = ["refused"]
            elif "running" in p.tags or "loop" in p.tags:
                variants = ["on"]
            else:
                variants = ["kill"]
                if "once" not in p.tags:
                    variants += ["chain", "on"]
            for variant in variants:
                # Compression has a bearing on what is read back, and on nothing else; nor does it know a user.
                if setting["compress"] == "none" and (variant != "kill" or setting["root"] and "root" not in p.tags):
                    continue
                # That the original runs on is the same for every user.
                if setting["root"] and variant == "on" and "root" not in p.tags:
                    continue
                yield pytest.param(setting, p, variant,
                                   id="-".join((p.name, variant, user, setting["compress"])))


def checkpoints(ckpt, program, job):
    """As many as the program asks for; the result of the last one that was not refused."""
    result = None
    n = program.number("checkpoints", 1)
    for i in range(n):
        if "refusable" in program.tags:
            done = ckpt.command("--checkpoint", "--json", expect=None)
            assert done.returncode in (0, 4), done.stderr
            assert job.running(), job.story()
            continue
        result = ckpt.checkpoint()
        if n > 1 and "loop" not in program.tags:
            time.sleep(ckpt.random.uniform(0, 0.15 if program.name.startswith("eintr") else 0.02))
    return result


@pytest.mark.parametrize("ckpt, program, variant", cases(), indirect=["ckpt"])
def test_object(ckpt, programs, program, variant):
    go = ckpt.path("go")
    tty = "tty" in program.tags
    limit = program.number("time", 20) + 30
    job = ckpt.launch([os.path.join(programs, "system", program.name)],
                      env={"CKPT_TEST_GO": go}, tty=tty)

    def finish():
        if not os.path.exists(go):
            open(go, "w").close()
        if tty:
            os.write(job.master, b"typed\n")
        job.wait(limit=limit)
        if tty:  # what it wrote last may still be on its way out of the terminal
            with contextlib.suppress(ckpttest.Failure):
                ckpttest.wait_for(lambda: job.output().rstrip().endswith("ok"), "the verdict", 10)
        lines = [l for l in job.output().replace("\r", "").splitlines() if l != "typed"]
        assert lines == ["ready", "ok"], job.story()

    try:
        job.wait_output("ready\n" if not tty else "ready", limit=limit)
    except AssertionError:
        if job.popen.poll() == SKIPPED:
            pytest.skip(job.output().strip())
        raise

    if variant == "refused":
        done = ckpt.command("--checkpoint", expect=4)
        assert program.tags["refused"] in done.stderr, done.stderr
        assert not os.listdir(ckpt.images)
        return finish()
    if variant == "on":
        checkpoints(ckpt, program, job)
        return finish()

    for generation in range(GENERATIONS if variant == "chain" else 1):
        result = checkpoints(ckpt, program, job)
        if variant == "chain" and generation == 1:
            job.kill_all()  # a whole capsule dies like a program
        else:
            assert job.kill() in (-9, 137)
        if "leaves" in program.tags:
            ckpt.ipc_remove()
        time.sleep(program.number("dead", 0))
        job = ckpt.restart(result["image"], job, tty=tty)
        assert job.wait_program(), job.story()
    finish()
