"""doc/examples: run as their READMEs say, in a small size."""

import os
import subprocess

import pytest

import ckpttest
import pythontest

PYTHON = "/usr/bin/python3"
HEAT = os.path.join(ckpttest.TREE, "doc/examples/heat")
METHODS = ["pickle", "dill", "cloudpickle", "numpy", "ckpt"]


@pytest.fixture
def heat(ckpt):
    """The programs, where the user may read them."""
    for name in os.listdir(HEAT):
        with open(os.path.join(HEAT, name), "rb") as f:
            ckpt.file(name, f.read())
    return ckpt


def environment(ckpt):
    return ckpt.env(pythontest.environment(ckpt, PATH=os.path.join(ckpt.installed.prefix, "bin") + ":/usr/bin:/bin",
                                           MPLCONFIGDIR=ckpt.work))


def test_comparison(heat):
    done = subprocess.run([PYTHON, "compare.py", "--size", "100", "--steps", "300", "--dir", heat.work, "--plot",
                           "heat.png"], cwd=heat.work, env=environment(heat), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=ckpttest.LIMIT * 3, **heat.as_user)
    assert done.returncode == 0, done.stderr
    rows = {row[0]: row[1:] for row in map(str.split, done.stdout.splitlines()[1:])}
    assert list(rows) == METHODS
    assert int(rows["ckpt"][-1]) < int(rows["numpy"][-1])
    with open(heat.path("heat.png"), "rb") as f:
        assert f.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("method", METHODS)
def test_goes_on_after_kill(heat, method):
    """All give the result of a run that was left alone."""
    size, steps = "100", "650"  # one that has ended before it is killed goes on from 600
    expected = heat.uninterrupted([PYTHON, "heat.py", size, steps])
    command = [PYTHON, "heat_%s.py" % method, size, steps]
    env = pythontest.environment(heat)
    if method == "ckpt":
        job = heat.launch(command, env=env)
        link = ckpttest.wait_for(lambda: [f for f in os.listdir(heat.images) if f.count(".") == 1], job.story)
        if job.running():
            job.kill()
        job = heat.restart(os.path.join(heat.images, link[0]), job)
        job.wait()
        assert job.output() == expected
        return
    run = subprocess.Popen(command, env=heat.env(env), cwd=heat.work, **heat.as_user)
    ckpttest.wait_for(lambda: os.path.exists(heat.path("heat.state")), "something saved")
    run.kill()
    run.wait()
    assert heat.uninterrupted(command) == expected
