"""Products of matrices in BLAS, with as many threads as BLAS takes: a QR iteration.

matrix_power.py [SIZE [ITERATIONS]]
"""
import hashlib
import sys

import numpy as np


def main(n=300, iterations=60):
    rng = np.random.default_rng(7)
    a = rng.standard_normal((n, n))
    a = a @ a.T / n
    q = np.eye(n)
    for i in range(1, iterations + 1):
        for _ in range(4):
            q = a @ q
            q /= np.abs(q).max()
        q = q + 1e-3 * rng.standard_normal((n, n))
        print("iteration %4d: %.12e" % (i, float(np.trace(q @ q.T))), flush=True)
    print("sha256", hashlib.sha256(q.tobytes()).hexdigest())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
