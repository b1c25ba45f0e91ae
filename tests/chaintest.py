"""A chain of generations: checkpoint, kill -9, restart, again and again, and what each of them measures."""

import os
import subprocess
import time

import ckpttest

PYTHON = "/usr/bin/python3"


def count_areas(pid):
    """Areas of memory, not counting how the kernel happens to cut them."""
    with open("/proc/%d/maps" % pid) as f:
        return sum(1 for _ in f)


def environment(pid):
    with open("/proc/%d/environ" % pid, "rb") as f:
        return len(f.read())


def other_work_ms():
    """How long Python takes to start on its own: the machine has other things to do, now more, now less."""
    begin = time.monotonic()
    subprocess.run([PYTHON, "-c", "import numpy"], check=True, stdin=subprocess.DEVNULL)
    return (time.monotonic() - begin) * 1e3


class Chain:
    def __init__(self, ckpt, programs):
        self.ckpt = ckpt
        self.program = os.path.join(programs, "progs", "chain.py")
        self.job = ckpt.launch([PYTHON, self.program], compress="zstd:1")
        self.job.wait_output("\n10 ")
        self.rows = []

    def cycle(self):
        """One generation; a dict of what it was like."""
        self.job.wait_growth()
        pid = self.job.outer_pid()
        row = {
            "areas": count_areas(pid),
            "descriptors": len(os.listdir("/proc/%d/fd" % pid)),
            "threads": len(os.listdir("/proc/%d/task" % pid)),
            "environment": environment(pid),
            "other_ms": other_work_ms(),
        }
        result = self.ckpt.checkpoint()
        self.job.kill()
        begin = time.monotonic()
        self.job = self.ckpt.restart(self.ckpt.images, self.job)
        self.job.wait_growth()
        assert self.job.running(), self.job.story()
        row.update(bytes=result["bytes"], pause_ms=result["pause_ms"], total_ms=result["total_ms"],
                   restart_ms=(time.monotonic() - begin) * 1e3)
        self.ckpt.jobs = [self.job]
        self.rows.append(row)
        return row

    def finish(self):
        """The program to its end: all it has printed is what it prints in a run that nobody interrupts."""
        self.ckpt.file("stop")
        self.job.wait()
        steps = self.job.output().count("\n")
        expected = self.ckpt.uninterrupted([PYTHON, self.program, str(steps)], limit=600)
        assert self.job.output() == expected, ckpttest.first_difference(self.job.output(), expected)
        return steps
