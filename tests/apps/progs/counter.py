"""Counts: a line every few milliseconds. Does on a line of standard input or a signal as told.

counter.py LINES [MEBIBYTES [STATUS]]: holds so much memory that does not compress.
SIGUSR1: takes 40 MiB more. A file named in HOLD is kept open for reading and writing. In mid-count it
waits for the file named in GATE to be there.
"""
import os
import signal
import sys
import time

held = []


def more(*_):
    held.append(os.urandom(40 << 20))
    print("more", flush=True)


def main(lines, mebibytes=0, status=0):
    signal.signal(signal.SIGUSR1, more)
    held.append(os.urandom(mebibytes << 20))
    if "HOLD" in os.environ:
        held.append(open(os.environ["HOLD"], "r+"))
    print("started", flush=True)
    for i in range(lines):
        while i == lines // 2 and "GATE" in os.environ and not os.path.exists(os.environ["GATE"]):
            time.sleep(0.005)
        print("line", i, flush=True)
        time.sleep(0.005)
    print("end", flush=True)
    return status


sys.exit(main(*map(int, sys.argv[1:])))
