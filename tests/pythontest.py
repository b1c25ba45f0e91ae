"""Python interpreters that are installed, and the package ckpt for them."""

import glob
import os
import shutil
import subprocess

import pytest

import ckpttest

OLDEST, NEWEST = 9, 20  # of Python 3


def version(path):
    """(implementation, minor version of Python 3), None when it is another Python."""
    code = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    name, major, minor = (done.stdout.split() + [""] * 3)[:3]
    return (name, int(minor)) if major == "3" and int(minor) >= OLDEST else None


def interpreters():
    """One path for each implementation and version, Debian's own first."""
    places = ["/usr/bin/python3", "/usr/bin/pypy3"]
    places += [shutil.which("python3.%d" % n) for n in range(OLDEST, NEWEST)]
    places += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3*/bin/python3")))
    found = {}
    for path in filter(None, places):
        path = os.path.realpath(path)
        if os.access(path, os.X_OK):
            found.setdefault(version(path), path)
    found.pop(None, None)
    return found


def params():
    """For an indirect parameter "ckpt": the user's Pythons as an ordinary user, those in root's home as root."""
    found = interpreters()
    return [pytest.param({"root": not ckpttest.all_may_read(path)}, path, id="%s3.%d" % which)
            for which, path in sorted(found.items())]


def environment(ckpt, **more):
    return {"PYTHONPATH": os.path.join(ckpt.installed.prefix, "lib/ckpt/python"), **more}
