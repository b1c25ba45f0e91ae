"""Heat in a plate, stirred, with each step's result printed, until a file "stop" is there or for so many steps.

It holds what has grown with generations before: memory that is only mapped (anonymous and of a memfd), a memfd
with a descriptor, a thread, an alternate signal stack.
"""

import faulthandler
import hashlib
import mmap
import os
import sys
import threading
import time

import numpy as np

limit = int(sys.argv[1]) if len(sys.argv) > 1 else None
plate = np.random.default_rng(1).random((200, 200))  # as hard to compress in the end as now
shared = mmap.mmap(-1, 1 << 16)
closed = os.memfd_create("closed")
os.truncate(closed, 1 << 16)
mapped = mmap.mmap(closed, 1 << 16)
os.close(closed)
kept = os.memfd_create("kept")
os.truncate(kept, 1 << 16)
waiting = threading.Event()
threading.Thread(target=waiting.wait, daemon=True).start()
faulthandler.enable()

n = 0
while n != limit and (limit or not os.path.exists("stop")):
    n += 1
    plate[1:-1, 1:-1] = (plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:]) / 4
    plate = np.modf(plate * 4.7)[0]
    for place in (shared, mapped):
        place[n % len(place)] = (place[n % len(place)] + n) % 256
    os.pwrite(kept, b"%d" % n, n % 1000)
    digest = hashlib.sha256(plate)
    for part in (shared, mapped, os.pread(kept, 1 << 16, 0)):
        digest.update(part)
    print(n, digest.hexdigest(), flush=True)
    if not limit:
        time.sleep(0.002)
