"""Python programs that hold what pickling can't save: each goes on from a checkpoint, and dill fails."""

import os
import shutil
import subprocess

import pytest

import ckpttest

DEBIAN = "/usr/bin/python3"

SCRIPTS = [
    ("generator",), ("coroutine",), ("frames",), ("recursion",), ("abc_in_main",), ("threads",),
    ("database",), ("database", "disk"), ("event_loop",), ("mapped",), ("hashes",), ("tls",),
    ("executor",), ("contexts",), ("foreign",),
]
FROM_PYPI = [("greenlets",), ("compiled",)]


def argv_of(programs, script, python=DEBIAN):
    return [python, "-B", os.path.join(programs, "progs", script[0] + ".py"), *script[1:]]


def test_held(ckpt, programs, script):
    ckpt.chain(argv_of(programs, script))


def test_dill_fails(ckpt, programs, script, pypi):
    env = {"PYTHONPATH": pypi} if script in FROM_PYPI else {}
    have = subprocess.run([DEBIAN, "-c", "import dill; print(dill.__version__)"], text=True,
                          capture_output=True)
    if have.returncode:
        pytest.skip("dill is not installed")
    if script == ("abc_in_main",) and have.stdout >= "0.4":
        pytest.skip("dill %s has learned this one" % have.stdout.strip())
    done = ckpt.uninterrupted(argv_of(programs, script) + ["dill"], env)
    assert "\ndill: " in "\n" + done


def test_from_pypi(ckpt, programs, pypi, script):
    ckpt.chain(argv_of(programs, script), env={"PYTHONPATH": pypi, "NUMBA_NUM_THREADS": "2"})


def pythons():
    """Interpreters of this machine: Debian's is in the tests above."""
    found = [("pypy3", "/usr/bin/pypy3"), ("PATH", shutil.which("python3"))]
    versions = os.path.expanduser("~/.pyenv/versions")
    if os.path.isdir(versions):
        newest = sorted(os.listdir(versions), key=lambda v: [int(n) for n in v.split(".") if n.isdigit()])
        found += [("pyenv-" + v, os.path.join(versions, v, "bin", "python3")) for v in newest[-2:]]
    return [(name, path) for name, path in found
            if path and os.access(path, os.X_OK) and os.path.realpath(path) != os.path.realpath(DEBIAN)]


@pytest.mark.parametrize("name, script", [("generator", ("generator",)), ("threads", ("threads",)),
                                          ("event_loop", ("event_loop",)),
                                          ("database", ("database",)), ("foreign", ("foreign",))])
@pytest.mark.parametrize("python", pythons(), ids=lambda p: p[0])
def test_pythons(installed, programs, python, name, script):
    root = os.getuid() == 0 and not ckpttest.all_may_read(os.path.realpath(python[1]))
    ckpt = ckpttest.Ckpt(installed, root=root)
    try:
        if root:
            ckpt.extra_env["HOME"] = os.path.expanduser("~")
        ckpt.chain(argv_of(programs, script, python[1]))
    finally:
        left = ckpt.stop()
    assert not left, "\n".join(left)
    ckpt.remove()


def pytest_generate_tests(metafunc):
    if metafunc.function in (test_held, test_dill_fails, test_from_pypi):
        scripts = list(SCRIPTS) if metafunc.function is test_held else \
            list(FROM_PYPI) if metafunc.function is test_from_pypi else \
            [s for s in SCRIPTS + FROM_PYPI if s != ("database", "disk")]
        metafunc.parametrize("script", scripts, ids="-".join)
