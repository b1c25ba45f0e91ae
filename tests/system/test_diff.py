"""ckpt_inspect --diff: what changed between two generations, by mapping, in pages."""

import json

import pytest

PROGRAM = """
import ctypes, mmap, os, sys, time
PAGE = 4096
def private(pages):
    m = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return m, ctypes.addressof(ctypes.c_char.from_buffer(m))
libc = ctypes.CDLL(None)
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
kept, kept_at = private(3000)
gone, gone_at = private(50)
for m in kept, gone:
    for page in range(0, len(m), PAGE):
        m[page:page + 8] = b"original"
shared = mmap.mmap(-1, 40 * PAGE)
shared_at = ctypes.addressof(ctypes.c_char.from_buffer(shared))
print("ready", kept_at, gone_at, shared_at, flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
for page in 0, 7, 8, 2000, 2999:
    kept[page * PAGE + 100] = 1
kept[500 * PAGE] = kept[500 * PAGE]  # written, but with what was there
shared[3 * PAGE] = 1
libc.munmap(gone_at, 50 * PAGE)
new, new_at = private(70)
child = os.fork()
if child:
    print("done", new_at, child, flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def images(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", PROGRAM])
    job.wait_output("ready")
    first = ckpt.checkpoint()["image"]
    ckpt.file("go", b"")
    job.wait_output("done")
    second = ckpt.checkpoint()["image"]
    job.kill()
    addresses = [int(w) for w in job.output().split() if w.isdigit()]
    return first, second, job, dict(zip(("kept", "gone", "shared", "new", "child"), addresses))


def total(rows, address, pages, key):
    """Sum of key over the areas that overlap; adjacent ones may have become one."""
    end = address + pages * 4096
    return sum(r[key] for r in rows if int(r["start"], 16) < end and int(r["end"], 16) > address)


def test_diff(ckpt, images):
    first, second, job, at = images
    done = ckpt.run("ckpt_inspect", "--diff", "--json", first, second)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    by_pid = {p["pid"]: p for p in report["processes"]}
    assert set(by_pid) == {job.pid, at["child"]}
    assert (by_pid[at["child"]]["before"], by_pid[at["child"]]["after"]) == (False, True)
    rows = by_pid[job.pid]["memory"]
    assert 5 <= total(rows, at["kept"], 3000, "changed") <= 9  # neighbours may be one area with it
    assert total(rows, at["shared"], 40, "changed") == 1
    assert total(rows, at["gone"], 50, "removed") + total(rows, at["gone"], 50, "changed") >= 50
    assert total(rows, at["new"], 70, "added") >= 70 or at["new"] < at["gone"] + 50 * 4096
    text = next(r for r in rows if r["name"].endswith("libc.so.6") and r["permissions"] == "r-xp")
    assert (text["changed"], text["added"], text["removed"]) == (0, 0, 0)


def test_same_image(ckpt, images):
    first = images[0]
    report = json.loads(ckpt.run("ckpt_inspect", "--diff", "--json", first, first).stdout)
    assert not [r for p in report["processes"] for r in p["memory"] if r["changed"] or r["added"] or r["removed"]]


def test_diff_for_people(ckpt, images):
    first, second, job, at = images
    text = ckpt.run("ckpt_inspect", "--diff", first, second).stdout
    assert first in text and second in text
    assert "process %d (" % at["child"] in text and "only after" in text
    sums = [l.split() for l in text.splitlines() if "all areas" in l]
    assert len(sums) == 1 and int(sums[0][2]) >= 6, text


def test_usage(ckpt, images):
    first = images[0]
    done = ckpt.run("ckpt_inspect", "--diff", first)
    assert done.returncode == 2 and "two images" in done.stderr
    done = ckpt.run("ckpt_inspect", "--diff", first, ckpt.path("none"))
    assert done.returncode == 1 and "none" in done.stderr
