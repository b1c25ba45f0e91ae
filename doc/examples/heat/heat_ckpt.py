"""Heat in a plate, saved with ckpt: ckpt_launch python3 heat_ckpt.py SIZE STEPS"""

import sys

import ckpt
import numpy as np
from clock import timed


def advance(plate):
    inner = plate[1:-1, 1:-1]
    inner += 0.2 * (plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:] - 4 * inner)


def main(size, steps):
    plate = np.zeros((size, size))
    plate[0] = 100
    for step in timed(range(steps)):
        advance(plate)
        if step % 100 == 99:
            ckpt.checkpoint(wait=False)
    print(step + 1, repr(plate.sum()))


main(int(sys.argv[1]), int(sys.argv[2]))
