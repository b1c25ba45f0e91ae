"""joblib with its loky workers: sums of parts of an array that is shared out, round by round."""

import hashlib
import time

import numpy as np
from joblib import Parallel, delayed


def part(data, n):
    time.sleep(0.01)
    return n, float(np.sqrt(data[n::7]).sum())


if __name__ == "__main__":
    data = np.random.default_rng(3).random(200000)
    with Parallel(n_jobs=2) as parallel:
        for round in range(30):
            sums = parallel(delayed(part)(data, n) for n in range(7))
            data = np.roll(data, 1) + sums[round % 7][1] * 1e-9
            print(round, hashlib.sha1(repr(sums).encode()).hexdigest(), flush=True)
