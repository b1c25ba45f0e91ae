"""Checkpoints at the bottom of 200 nested calls, each of which has work to do on its way back."""
import sys

from common import held, step


def nested(depth, values):
    mine = [v * 3 % 1009 for v in values]
    if depth == 0:
        for i in range(200):
            step("bottom", i, sum(mine) * i)
        held(sys._getframe())
        return sum(mine)
    below = nested(depth - 1, mine)
    step("back at", depth, below, sum(mine))
    return (below * 31 + sum(mine)) % 1000003


step("result", nested(200, list(range(1, 50))))
