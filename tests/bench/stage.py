"""Where the measured programs run: a private place with a coordinator of its own, from ckpttest.

Programs write into a pipe that we read, so that "its next output" is an event and not a poll.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import ckpttest  # noqa: E402

PYTHON = "/usr/bin/python3"
PAGE = mmap.PAGESIZE
PIPE_SIZE = 1 << 20

libc = ctypes.CDLL(None)


class Program:
    """A running program and what it has printed."""

    def __init__(self, popen):
        self.popen = popen
        self.pid = popen.pid
        self.lines = []
        self.first = threading.Event()
        self.first_at = None
        with contextlib.suppress(OSError):
            fcntl.fcntl(popen.stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.popen.stdout:
            if self.first_at is None:
                self.first_at = time.perf_counter()
                self.first.set()
            if not line.startswith(b"tick"):
                self.lines.append(line)
        self.first.set()

    def wait_first(self, limit=ckpttest.LIMIT):
        """Seconds on perf_counter() when the first output came."""
        if not self.first.wait(limit) or self.first_at is None:
            raise ckpttest.Failure("no output: %s" % self.end().decode(errors="replace")[-500:])
        return self.first_at

    def end(self):
        """Kill it; returns what it wrote to standard error."""
        self.popen.kill()
        self.popen.wait()
        self.reader.join(5)
        os.set_blocking(self.popen.stderr.fileno(), False)
        return self.popen.stderr.read() or b""


class Stage:
    def __init__(self, installed):
        self.installed = installed
        self.ckpt = ckpttest.Ckpt(installed)
        self.programs = []
        for name in ("subject.py", "loop.py", "serialize.py", "pool.py", "spawn.py"):
            with open(os.path.join(HERE, name)) as f:
                self.ckpt.file(name, f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.programs:
            p.end()
        self.ckpt.stop()
        self.ckpt.remove()

    def popen(self, argv, env=None, **more):
        options = {**self.ckpt.as_user, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(argv, env=self.ckpt.env(env), cwd=self.ckpt.work,
                                stdin=subprocess.DEVNULL, **options)

    def start(self, argv):
        program = Program(self.popen(argv))
        self.programs.append(program)
        return program

    def end(self, program):
        self.programs.remove(program)
        return program.end()

    def launcher(self):
        return [self.installed.bin("ckpt_launch"), "--ckptdir", self.ckpt.images]

    def python(self, script, *args):
        return [PYTHON, self.ckpt.path(script), *map(str, args)]

    def subject(self, *args, plain=False):
        """The measured program, when it is ready; plain: without us."""
        p = self.start(([] if plain else self.launcher()) + self.python("subject.py", *args))
        p.wait_first()
        time.sleep(0.2)
        return p

    def checkpoint(self):
        """One checkpoint of the only job; the object that ckpt_command prints of it."""
        return self.ckpt.checkpoint()

    def restart(self, image):
        """Seconds from ckpt_restart's start to the program's next output."""
        start = time.perf_counter()
        p = self.start([self.installed.bin("ckpt_restart"), image])
        took = p.wait_first() - start
        self.end(p)
        return took

    def output(self, script, *args, launch=False):
        """Run a script to its end; what it printed."""
        argv = (self.launcher() if launch else []) + self.python(script, *args)
        p = self.popen(argv)
        out, err = p.communicate()
        if p.returncode:
            raise ckpttest.Failure("%s: %s" % (" ".join(argv), err.decode(errors="replace")[-500:]))
        return out.decode()

    def path(self, name):
        return os.path.join(self.ckpt.dir, name)


def areas(pid):
    """(start, end, has a file) of what a program may read and shares with nobody."""
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            fields = line.split()
            name = fields[5] if len(fields) > 5 else ""
            start, end = (int(x, 16) for x in fields[0].split("-"))
            if fields[1].startswith("r") and fields[1].endswith("p") and not name.startswith("[v"):
                yield start, end, fields[4] != "0"


def dump_raw(pid, path):
    """The bytes that an image of the program holds, as they are: its pages and its mapped files."""
    step = 4096
    with open("/proc/%d/pagemap" % pid, "rb", 0) as pagemap, \
            open("/proc/%d/mem" % pid, "rb", 0) as mem, open(path, "wb") as out:
        for start, end, has_file in areas(pid):
            pagemap.seek(start // PAGE * 8)
            entries = memoryview(pagemap.read((end - start) // PAGE * 8)).cast("Q")
            there = [has_file or bool(e >> 62) for e in entries]
            i = 0
            while i < len(there):
                k = i
                while k < len(there) and k - i < step and there[k] == there[i]:
                    k += 1
                if there[i]:
                    with contextlib.suppress(OSError):  # behind the end of a mapped file
                        mem.seek(start + i * PAGE)
                        out.write(mem.read((k - i) * PAGE))
                i = k
    return os.path.getsize(path)


KCMP = 312  # the system call's number on x86-64
KCMP_VM = 1


def same_memory(a, b):
    """Do two processes share their memory, as the writer's workers do?"""
    return libc.syscall(KCMP, a, b, KCMP_VM, 0, 0) == 0


def marked_pss(mark):
    """Memory of all processes of a stage, each shared page once, in bytes."""
    total, seen = 0, []
    for pid, environ in ckpttest.processes():
        if mark.encode() not in environ or any(same_memory(pid, other) for other in seen):
            continue
        with contextlib.suppress(OSError):
            with open("/proc/%d/smaps_rollup" % pid) as f:
                pss = [int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:")]
            total += sum(pss)
            seen.append(pid)
    return total


class MemoryWatch:
    """The largest marked_pss() seen while it runs."""

    def __init__(self, mark):
        self.mark = mark
        self.peak = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.stop.wait(0.005):
            self.peak = max(self.peak, marked_pss(self.mark))

    def __enter__(self):
        self.before = marked_pss(self.mark)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
