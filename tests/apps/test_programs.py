"""Real programs, checkpointed at random moments, killed and restarted in a chain: their output is that
of an uninterrupted run."""

import os
import shutil
import subprocess

import pytest

DEBIAN = "/usr/bin/python3"
ROOT = {"root": True}
USER = {"root": False}


def script(programs, name):
    return os.path.join(programs, "progs", name)


NUMPY = [
    ("heat.py", "100", "12000", "60"),
    ("heat.py", "400", "6000", "30"),
    ("heat.py", "1000", "400", "2"),
    ("lattice_boltzmann.py", "100", "1200", "6"),
    ("lattice_boltzmann.py", "500", "80", "1"),
    ("shallow_water.py", "300", "2500", "12"),
    ("shallow_water.py", "1000", "150", "1"),
]


@pytest.mark.parametrize("argv", NUMPY, ids="-".join)
def test_numpy(ckpt, programs, argv):
    ckpt.chain([DEBIAN, script(programs, argv[0]), *argv[1:]], env={"OPENBLAS_NUM_THREADS": "1"})


@pytest.mark.parametrize("ckpt", [ROOT, {"root": True, "compress": "none"},
                                  {"root": False, "compress": "none"}], indirect=True,
                         ids=["root-zstd", "root-none", "user-none"])
def test_heat_settings(ckpt, programs):
    ckpt.chain([DEBIAN, script(programs, "heat.py"), "300", "8000", "40"])


@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_openblas_threads(ckpt, programs, threads):
    ckpt.chain([DEBIAN, script(programs, "matrix_power.py"), "400", "250"],
               env={"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads})


@pytest.mark.parametrize("threads", ["1", "4"])
def test_openmp(ckpt, programs, threads):
    ckpt.chain([os.path.join(programs, "apps", "openmp")], env={"OMP_NUM_THREADS": threads})


@pytest.mark.parametrize("ckpt", [USER, ROOT], indirect=True, ids=["user", "root"])
def test_200_threads(ckpt, programs):
    ckpt.chain([os.path.join(programs, "apps", "token_ring")])


def need(name):
    path = shutil.which(name, path="/usr/bin:/usr/local/bin:/bin")
    if not path:
        pytest.skip(name + " is not installed")
    return path


def test_perl(ckpt, programs):
    ckpt.chain([need("perl"), script(programs, "words.pl")])


def test_sqlite_shell(ckpt, programs):
    database = ckpt.path("shell.db")
    expected = ckpt.uninterrupted([need("sqlite3"), database], stdin=script(programs, "shell.sql"))
    os.unlink(database)
    ckpt.chain([need("sqlite3"), database], stdin=script(programs, "shell.sql"), by="time",
               expected=expected)


def test_node(ckpt, programs):
    ckpt.chain([need("node"), script(programs, "ring.js")])


def test_java(ckpt, programs):
    classes = ckpt.mkdir("classes")
    done = subprocess.run([need("javac"), "-d", classes, script(programs, "Ring.java")],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip("javac: " + done.stderr[:200])
    ckpt.chain([need("java"), "-cp", classes, "Ring"])
