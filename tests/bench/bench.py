"""`make bench`: the project's figures, each with its peers from the same run beside it.

	bench.py [--only NAME,…] [--count N] [--seconds S] [--mib N]

Nothing here fails because a figure is bad: exit status 1 says that something did not work.
"""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time

import peers
from stage import PYTHON, MemoryWatch, Stage, ckpttest, dump_raw, marked_pss
from table import Figure, median, spread


class Bench:
    """Options, the installed programs, and what every measurement needs of them."""

    def __init__(self, options, installed):
        self.o = options
        self.installed = installed
        self.criu_missing = peers.criu_missing()
        self.serialized = None
        self.small = "Python+NumPy, 30 MB"
        self.big = "Python+NumPy + %d MiB" % options.mib

    def stage(self):
        return Stage(self.installed)

    def few(self, n):
        """n repetitions, fewer when few were asked for."""
        return max(2, min(n, self.o.count))

    def saving(self):
        """How long dill and others take to save data; measured once."""
        if self.serialized is None:
            with self.stage() as s:
                out = s.output("serialize.py", self.o.mib, self.few(9))
            self.serialized = json.loads(out)
        return self.serialized


# ---- while it runs ----


def count_calls(s, launch, n):
    """System calls of a loop of n iterations, from exec to exit."""
    log = s.path("strace-%d-%d" % (launch, n))
    argv = ["strace", "-f", "-c", "-o", log, *(s.launcher() if launch else []),
            *s.python("loop.py", "heat", n)]
    p = s.popen(argv, env={"OPENBLAS_NUM_THREADS": "1"})  # its threads yield as long as they like
    _, err = p.communicate()
    if p.returncode:
        raise ckpttest.Failure("strace: " + err.decode(errors="replace")[-500:])
    with open(log) as f:
        return int(re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s.*total$", f.read(), re.M).group(1))


def overhead_calls(b):
    f = Figure("System calls of a steady NumPy loop of %g s, start-up not counted" % b.o.seconds, "count")
    if not shutil.which("strace"):
        f.note("strace is not installed")
        return f
    with b.stage() as s:
        s.subject("--do", "tick")  # keeps the coordinator: it must not be started under strace
        rate = 2000 / float(s.output("loop.py", "heat", 2000))
        long, short = int(rate * b.o.seconds), int(rate * b.o.seconds / 10)
        calls = {launch: (count_calls(s, launch, long), count_calls(s, launch, short))
                 for launch in (True, False)}
    ours, plain = (calls[x][0] - calls[x][1] for x in (True, False))
    f.add("under ckpt", ours, target=plain)
    f.add("without", plain, peer=True)
    f.note("%d iterations; start-up and end take %d more calls under ckpt" % (
        long - short, calls[True][1] - calls[False][1]))
    return f


def overhead_time(b):
    """Both ways by turns, timed by the loop itself."""
    f = Figure("Wall time of a loop, under ckpt by the time without", "times")
    with b.stage() as s:
        s.subject("--do", "tick")
        for loop, n, what in (("heat", 5000, "NumPy loop"), ("count", 20_000_000, "Python loop")):
            took = {True: [], False: []}
            for _ in range(max(4, b.few(9))):
                for launch in (True, False):
                    took[launch].append(float(s.output("loop.py", loop, n, launch=launch)))
            noise = spread(took[False]) + spread(took[True])
            f.add("%s, median of %d" % (what, len(took[True])),
                  median(took[True]) / median(took[False]), target=1 + noise)
    f.note("target: within the quartiles of both")
    return f


# ---- pause ----


def longest_gaps(s, program, count):
    """For each of count checkpoints: what ckpt_command tells, and the program's longest standstill in ms."""
    told, gaps = [], []
    for _ in range(count):
        del program.lines[:]
        told.append(s.checkpoint())
        time.sleep(0.05)
        gaps.append(max((int(x.split()[2]) / 1e6 for x in list(program.lines) if x.startswith(b"gap")),
                        default=0))
    return told, gaps


def criu_pause(b, f, args):
    if b.criu_missing:
        f.note(b.criu_missing)
        return
    with b.stage() as s, open(s.path("out"), "wb") as out:
        p = s.popen(s.python("subject.py", *args), stdout=out, stderr=subprocess.DEVNULL,
                    start_new_session=True)
        time.sleep(3)
        frozen = []
        for i in range(b.few(5)):
            frozen.append(peers.criu_dump(p.pid, s.path("criu%d" % i), "--leave-running"))
            shutil.rmtree(s.path("criu%d" % i))
        p.kill()
        p.wait()
    f.add("CRIU dump, frozen time, median of %d" % len(frozen), median(frozen), peer=True)


def pause(b, title, target, args, saved=()):
    """The gap is the longest until the image is there: the writer's share of the CPUs is in it."""
    f = Figure("Pause: " + title)
    with b.stage() as s:
        p = s.subject("--do", "spin", *args)
        told, gaps = longest_gaps(s, p, b.o.count)
    pauses = [t["pause_ms"] for t in told]
    f.add("ckpt, median of %d" % b.o.count, median(pauses), target=target)
    f.add("ckpt, worst", max(pauses))
    f.add("longest gap seen by the program itself, median", median(gaps))
    f.add("longest gap seen by the program itself, worst", max(gaps))
    criu_pause(b, f, args)
    for name, ms in b.saving().items():
        if name.split(" ", 1)[1] in saved:
            f.add(name, ms, peer=True)
    return f


def pauses(b):
    mib = str(b.o.mib)
    scale = b.o.mib / 1024
    return [
        pause(b, b.small, 2.5, (), ("83 KB", "8 MB")),
        pause(b, b.big, 10, ("--mib", mib), ("%s MiB" % mib,)),
        pause(b, "%s MiB of touched 4 KiB pages" % mib, 40 * max(scale, 0.25),
              ("--mib", mib, "--pages", "small")),
    ]


def threads(b):
    f = Figure("Pause by number of threads, median of %d" % b.few(15))
    base = None
    for n in (1, 10, 100, 1000):
        with b.stage() as s:
            p = s.subject("--do", "tick", "--threads", n)
            with open("/proc/%d/status" % p.pid) as status:
                real = int(re.search(r"Threads:\s+(\d+)", status.read()).group(1))
            told = [s.checkpoint() for _ in range(b.few(15))]
            ms = median([t["pause_ms"] for t in told])
        f.add("%d threads" % real, ms)
        f.add("  CPU time of the coordinator in it", median([t["coordinator_ms"] for t in told]))
        base = base or (real, ms)
    f.note("%.1f us a thread" % (1e3 * (ms - base[1]) / (real - base[0])))
    return f


def processes(b):
    """10 MB each; the coordinator's share is its CPU time until the last one is let go."""
    figures = []
    for n in (1, 10, 100, 500):
        count = b.few(5)
        f = Figure("Pause of %d processes of 10 MB, median of %d" % (n, count))
        with b.stage() as s:
            s.subject("--do", "tick", "--mib", 10, "--processes", n)
            told = [s.checkpoint() for _ in range(count)]
        f.add("ckpt, time of the forks not counted", median([t["pause_ms"] - t["fork_ms"] for t in told]),
              target=150 if n == 100 else None)
        f.add("with it", median([t["pause_ms"] for t in told]))
        f.add("CPU time of the coordinator in it", median([t["coordinator_ms"] for t in told]))
        figures.append(f)
    return figures


def clients(b):
    """The coordinator alone, with processes that have no program behind; the program tells."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    n = min(10000, (hard - 256) // 2)
    f = Figure("Coordinator with %d processes, of which nothing is saved" % n)
    program = os.path.join(ckpttest.TREE, "build", "tests", "bench", "clients")
    if not os.path.exists(program):
        f.note("%s is not built" % program)
        return f
    run = subprocess.run([program, str(n), "2"], stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise RuntimeError("clients: status %d" % run.returncode)
    for line in run.stdout.rpartition("checkpoint")[2].splitlines()[1:]:
        f.note(" ".join(line.split()))
    return f


# ---- processes that share memory ----


def pool(b):
    """What it is to need is the array, once; and what nine Pythons need."""
    mib = b.o.mib
    sizes = Figure("Pool of 8 forked workers over an array of %d MiB" % mib, "bytes")
    times = Figure("The same: time")
    with b.stage() as s:
        p = s.start(s.launcher() + s.python("pool.py", mib))
        p.wait_first()
        time.sleep(0.2)
        before = marked_pss(s.ckpt.mark)
        told = s.checkpoint()
        s.end(p)
        start = time.perf_counter()
        restarted = s.start([s.installed.bin("ckpt_restart"), told["image"]])
        took = 1e3 * (restarted.wait_first() - start)
        time.sleep(0.5)
        sizes.add("image", told["bytes"], target=1.15 * mib * (1 << 20))
        sizes.add("proportional set size before", before)
        sizes.add("after a restart", marked_pss(s.ckpt.mark), target=1.15 * before)
    times.add("pause", told["pause_ms"])
    times.add("until the image is durable", told["total_ms"])
    times.add("restart until the next output", took)
    return [sizes, times]


# ---- what a program does with processes and files ----


def spawn(b):
    """Both ways by turns. What a program that has libckpt in it takes to start is in the last one only."""
    figures = []
    for what, title, more in (("open", "100 times open and close", 0), ("fork", "fork, exit, wait", 30),
                              ("vfork", "vfork and exec", 0), ("subprocess", "subprocess.run of true", None)):
        took = {True: [], False: []}
        with b.stage() as s:
            s.subject("--do", "tick")
            for _ in range(max(4, b.few(9))):
                for launch in (True, False):
                    took[launch].append(float(s.output("spawn.py", what, launch=launch)))
        f = Figure("Python under ckpt: " + title, "us")
        f.add("under ckpt, median of %d" % len(took[True]), median(took[True]),
              target=None if more is None else 1.05 * median(took[False]) + more)
        f.add("without", median(took[False]), peer=True)
        figures.append(f)
    return figures


# ---- the image ----


def durable(b, title, args):
    f = Figure("Until the image is durable: " + title)
    sizes = Figure("Image size: " + title, "bytes")
    with b.stage() as s:
        p = s.subject("--do", "tick", *args)
        raw = s.path("raw")
        nraw = dump_raw(p.pid, raw)
        ours, packed, image = [], [], 0
        for _ in range(b.few(5)):
            told = s.checkpoint()
            ours.append(told["total_ms"])
            image = told["bytes"]
            packed.append(peers.zstd(raw))
            os.sync()
        f.add("ckpt, median of %d" % len(ours), median(ours),
              target=1.3 * 1e3 * median([t for t, _ in packed]) if packed[0] else None)
        sizes.add("ckpt (program, libraries and all)", image)
        if packed[0]:
            f.add("zstd -1 -T2 and fsync of the same %d MB" % (nraw / 1e6),
                  1e3 * median([t for t, _ in packed]), peer=True)
            sizes.add("zstd -1 of the same bytes", packed[0][1], peer=True)
        os.unlink(raw)
        core = peers.core(p.pid, s.path("core"))
        if core and packed[0]:
            sizes.add("zstd -1 of a core (without text of libraries)", peers.zstd(core)[1], peer=True)
        elif not core:
            sizes.note("gcore is not there or failed")
    return [f, sizes]


FILLS = (("of floating point", "float"), ("half random, half compressible", "mix"))


def images(b):
    figures = durable(b, b.small, ())
    for what, fill in FILLS:
        figures += durable(b, "%s %s" % (b.big, what), ("--mib", b.o.mib, "--fill", fill))
    return figures


def memory(b):
    f = Figure("Peak of extra memory during a checkpoint: " + b.big, "bytes")
    for do, what in (("tick", "the program idle"), ("sweep", "the program writes all of it meanwhile")):
        with b.stage() as s:
            s.subject("--do", do, "--mib", b.o.mib, "--fill", "float")
            with MemoryWatch(s.ckpt.mark) as w:
                s.checkpoint()
        f.add(what, max(0, w.peak - w.before))
    f.note("proportional set size of program, snapshot and coordinator; the image's page cache not counted")
    return f


# ---- restart ----


def criu_restart(b, f, args):
    if b.criu_missing:
        f.note(b.criu_missing)
        return
    took = []
    for i in range(b.few(5)):
        with b.stage() as s, open(s.path("out"), "wb") as out:
            p = s.popen(s.python("subject.py", *args), stdout=out, stderr=subprocess.DEVNULL,
                        start_new_session=True)
            time.sleep(3)
            peers.criu_dump(p.pid, s.path("criu"))
            p.wait()
            seconds, restored = peers.criu_restore(s.path("criu"), s.path("out"))
            took.append(1e3 * seconds)
            os.kill(p.pid, 9)
            restored.wait()
    f.add("CRIU restore, median of %d" % len(took), median(took), peer=True)


def restart(b, title, target, args):
    f = Figure("Restart until the next output: " + title)
    with b.stage() as s:
        p = s.subject("--do", "tick", *args)
        image = s.checkpoint()["image"]
        s.end(p)
        took = [1e3 * s.restart(image) for _ in range(b.few(9))]
    f.add("ckpt, median of %d" % len(took), median(took), target=target)
    f.add("ckpt, worst", max(took))
    criu_restart(b, f, args)
    return f


def restarts(b):
    figures = [restart(b, b.small, 40, ())]
    for what, fill in FILLS:
        figures.append(restart(b, "%s %s" % (b.big, what), 500, ("--mib", b.o.mib, "--fill", fill)))
    return figures


# ---- all ----

MEASUREMENTS = {
    "calls": overhead_calls,
    "time": overhead_time,
    "pause": pauses,
    "threads": threads,
    "processes": processes,
    "clients": clients,
    "pool": pool,
    "spawn": spawn,
    "image": images,
    "memory": memory,
    "restart": restarts,
}


def machine():
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) / 1024 / 1024
    with open("/sys/kernel/mm/transparent_hugepage/enabled") as f:
        thp = re.search(r"\[(\w+)\]", f.read()).group(1)
    numpy = subprocess.run([PYTHON, "-c", "import numpy; print(numpy.__version__)"],
                           stdout=subprocess.PIPE, text=True).stdout.strip()
    return "%d cores, %.0f GiB, Linux %s, huge pages: %s, Python %s, NumPy %s; load %.1f" % (
        os.cpu_count(), total, re.match(r"[\d.]+", platform.release()).group(0).rstrip("."), thp,
        platform.python_version(), numpy, os.getloadavg()[0])


def parse_options():
    p = argparse.ArgumentParser(description="figures of the checkpointer, beside its peers")
    p.add_argument("--only", metavar="NAME,…", default=",".join(MEASUREMENTS),
                   help="of " + ", ".join(MEASUREMENTS))
    p.add_argument("--count", type=int, default=50, help="checkpoints for a pause (50); others by it")
    p.add_argument("--seconds", type=float, default=10, help="length of the loop whose calls count (10)")
    p.add_argument("--mib", type=int, default=1024, help="size of the large array (1024)")
    o = p.parse_args()
    o.only = o.only.split(",")
    for name in o.only:
        if name not in MEASUREMENTS:
            p.error("no measurement is called " + name)
    return o


def show(figures):
    for f in figures if isinstance(figures, list) else [figures]:
        print("\n".join(f.lines()), end="\n\n", flush=True)
        yield from f.reached()


def main():
    o = parse_options()
    installed, top = ckpttest.install()
    status, reached = 0, []
    print(machine(), end="\n\n", flush=True)
    try:
        b = Bench(o, installed)
        for name in o.only:
            try:
                reached += show(MEASUREMENTS[name](b))
            except (ckpttest.Failure, RuntimeError, OSError) as e:
                print("%s: %s\n" % (name, e), flush=True)
                status = 1
    finally:
        if top:
            shutil.rmtree(top, ignore_errors=True)
    print("%d of %d targets reached; load at the end %.1f" % (
        sum(reached), len(reached), os.getloadavg()[0]))
    return status


if __name__ == "__main__":
    sys.exit(main())
