"""Veros' own acc setup, unmodified, 100 iterations: its restart file is that of an uninterrupted run.

Veros opens, changes and closes its files of diagnostics by turns. What a file was that is closed at the
checkpoint, the image does not know; so the program ends with the checkpoint and does not go on to
change them once more than it should.
"""

import os
import re
import subprocess
import time

import ckpttest

ITERATIONS = 100
HALF_DAY = 43200  # the length of one, in seconds


def command(pypi):
    setup = os.path.join(pypi, "veros", "setups", "acc", "acc.py")
    return ["/usr/bin/python3", "-B", "-c", "from veros.cli.veros import cli; cli()",
            "run", "-b", "numpy", "-s", "runlen", str(ITERATIONS * HALF_DAY), setup]


def test_acc(ckpt, pypi):
    env = {"PYTHONPATH": pypi, "OPENBLAS_NUM_THREADS": "1"}
    alone, interrupted = ckpt.mkdir("alone"), ckpt.mkdir("interrupted")
    ckpt.uninterrupted(command(pypi), env, cwd=alone, limit=300)
    assert "acc_0100.restart.h5" in os.listdir(alone)

    job = ckpt.launch(command(pypi), env=env, cwd=interrupted)
    for at in sorted(ckpt.random.sample(range(3, 90), 3)):
        ckpttest.wait_for(lambda: iterations(job)[-1:] >= [at] or not job.running(), job.story, 300)
        time.sleep(ckpt.random.random() * 0.05)
        image = ckpt.checkpoint("--kill")["image"]
        job.wait(check=False)
        job = ckpt.restart(image, job)
    job.wait(limit=300)

    assert iterations(job) == list(range(ITERATIONS + 1))
    names = sorted(os.listdir(alone))
    assert sorted(os.listdir(interrupted)) == names
    compare = subprocess.run(["/usr/bin/python3", "-B", "-c", COMPARE, alone, interrupted, *names],
                             env=ckpt.env(env), capture_output=True, text=True)
    assert compare.returncode == 0, compare.stdout + compare.stderr
    with open(os.path.join(alone, "acc_0100.restart.h5"), "rb") as a, \
            open(os.path.join(interrupted, "acc_0100.restart.h5"), "rb") as b:
        assert a.read() == b.read(), "the restart file differs, though its datasets do not"


def iterations(job):
    return [int(n) for n in re.findall(r"Current iteration: (\d+)", job.output() + job.errors())]


COMPARE = """
import sys, h5py, numpy
bad = 0
def walk(a, b, path):
    global bad
    kept = set(a.attrs) - {"date_created"}
    if set(a.attrs) != set(b.attrs) or any(repr(a.attrs[k]) != repr(b.attrs[k]) for k in kept):
        print(path, "attributes differ"); bad = 1
    if isinstance(a, h5py.Dataset):
        if a.shape != b.shape or a.dtype != b.dtype or a[()].tobytes() != b[()].tobytes():
            print(path, "differs"); bad = 1
        return
    if set(a) != set(b):
        print(path, "has other members"); bad = 1
    for k in set(a) & set(b):
        walk(a[k], b[k], path + "/" + k)
x, y, *names = sys.argv[1:]
for n in names:
    walk(h5py.File(x + "/" + n, "r"), h5py.File(y + "/" + n, "r"), n)
sys.exit(bad)
"""
