"""A steady loop, for what it costs to run under us: loop.py heat|count ITERATIONS; prints its seconds."""

import os
import sys
import time

import numpy


def heat(n):
    """Jacobi in arrays made before: a loop that allocates calls brk() as its heap happens to lie."""
    a = numpy.zeros((300, 300))
    a[0] = 1.0
    new = numpy.empty((298, 298))
    with open(os.devnull, "wb", 0) as log:
        for step in range(n):
            numpy.add(a[:-2, 1:-1], a[2:, 1:-1], out=new)
            new += a[1:-1, :-2]
            new += a[1:-1, 2:]
            numpy.multiply(new, 0.25, out=a[1:-1, 1:-1])
            if step % 10 == 0:
                log.write(b"%d\n" % step)
    return a.sum()


def count(n):
    total = 0
    for i in range(n):
        total += i & 7
    return total


start = time.perf_counter()
{"heat": heat, "count": count}[sys.argv[1]](int(sys.argv[2]))
print(time.perf_counter() - start)
