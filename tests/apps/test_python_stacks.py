"""ckpt_inspect --python: what CPython's own introspection says right before the checkpoint, of every CPython that is here."""

import glob
import json
import os
import re
import shlex

import pytest

from ckpttest import wait_for

DEBIAN = "/usr/bin/python3"
SUPPORTED = re.compile(r"python3\.(9|1[0-4])$")


def pythons():
    """Debian's, those of pyenv, and those that CKPT_TEST_PYTHONS names."""
    found = glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3.*"))
    found += shlex.split(os.environ.get("CKPT_TEST_PYTHONS", ""))
    return [DEBIAN, *sorted(p for p in found if SUPPORTED.search(p))]


def params():
    for path in pythons():
        root = path != DEBIAN
        yield pytest.param({"root": root}, path, id=DEBIAN if not root else "-".join(path.split("/")[-3::2]))


def inspect(ckpt, *args):
    done = ckpt.run("ckpt_inspect", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def agree(is_value, wanted):
    kind, *rest = wanted
    if kind in ("repr", "is"):
        return is_value == rest[0]
    if kind == "ends":
        return is_value.endswith(rest[0])
    if kind == "begins":
        return is_value.startswith(rest[0])
    name, address = rest
    return re.fullmatch(r"<([\w.]+\.)?%s at %s>" % (re.escape(name), address), is_value)


def compare(frames, wanted):
    keys = ("file", "line", "function")
    assert [tuple(f[k] for k in keys) for f in frames] == [tuple(f[k] for k in keys) for f in wanted]
    for f, w in zip(frames, wanted):
        assert f["locals"].keys() == w["locals"].keys(), (f, w)
        for name, v in w["locals"].items():
            assert agree(f["locals"][name], v), (f["function"], name, f["locals"][name], v)


LOOP = """
import os, time

def innermost(step, hostile="\\033[31m<b>"):
    if os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "600"])
    print("ready", flush=True)
    time.sleep(600)

innermost(17)
"""


@pytest.fixture
def image(ckpt):
    """Of Python and a child that is none."""
    job = ckpt.launch([DEBIAN, ckpt.file("loop.py", LOOP)])
    job.wait_output("ready\n")
    wait_for(lambda: any(comm(p) == "sleep" for p in job.tree()), "sleep")
    result = ckpt.checkpoint()
    job.kill_all()
    return result["image"]


def comm(pid):
    with open("/proc/%d/comm" % pid) as f:
        return f.read().strip()


def test_stacks_for_people(ckpt, image):
    path = ckpt.path("loop.py")
    text = inspect(ckpt, "--python", image)
    assert re.search(r"process \d+ \(python3[.\d]*\), CPython 3\.\d+\.\d+\n", text), text
    assert re.search(r"process \d+ \(sleep\), no CPython\n", text), text
    frames = "  #0   innermost (%s:8)\n  #1   <module> (%s:10)\n" % (path, path)
    assert frames in text
    assert "step = 17" not in text
    text = inspect(ckpt, "--locals", "--stacks", image)
    assert re.search(r"clock_nanosleep.*  Python\n  #0   innermost .*\n         step = 17\n", text, re.S), text
    assert r"hostile = '\x1b[31m<b>'" in text
    python, sleep = json.loads(inspect(ckpt, "--python", "--json", image))["processes"]
    assert sleep["python"] is None
    [thread] = python["python"]["threads"]
    assert thread["frames"][0] == {"file": path, "line": 8, "function": "innermost"}


@pytest.mark.parametrize("options", ["--locals", "--stacks", "--core out", "--html out --locals --stacks --environment"])
def test_damage_is_told(ckpt, image, options):
    """Whichever byte it is: either it was not read, or it is one line, and nothing is left of what was begun."""
    with open(image, "rb") as f:
        good = f.read()
    refused = 0
    for i in range(25):
        bad = bytearray(good)
        bad[64 + (len(good) - 200) * i // 25] ^= 0x40
        path = ckpt.file("damaged.ckpt", bytes(bad))
        done = ckpt.run("ckpt_inspect", *options.split(), path)
        assert done.returncode in (0, 1)
        assert ("out" in options and done.returncode == 0) == os.path.exists(ckpt.path("out"))
        if done.returncode:
            assert done.stdout == "" and len(done.stderr.splitlines()) == 1
            assert done.stderr.startswith("ckpt_inspect: %s: damaged: " % path)
            refused += 1
        elif "out" in options:
            os.unlink(ckpt.path("out"))
    assert refused


@pytest.mark.parametrize("ckpt, python", params(), indirect=["ckpt"])
def test_stacks_and_locals_are_those_of_the_program(ckpt, programs, python):
    told = ckpt.path("told.json")
    job = ckpt.launch([python, os.path.join(programs, "progs", "python_stacks.py"), told])
    job.wait_output("saved\n")
    job.kill()
    [image] = glob.glob(os.path.join(ckpt.images, "*.00001.ckpt"))
    with open(told) as f:
        wanted = json.load(f)
    [process] = json.loads(inspect(ckpt, "--locals", "--json", image))["processes"]
    assert process["python"]["problem"] is None
    assert process["python"]["version"].startswith(wanted["version"].rsplit(".", 1)[0])
    threads = process["python"]["threads"]
    assert {t["tid"] for t in threads} == {int(i) for i in wanted["stacks"]}
    assert len(threads) == 5 and all(t["interpreter"] == 0 for t in threads)
    for t in threads:
        compare(t["frames"], wanted["stacks"][str(t["tid"])])


INTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
def outer(step):
    interpreters.run_string(interpreters.create(), '''import time
def inner(deep):
    print("ready", flush=True)
    time.sleep(600)
inner(7)
''')
outer(3)
"""


def test_interpreters_are_told_apart(ckpt):
    job = ckpt.launch([DEBIAN, "-c", INTERPRETERS])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    [process] = json.loads(inspect(ckpt, "--locals", "--json", image))["processes"]
    stacks = {t["interpreter"]: t for t in process["python"]["threads"]}
    assert sorted(stacks) == [0, 1] and {t["tid"] for t in stacks.values()} == {job.pid}
    assert [(f["function"], f["line"]) for f in stacks[1]["frames"]] == [("inner", 4), ("<module>", 5)]
    assert stacks[1]["frames"][0]["locals"] == {"deep": "7"}
    assert [f["function"] for f in stacks[0]["frames"]] == ["outer", "<module>"]
    assert stacks[0]["frames"][0]["locals"] == {"step": "3"}
    text = inspect(ckpt, "--python", image)
    assert text.index("  in interpreter 1\n  #0   inner") and text.index("  in interpreter 0\n  #0   outer")


def test_encrypted_images_want_the_key(ckpt):
    key = ckpt.file("key", os.urandom(32), 0o600)
    job = ckpt.launch([DEBIAN, ckpt.file("loop.py", LOOP.replace("os.fork() == 0", "False"))], ["--encrypt=" + key])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    [process] = json.loads(inspect(ckpt, "--locals", "--json", "--key", key, image))["processes"]
    [thread] = process["python"]["threads"]
    assert thread["frames"][0]["locals"]["step"] == "17"
    os.rename(key, key + ".moved")
    for options in ["--python"], ["--stacks"], ["--core", "out"], ["--html", "out", "--locals"]:
        done = ckpt.run("ckpt_inspect", *options, image)
        assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
        assert not os.path.exists(ckpt.path("out"))
        assert ckpt.run("ckpt_inspect", *options, "--key", key + ".moved", image).returncode == 0
        if "out" in options:
            os.unlink(ckpt.path("out"))
