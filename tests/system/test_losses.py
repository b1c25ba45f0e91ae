"""What other checkpointers are known to lose, a small Python program for each: two generations of checkpoint, kill
and restart. A coordinator that is killed, a full disk, many restarts of one image and damaged images are in
test_bad_input.py and test_restart.py.
"""

import json

import pytest

import ckpttest

PYTHON = "/usr/bin/python3"
GENERATIONS = 10

# Sets up, says "ready", waits until the file "go" is there, goes on.
WAIT = """
import os, signal, sys, time
def wait():
    print("ready", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.005)
%s
wait()
%s
print("ok", flush=True)
"""

LOSSES = {
    "udp-connected": ("""
import socket
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0))
a.connect(b.getsockname()); b.connect(a.getsockname())
a.send(b"before")
""", """
assert b.recv(9) == b"before"
b.send(b"after")
assert a.recv(9) == b"after" and a.getpeername() == b.getsockname()
"""),
    "ipv6-loopback": ("""
import socket
l = socket.socket(socket.AF_INET6); l.bind(("::1", 0)); l.listen()
a = socket.create_connection(l.getsockname()[:2]); b, _ = l.accept()
a.sendall(b"before")
""", """
assert b.recv(9) == b"before"
b.sendall(b"after")
assert a.recv(9) == b"after" and a.getpeername()[0] == "::1"
c = socket.create_connection(l.getsockname()[:2]); d, _ = l.accept()
"""),
    "temporary-file": ("""
import tempfile
t = tempfile.TemporaryFile(); n = tempfile.NamedTemporaryFile()
t.write(b"0123456789"); t.seek(3)
n.write(b"named"); n.flush()
""", """
assert t.read() == b"3456789"
t.write(b"more"); t.seek(0)
assert t.read() == b"0123456789more"
assert open(n.name, "rb").read() == b"named"
"""),
    "anonymous-shared-mmap": ("""
import mmap
m = mmap.mmap(-1, 8192)
m[0:6] = b"before"
r, w = os.pipe()
child = os.fork()
if child == 0:
    os.read(r, 1)
    m[4096:4101] = b"child" if m[0:6] == b"parent" else b"other"
    os._exit(0)
""", """
assert m[0:6] == b"before"
m[0:6] = b"parent"
os.write(w, b"x")
assert os.waitpid(child, 0) == (child, 0)
assert m[4096:4101] == b"child"
"""),
    "timerfd": ("""
import ctypes, select, struct
libc = ctypes.CDLL(None)
t = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
libc.timerfd_settime(t, 0, (ctypes.c_long * 4)(0, 30000000, 0, 30000000), None)
""", """
assert select.select([t], [], [], 10)[0]
first = struct.unpack("Q", os.read(t, 8))[0]
assert first >= 1 and struct.unpack("Q", os.read(t, 8))[0] >= 1
"""),
    "memfd": ("""
import mmap
f = os.memfd_create("losses", os.MFD_ALLOW_SEALING)
os.write(f, b"a" * 5000)
m = mmap.mmap(f, 5000)
""", """
m[4999:5000] = b"z"
assert os.pread(f, 9, 4996) == b"aaaz" and os.lseek(f, 0, os.SEEK_CUR) == 5000
assert os.readlink("/proc/self/fd/%d" % f) == "/memfd:losses (deleted)"
"""),
    "setitimer-periodic": ("""
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
""", """
before = ticks
end = time.monotonic() + 10
while ticks < before + 3 and time.monotonic() < end:
    time.sleep(0.005)
assert ticks >= before + 3 and signal.getitimer(signal.ITIMER_REAL)[1] == 0.02, (before, ticks, signal.getitimer(0))
signal.setitimer(signal.ITIMER_REAL, 0)  # Python takes its handler away before it ends
"""),
    "flock": ("""
import fcntl
f, g = open("lock", "w"), open("lock", "w")
fcntl.flock(f, fcntl.LOCK_EX)
""", """
def locked():
    try:
        fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
assert locked()
fcntl.flock(f, fcntl.LOCK_UN)
assert not locked()
"""),
    "nice": ("""
os.nice(7)
child = os.fork()
if child == 0:
    os.nice(3)
    time.sleep(100)
""", """
assert os.nice(0) == 7 and os.getpriority(os.PRIO_PROCESS, child) == 10
os.kill(child, signal.SIGKILL); os.wait()
"""),
    "pdeathsig": ("""
import ctypes
libc = ctypes.CDLL(None)
r, w = os.pipe()
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        libc.prctl(1, signal.SIGUSR1) # PR_SET_PDEATHSIG
        signal.signal(signal.SIGUSR1, lambda *_: (os.write(w, b"told"), os._exit(0)))
        os.write(w, b"set")
        while True:
            time.sleep(100)
    while True:
        time.sleep(100)
assert os.read(r, 3) == b"set"
""", """
os.kill(middle, signal.SIGKILL)
assert os.read(r, 4) == b"told"
os.wait()
"""),
    "nanosleep": ("""
import threading
slept = []
def sleep():
    start = time.monotonic()
    time.sleep(1.5)
    slept.append(time.monotonic() - start)
t = threading.Thread(target=sleep)
t.start()
""", """
t.join()
assert 1.5 <= slept[0] < 1.9, slept
"""),
    "getcpu": ("""
import ctypes
libc = ctypes.CDLL(None)
""", """
cpus = os.sched_getaffinity(0)
for cpu in cpus:
    os.sched_setaffinity(0, [cpu])
    assert libc.sched_getcpu() == cpu
"""),
    "pidfd": ("""
import select
me = os.pidfd_open(os.getpid())
child = os.fork()
if child == 0:
    time.sleep(100)
its = os.pidfd_open(child)
""", """
signal.pidfd_send_signal(me, 0)
assert not select.select([its], [], [], 0)[0]
signal.pidfd_send_signal(its, signal.SIGKILL)
assert select.select([its], [], [], 10)[0]
assert os.waitid(os.P_PIDFD, its, os.WEXITED).si_status == signal.SIGKILL
"""),
    "robust-list": ("""
import ctypes, mmap, threading
libc = ctypes.CDLL(None)
m = mmap.mmap(-1, 4096)
mutex = ctypes.byref(ctypes.c_char.from_buffer(m, 0))
attr = ctypes.create_string_buffer(64)
libc.pthread_mutexattr_init(attr)
libc.pthread_mutexattr_setpshared(attr, 1)
libc.pthread_mutexattr_setrobust(attr, 1)
libc.pthread_mutex_init(mutex, attr)
r, w = os.pipe()
child = os.fork()
if child == 0:
    libc.pthread_mutex_lock(mutex)
    os.write(w, b"x")
    time.sleep(100)
os.read(r, 1)
""", """
import errno
assert libc.pthread_mutex_trylock(mutex) == errno.EBUSY
os.kill(child, signal.SIGKILL); os.wait()
assert libc.pthread_mutex_trylock(mutex) == errno.EOWNERDEAD
"""),
    "subprocess": ("""
import subprocess
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
p.stdin.write(b"before\\n"); p.stdin.flush()
""", """
p.stdin.write(b"after\\n")
assert p.communicate()[0] == b"before\\nafter\\n" and p.returncode == 0
done = subprocess.run(["sh", "-c", "echo out; exit 3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
assert (done.returncode, done.stdout, done.stderr) == (3, b"out\\n", b""), done
"""),
}


def start(ckpt, setup, verify):
    job = ckpt.launch([PYTHON, "-c", WAIT % (setup, verify)])
    job.wait_output("ready\n")
    return job


def again(ckpt, job):
    """Checkpoint, kill, restart."""
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    return job


def finish(ckpt, job):
    ckpt.file("go")
    job.wait()
    assert job.output().splitlines() == ["ready", "ok"], job.story()
    assert not job.errors(), job.story()


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True, ids=["user", "root"])
@pytest.mark.parametrize("loss", LOSSES)
def test_not_lost(ckpt, loss):
    job = start(ckpt, *LOSSES[loss])
    for _ in range(2):
        job = again(ckpt, job)
    finish(ckpt, job)


@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_ten_in_a_chain(ckpt):
    """A process and its children, with shared memory and a pipe between them, each generation from the last."""
    job = start(ckpt, """
import mmap, hashlib
m = mmap.mmap(-1, 4096)
children, ends = [], []
for n in range(3):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        while True:
            os.write(w, b"%d" % n)
            m[n] = (m[n] + 1) % 256
            time.sleep(0.002)
    os.close(w)
    children.append(pid); ends.append(r)
ids = (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))
""", """
assert ids == (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))
for n, (pid, r) in enumerate(zip(children, ends)):
    before = m[n]
    end = time.monotonic() + 10
    while m[n] == before and time.monotonic() < end:
        os.read(r, 65536)
        time.sleep(0.005)
    assert m[n] != before
    os.kill(pid, signal.SIGKILL)
    assert set(os.read(r, 1 << 20)) <= set(b"%d" % n)
    assert os.waitpid(pid, 0) == (pid, signal.SIGKILL)
""")
    for _ in range(GENERATIONS):
        job = again(ckpt, job)
    finish(ckpt, job)


@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_two_restarts_of_one_image(ckpt):
    """At the same time, each with processes of its own; the file of their output is the same."""
    job = start(ckpt, *LOSSES["subprocess"])
    image = ckpt.checkpoint()["image"]
    job.kill()
    jobs = [ckpt.restart(image, job) for _ in range(2)]
    assert all(j.wait_program() for j in jobs), [j.story() for j in jobs]
    ckpttest.wait_for(lambda: len(json.loads(ckpt.command("--list", "--json", expect=None).stdout)["jobs"]) == 2,
                      "both to be known")
    ckpt.file("go")
    for j in jobs:
        j.wait()
    assert job.output().splitlines() == ["ready", "ok"], job.story()
