"""Heat in a plate, saved with numpy.save(): python3 heat_numpy.py SIZE STEPS"""

import os
import sys

import numpy as np
from clock import timed


def advance(plate):
    inner = plate[1:-1, 1:-1]
    inner += 0.2 * (plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:] - 4 * inner)


def main(size, steps):
    if os.path.exists("heat.state"):
        with open("heat.state", "rb") as f:
            first = int(np.load(f))
            plate = np.load(f)
    else:
        first = 0
        plate = np.zeros((size, size))
        plate[0] = 100
    for step in timed(range(first, steps)):
        advance(plate)
        if step % 100 == 99:
            with open("heat.state.new", "wb") as f:
                np.save(f, step + 1)
                np.save(f, plate)
                f.flush()
                os.fsync(f.fileno())
            os.rename("heat.state.new", "heat.state")
    print(step + 1, repr(plate.sum()))


main(int(sys.argv[1]), int(sys.argv[2]))
