"""A Pool of 8 forked workers that add up their parts of an array of so many MiB: a line for each sum."""

import multiprocessing
import os
import sys
import time

import numpy

WORKERS = 8


def part(i):
    n = len(array) // WORKERS
    return float(array[i * n : (i + 1) * n].sum())


array = numpy.random.default_rng(1).random(int(sys.argv[1]) << 17)
with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
    while True:
        os.write(1, b"%r\n" % sum(pool.map(part, range(WORKERS))))
        time.sleep(0.01)
