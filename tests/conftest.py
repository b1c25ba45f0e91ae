import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ckpttest  # noqa: E402


def part_of(item):
    """The tests that run one after the other: those of a file, of one program, of SLURM."""
    if item.path.parent.name == "slurm":
        return "slurm"
    if item.path.name == "test_objects.py":
        return item.callspec.params["program"].name
    return item.path.name


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
def pytest_collection_modifyitems(config, items):
    """With tests/worker parts run beside one another; the longest, and those that hardly compute, begin."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(part_of(item)))
    items.sort(key=lambda item: ("slurm", "apps", "system").index(item.path.parent.name))


def pytest_configure(config):
    """The directory that whoever starts the workers has made for them is in another /tmp."""
    if hasattr(config, "workerinput") and config.option.basetemp:
        os.makedirs(os.path.dirname(config.option.basetemp), exist_ok=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config):
    """Workers have no network to install from."""
    if any("apps" in arg for arg in config.args):
        pypi_install()


@pytest.fixture(scope="session")
def installed():
    """The programs, installed once for the session."""
    place, top = ckpttest.install()
    yield place
    if top:
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="session")
def programs():
    """Our test programs and scripts, where every user can read them."""
    top = tempfile.mkdtemp(prefix="ckpt-test-programs-")
    os.chmod(top, 0o755)
    tree = ckpttest.TREE
    for source, name in (("build/tests/system", "system"), ("build/tests/apps", "apps"),
                         ("tests/apps/progs", "progs")):
        if os.path.isdir(os.path.join(tree, source)):
            shutil.copytree(os.path.join(tree, source), os.path.join(top, name))
    yield top
    shutil.rmtree(top, ignore_errors=True)


PYPI = ["veros", "greenlet", "numba", "joblib", "dask", "distributed", "mpi4py", "pyarrow"]


PYPI_PLACE = os.path.join(ckpttest.TREE, "build", "pypi")


def pypi_install():
    """Put the packages into their place, unless they are there; what pip said when it can't."""
    stamp = os.path.join(PYPI_PLACE, "-".join(["installed", *PYPI]))
    if os.path.exists(stamp):
        return ""
    shutil.rmtree(PYPI_PLACE, ignore_errors=True)
    run = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "-q", "--target", PYPI_PLACE, *PYPI],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode == 0:
        open(stamp, "w").close()
    return run.stdout if run.returncode else ""


@pytest.fixture(scope="session")
def pypi():
    """A directory with packages of PyPI for Debian's python3, kept under build/; for PYTHONPATH."""
    problem = pypi_install()
    if problem:
        pytest.skip("pip can't install: " + problem[-300:])
    if os.getuid() != 0 or ckpttest.all_may_read(PYPI_PLACE):
        yield PYPI_PLACE
        return
    top = tempfile.mkdtemp(prefix="ckpt-test-pypi-")
    os.chmod(top, 0o755)
    shutil.copytree(PYPI_PLACE, os.path.join(top, "pypi"), symlinks=True)
    yield os.path.join(top, "pypi")
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def shells(ckpt):
    """Call it for a shelltest.Shell; all are closed at the end."""
    import shelltest
    made = []

    def make(**options):
        made.append(shelltest.Shell(ckpt, **options))
        return made[-1]
    yield make
    for s in made:
        s.p.close(force=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.failed_call = report.failed


@pytest.fixture
def ckpt(request, installed):
    """A private place to launch, checkpoint and restart in; see ckpttest.Ckpt.

    Indirect parameter: a dict of Ckpt's arguments. Default: an ordinary user, zstd.
    """
    options = dict(getattr(request, "param", None) or {})
    if (options.get("root") or options.get("user")) and os.getuid() != 0:
        pytest.skip("needs root")
    c = ckpttest.Ckpt(installed, **options)
    yield c
    left = c.stop()
    failed = getattr(request.node, "failed_call", False)
    if failed or left:
        print("files kept in", c.dir)
    else:
        c.remove()
    assert failed or not left, "\n".join(left)
