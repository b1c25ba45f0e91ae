"""Flow past a cylinder by the lattice Boltzmann method, D2Q9.

lattice_boltzmann.py [SIZE [ITERATIONS [EVERY]]]
"""
import hashlib
import sys

import numpy as np

C = np.array([(0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)])
W = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
BACK = [0, 3, 4, 1, 2, 7, 8, 5, 6]


def equilibrium(rho, u):
    cu = np.einsum("qd,dxy->qxy", C.astype(float), u)
    usq = (u ** 2).sum(axis=0)
    return W[:, None, None] * rho * (1 + 3 * cu + 4.5 * cu ** 2 - 1.5 * usq)


def main(n=100, iterations=400, every=4):
    omega = 1.7
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    solid = (x - n // 4) ** 2 + (y - n // 2) ** 2 < (n // 9) ** 2
    inflow = np.zeros((2, n, n))
    inflow[0] = 0.05 * (1 + 1e-4 * np.sin(y * 2 * np.pi / n))
    f = equilibrium(np.ones((n, n)), inflow)
    for i in range(1, iterations + 1):
        f[[3, 6, 7], -1] = f[[3, 6, 7], -2]
        rho = f.sum(axis=0)
        u = np.einsum("qxy,qd->dxy", f, C.astype(float)) / rho
        u[:, 0] = inflow[:, 0]
        out = f - omega * (f - equilibrium(rho, u))
        out[:, solid] = f[BACK][:, solid]
        for q in range(9):
            f[q] = np.roll(out[q], C[q], axis=(0, 1))
        if i % every == 0:
            print("iteration %5d: mass %.12f, fastest %.15f"
                  % (i, rho.sum(), np.sqrt((u ** 2).sum(axis=0)).max()), flush=True)
    print("sha256", hashlib.sha256(f.tobytes()).hexdigest())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
