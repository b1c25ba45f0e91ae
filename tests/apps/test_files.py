"""Files that libraries write: checkpointed in the middle of it, run on past the checkpoint, killed, restarted, in
chains. The files at the end are those of a run that was left alone, and whole.

CKPT_TEST_LONG=1: more often.
"""

import os
import sqlite3
import subprocess

import pytest

from ckpttest import Failure

PYTHON = "/usr/bin/python3"
ROUNDS = 10 if os.environ.get("CKPT_TEST_LONG") else 1


def output_of(*argv, cwd):
    run = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout
    return run.stdout


def same_bytes(name):
    def compare(alone, ours):
        a, b = (open(os.path.join(d, name), "rb").read() for d in (alone, ours))
        assert len(a) == len(b) and a == b
    return compare


def same_hdf5(name):
    """Dataset by dataset, with h5diff; and readable as a whole."""
    def compare(alone, ours):
        output_of("h5diff", os.path.join(alone, name), os.path.join(ours, name), cwd=ours)
        output_of("h5dump", name, cwd=ours)
    return compare


def same_database(alone, ours):
    dumps = []
    for where in (alone, ours):
        db = sqlite3.connect(os.path.join(where, "data.db"))
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        dumps.append(list(db.iterdump()))
        db.close()
    assert dumps[0] == dumps[1]


def same_tree(alone, ours):
    """A chunk is written under a name of chance, and renamed; the one on its way when the job is killed stays, and is none."""
    output_of("diff", "-r", "--exclude=*.partial", os.path.join(alone, "data.zarr"), os.path.join(ours, "data.zarr"), cwd=ours)


WRITERS = {
    "h5py": same_hdf5("data.h5"),
    "netcdf3": same_bytes("data.nc"),
    "netcdf4": same_hdf5("data.nc"),
    "zarr": same_tree,
    "parquet": same_bytes("data.parquet"),
    "memmap": same_bytes("data.raw"),
    "sqlite-delete": same_database,
    "sqlite-truncate": same_database,
    "sqlite-wal": same_database,
    "sqlite-memory": same_database,
}


def saved(ckpt, job, opened=""):
    """The image of a checkpoint at which a file was open; None when the job has come to its end before."""
    try:
        while True:
            image = ckpt.checkpoint()["image"]
            if opened in ckpt.run("ckpt_inspect", image).stdout:
                return image
    except Failure:
        job.wait()
        return None


def chain(ckpt, job, generations, opened=""):
    """Checkpoints at random moments; each time it runs on, is killed and restarted."""
    made = 0
    for _ in range(generations):
        job.wait_growth(ckpt.random.randrange(1, 200))
        image = saved(ckpt, job, opened)
        if not image:
            break
        job.wait_growth(ckpt.random.randrange(1, 200))
        job.kill()
        job = ckpt.restart(image, job)
        made += 1
    job.wait()
    assert made, "it ended before the first checkpoint"
    return job


@pytest.mark.parametrize("kind", WRITERS)
def test_files_are_those_of_a_run_left_alone(ckpt, programs, request, kind):
    steps = 120
    argv = [PYTHON, os.path.join(programs, "progs", "writers.py"), kind, str(steps)]
    env = {"PYTHONPATH": request.getfixturevalue("pypi")} if kind == "parquet" else None
    alone = ckpt.mkdir("alone")
    expected = ckpt.uninterrupted(argv, env=env, cwd=alone)
    for i in range(ROUNDS):
        ours = ckpt.mkdir("ours-%d" % i)
        job = chain(ckpt, ckpt.launch(argv, cwd=ours, env=env), 3)
        assert job.output() == expected
        WRITERS[kind](alone, ours)


LINES = "import time\nfor i in range(400):\n    print('line', i, flush=i % 3 == 0)\n    time.sleep(0.004)"
SHELL = {
    # name: the script, whether the line that is in the file before stays
    "new": ("%s > log", False),
    "append": ("%s >> log", True),
    "tee": ("%s | tee log", False),
    "tee-append": ("%s | tee -a log > /dev/null", True),
    "many": ("for i in 1 2 3; do %s; done >> log", True),
}


@pytest.mark.parametrize("how", SHELL)
def test_no_line_is_doubled_or_missing(ckpt, how):
    script, stays = SHELL[how]
    path = ckpt.file("log", "before\n")
    command = "%s -c \"%s\"" % (PYTHON, LINES)
    job = ckpt.launch(["/bin/sh", "-c", "echo begin; " + script % command + "; echo end"])
    made = 0
    for _ in range(3):
        size = os.path.getsize(path)
        end = size + ckpt.random.randrange(1, 500)
        while os.path.getsize(path) < end and job.running():
            os.sched_yield()
        image = saved(ckpt, job)
        if not image:
            break
        end = os.path.getsize(path) + ckpt.random.randrange(1, 500)
        while os.path.getsize(path) < end and job.running():
            os.sched_yield()
        job.kill()
        job = ckpt.restart(image, job)
        made += 1
    job.wait()
    assert made
    lines = "".join("line %d\n" % i for i in range(400)) * (3 if how == "many" else 1)
    assert open(path).read() == ("before\n" if stays else "") + lines
    assert job.output() == "begin\n" + (lines if how == "tee" else "") + "end\n"


ROTATING = """
import logging, logging.handlers, time
h = logging.handlers.RotatingFileHandler("app.log", maxBytes=%d, backupCount=100)
log = logging.getLogger(); log.addHandler(h); log.setLevel(logging.INFO)
for i in range(400):
    log.info("line %%d %%s", i, "." * %d)
    print(i, flush=True)
    time.sleep(0.004)
"""


@pytest.mark.parametrize("size", [3000, 200000], ids=["small", "large"])
def test_rotated_logs_are_those_of_a_run_left_alone(ckpt, size):
    """A checkpoint in the middle of a rotation finds no log open, and then nothing is known of it."""
    argv = [PYTHON, "-c", ROTATING % (size, size // 50)]
    alone, ours = ckpt.mkdir("alone"), ckpt.mkdir("ours")
    expected = ckpt.uninterrupted(argv, cwd=alone)
    job = chain(ckpt, ckpt.launch(argv, cwd=ours), 3, ours + "/app.log")
    assert job.output() == expected
    names = [n for n in os.listdir(ours) if ".ckpt-aside-" not in n]
    assert sorted(names) == sorted(os.listdir(alone))
    for name in names:
        assert open(os.path.join(ours, name)).read() == open(os.path.join(alone, name)).read(), name


def test_a_log_begun_anew_in_a_loop_comes_back(ckpt):
    """`cmd > log`: the log is that of another command now, or gone."""
    path = ckpt.file("log")
    job = ckpt.launch(["/bin/sh", "-c", "%s -c \"%s\" > log" % (PYTHON, LINES)])
    while os.path.getsize(path) < 200:
        os.sched_yield()
    image = ckpt.checkpoint()["image"]
    job.kill()
    for begin in (lambda: open(path, "w").write("something else\n" * 1000), lambda: os.unlink(path),
                  lambda: (os.unlink(path), ckpt.file("log", "x" * 10))):
        begin()
        job = ckpt.restart(image, job)
        job.wait()
        assert open(path).read() == "".join("line %d\n" % i for i in range(400))
