"""Heat equation on a square plate, by Jacobi's iteration. All state is in locals of main().

heat.py [SIZE [ITERATIONS [EVERY]]]: prints a line every EVERY iterations and in the end the SHA-256 of
the temperatures.
"""
import hashlib
import sys

import numpy as np


def main(n=300, iterations=2000, every=20):
    t = np.zeros((n, n))
    t[0, :] = 100.0
    t[:, 0] = np.linspace(100.0, 0.0, n)
    t[n // 3, n // 4: n // 2] = 400.0
    new = t.copy()
    for i in range(1, iterations + 1):
        new[1:-1, 1:-1] = 0.25 * (t[:-2, 1:-1] + t[2:, 1:-1] + t[1:-1, :-2] + t[1:-1, 2:])
        t, new = new, t
        if i % every == 0:
            print("iteration %5d: mean %.15f, change %.3e"
                  % (i, t.mean(), np.abs(t - new).max()), flush=True)
    print("sha256", hashlib.sha256(t.tobytes()).hexdigest())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
