"""While a program runs there is nothing of ours: no system call, thread, descriptor or timer."""

import os
import subprocess

import ckpttest

LOOP = """
import os, select, sys, time
n = int(sys.argv[1])
for i in range(n):
    time.sleep(0.0001)
    os.stat("/")
    select.select([], [], [], 0)
    select.select([], [], [], 0.0001)
    open("/dev/null", "rb").close()
"""

SELF = """
import os
print(sorted(os.listdir("/proc/self/task")) == [str(os.getpid())])
print(sorted(os.listdir("/proc/self/fd"), key=int)[:-1])
print(open("/proc/self/timers").read() == "")
print(open("/proc/self/status").read().split("SigBlk:")[1].split()[0])
"""

MANY = """
import os, signal, sys, threading, time
ready = threading.Barrier(9)
def work():
    ready.wait()
    time.sleep(1000)
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
def look():
    return (len(os.listdir("/proc/self/task")), sorted(os.listdir("/proc/self/fd"), key=int)[:-1],
            len(open("/proc/self/maps").readlines()))
look(); look()
before = look()
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
after = look()
print(before[:2] == after[:2], after[2] - before[2])
"""


def count(ckpt, n, launched):
    """System calls of the loop in which it makes its round n times."""
    out = ckpt.path("strace")
    argv = ["/usr/bin/python3", "-c", LOOP, str(n)]
    if launched:
        argv = [ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images] + argv
    subprocess.run(["strace", "-f", "-c", "-o", out, *argv], env=ckpt.env(), cwd=ckpt.work, check=True,
                   stdin=subprocess.DEVNULL)
    with open(out) as f:
        return int([l for l in f if l.strip().endswith("total")][0].split()[2])


def test_no_system_call(ckpt):
    plain = count(ckpt, 3000, False) - count(ckpt, 1000, False)
    ours = count(ckpt, 3000, True) - count(ckpt, 1000, True)
    # Python's own start-up differs by a call or two from run to run.
    assert abs(ours - plain) <= 20, (ours, plain)


def test_nothing_there(ckpt):
    argv = ["/usr/bin/python3", "-c", SELF]
    alone = ckpt.uninterrupted(argv)
    job = ckpt.launch(argv)
    job.wait()
    assert job.output() == alone


def test_nothing_stays_after_checkpoints(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", MANY])
    job.wait_output("ready\n")
    for _ in range(5):
        ckpt.checkpoint()
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    ckpt.checkpoint()
    ckpt.file("go")
    job.wait()
    same, areas = job.output().splitlines()[1].split()
    assert same == "True" and int(areas) <= 0, job.output()


def test_threads_pay_little(ckpt):
    """What libckpt keeps for each thread is taken from the thread's stack."""
    done = subprocess.run(["readelf", "-lW", os.path.join(ckpt.installed.prefix, "lib/ckpt/libckpt.so")],
                          stdout=subprocess.PIPE, text=True, check=True)
    (size,) = [int(line.split()[5], 16) for line in done.stdout.splitlines() if line.split()[:1] == ["TLS"]]
    assert size <= 512
