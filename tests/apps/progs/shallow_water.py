"""A drop in a basin: the shallow water equations on a staggered grid.

shallow_water.py [SIZE [ITERATIONS [EVERY]]]
"""
import hashlib
import sys

import numpy as np


def main(n=300, iterations=1500, every=15):
    gravity, depth, dx = 9.81, 100.0, 1000.0
    dt = 0.3 * dx / np.sqrt(gravity * depth)
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    eta = np.exp(-((x - n / 3) ** 2 + (y - n / 2) ** 2) / (n / 20) ** 2)
    u, v = np.zeros((n + 1, n)), np.zeros((n, n + 1))
    for i in range(1, iterations + 1):
        u[1:-1] -= gravity * dt / dx * (eta[1:] - eta[:-1])
        v[:, 1:-1] -= gravity * dt / dx * (eta[:, 1:] - eta[:, :-1])
        h = depth + eta
        flow_x, flow_y = np.zeros_like(u), np.zeros_like(v)
        flow_x[1:-1] = u[1:-1] * np.where(u[1:-1] > 0, h[:-1], h[1:])
        flow_y[:, 1:-1] = v[:, 1:-1] * np.where(v[:, 1:-1] > 0, h[:, :-1], h[:, 1:])
        eta = eta - dt / dx * (flow_x[1:] - flow_x[:-1] + flow_y[:, 1:] - flow_y[:, :-1])
        if i % every == 0:
            print("iteration %5d: volume %.10e, highest %.15f" % (i, eta.sum(), eta.max()),
                  flush=True)
    digest = hashlib.sha256(eta.tobytes() + u.tobytes() + v.tobytes())
    print("sha256", digest.hexdigest())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
