"""Jobs whose session or process group is from outside of the pid namespace, or that of its first process, as in
containers: getsid(2) and getpgid(2) say 0 or 1. The programs of test_objects.py, started in such places."""

import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = "(tree_groups or tree_orphans or tree_random or pty_session) and (kill-user-zstd or chain-root-zstd)"

# As the first process of a pid namespace: what it does for itself, and then for the child that runs the tests.
START = """
import os, sys
first, child, argv = sys.argv[1], sys.argv[2], sys.argv[3:]
{"": lambda: None, "group": lambda: os.setpgid(0, 0), "session": os.setsid}[first]()
pid = os.fork()
if pid == 0:
    if child == "group":
        os.setpgid(0, 0)
    os.execv(argv[0], argv)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="unshare(1) needs root")
@pytest.mark.parametrize("first, child", [("", ""), ("", "group"), ("group", ""), ("session", ""), ("session", "group")])
def test_namespace(first, child):
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", os.path.join(HERE, "test_objects.py"),
             "-k", PROGRAMS]
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
                           sys.executable, "-c", START, first, child, *tests],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout
