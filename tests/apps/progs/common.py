"""What the scripts of this directory share.

Each of them holds something that pickling can't save, works with it step by step and prints what it
finds. Its output depends on nothing else. With the argument "dill" a script instead tries to pickle
what it holds, once it is in use: exit status 0 and a line with the error say that it can't be.
"""
import sys
import time


def step(*words):
    """Print a line and take some time, for checkpoints to happen in."""
    print(*words, flush=True)
    time.sleep(0.004)


def held(thing):
    """The script's state is set up and in use: with "dill", try to pickle it and end."""
    if sys.argv[1:] != ["dill"]:
        return
    import dill
    sys.setrecursionlimit(3000)
    try:
        dill.dumps(thing)
    except Exception as e:
        print("dill: %s: %s" % (type(e).__name__, e), flush=True)
        exit_now(0)
    print("dill pickled it", flush=True)
    exit_now(9)


def exit_now(status):
    import os
    sys.stdout.flush()
    os._exit(status)


def noise(seed):
    """An endless series of integers that looks random, the same everywhere."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        yield seed >> 33
