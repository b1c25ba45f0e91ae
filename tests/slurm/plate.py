"""The temperature of a plate by Jacobi's iteration; all state is in local variables.

plate.py NAME BLOCKS [GATE...]: prints a line for every block of steps, also to the file NAME.result, and in the end
the SHA-256 of the temperatures. Before a block that is a GATE it waits for the file NAME.GATE, so that a test can
hold it. Nothing that it prints depends on the time, the place or its process id. Standard error tells when main()
has begun: once, however often the program is restored.
"""
import hashlib
import os
import sys
import time

import numpy as np

SIZE = 96
STEPS = 40
PAUSE = float(os.environ.get("PLATE_PAUSE", "0.04"))  # seconds after each block


def main(name, blocks, *gates):
    print("begun", file=sys.stderr, flush=True)
    blocks, gates = int(blocks), set(map(int, gates))
    t = np.zeros((SIZE, SIZE))
    t[0, :] = 100.0
    t[:, 0] = np.linspace(100.0, 0.0, SIZE)
    t[SIZE // 3, SIZE // 4: SIZE // 2] = 400.0
    new = t.copy()
    with open(name + ".result", "w") as result:
        for block in range(1, blocks + 1):
            while block in gates and not os.path.exists("%s.%d" % (name, block)):
                time.sleep(0.01)
            for _ in range(STEPS):
                new[1:-1, 1:-1] = 0.25 * (t[:-2, 1:-1] + t[2:, 1:-1] + t[1:-1, :-2] + t[1:-1, 2:])
                t, new = new, t
            line = "block %d: mean %.15f, change %.9e" % (block, t.mean(), np.abs(t - new).max())
            print(line, file=result, flush=True)
            print(line, flush=True)
            time.sleep(PAUSE)
        line = "sha256 " + hashlib.sha256(t.tobytes()).hexdigest()
        print(line, file=result)
    print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
