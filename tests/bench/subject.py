"""The program that is measured: Python and NumPy, with as much memory and as many threads as asked.

It prints "ready" and then, until it is ended:

  --do spin	looks at the clock as fast as it can; "gap START LENGTH" (ns) when it stood still
  --do tick	"tick" every millisecond
  --do sweep	writes all of its array again and again, no output

It uses nothing of ckpt: the same program runs under every checkpointer.
"""

import argparse
import mmap
import os
import threading
import time

import numpy

GAP = 200_000  # ns; shorter ones are not told


def pattern(fill, count):
    """count doubles: one value over and over, what a simulation holds, or a bit of everything."""
    if fill == "constant":
        return numpy.full(count, 1.5)
    x = numpy.linspace(0, 20, count)
    field = numpy.sin(x) + 0.1 * numpy.sin(17 * x)
    if fill == "float":
        return field
    random = numpy.random.default_rng(1)
    field.view(numpy.uint8)[: 2 * count] = random.integers(0, 256, 2 * count, dtype=numpy.uint8)
    field.view(numpy.int32)[count // 2 : count] = random.integers(0, 100, count - count // 2)
    text = numpy.frombuffer(b"step 000017 residual 0.00123\n" * (2 * count // 29), numpy.uint8)
    field.view(numpy.uint8)[4 * count : 4 * count + len(text)] = text
    return field


def array(mib, pages, fill):
    """An array of doubles in the pages NumPy gets by default, or in 4 KiB ones."""
    n = mib << 20
    if pages == "small":
        area = mmap.mmap(-1, n, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        area.madvise(mmap.MADV_NOHUGEPAGE)
        a = numpy.frombuffer(area, numpy.float64)
    else:
        a = numpy.empty(n // 8)
    some = pattern(fill, (1 << 20) // 8)
    for i in range(0, len(a), len(some)):
        a[i : i + len(some)] = some
        if fill == "float":
            a[i : i + len(some)] += i
    return a


def spin():
    clock = time.perf_counter_ns
    last = clock()
    while True:
        now = clock()
        if now - last > GAP:
            os.write(1, b"gap %d %d\n" % (last, now - last))
            now = clock()
        last = now


def tick():
    while True:
        time.sleep(0.001)
        os.write(1, b"tick\n")


def sweep(a):
    while True:
        a += 1.0


def fork_others(n, mib):
    """n children, each with an array of its own, that wait until the parent has ended; 0: none."""
    made, ready = os.pipe()
    held = os.pipe()
    for _ in range(n):
        if os.fork() == 0:
            a = array(mib, "default", "float")
            os.close(held[1])
            os.write(ready, b".")
            os.read(held[0], 1)
            os._exit(len(a) < 0)
    for _ in range(n):
        os.read(made, 1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--do", choices=("spin", "tick", "sweep"), default="tick")
    p.add_argument("--mib", type=int, default=0)
    p.add_argument("--pages", choices=("default", "small"), default="default")
    p.add_argument("--fill", choices=("constant", "float", "mix"), default="constant")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--processes", type=int, default=1)
    o = p.parse_args()
    fork_others(o.processes - 1, o.mib)
    a = array(o.mib, o.pages, o.fill)
    for _ in range(o.threads - 1):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    os.write(1, b"ready\n")
    {"spin": spin, "tick": tick, "sweep": lambda: sweep(a)}[o.do]()


if __name__ == "__main__":
    main()
