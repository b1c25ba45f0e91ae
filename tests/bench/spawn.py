"""How long one thing takes that programs do with files and processes, in us: the best tenth of many."""

import os
import subprocess
import sys
import time

TRUE = "/bin/true"


def do_open():
    for _ in range(100):
        os.close(os.open("/dev/null", os.O_RDONLY))


def do_fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def do_vfork():
    started.append(os.posix_spawn(TRUE, [TRUE], os.environ))


def do_subprocess():
    subprocess.run([TRUE], check=True)


do = {"open": do_open, "fork": do_fork, "vfork": do_vfork, "subprocess": do_subprocess}[sys.argv[1]]
started = []  # waited for when the time is taken
took = []
for _ in range(400):
    start = time.perf_counter()
    do()
    took.append(time.perf_counter() - start)
    while started:
        os.waitpid(started.pop(), 0)
took.sort()
print(1e6 * took[len(took) // 10])
