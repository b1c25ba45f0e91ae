"""Content of large files that are written in place, mapped or deleted: saved beside the image, shared between
generations, verified and put back. What is asked of the program is Python that it executes between two checkpoints.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import uuid

import pytest

import ckpttest

PYTHON = "/usr/bin/python3"
MIB = 1 << 20
OWN, REFUSED = 125, 4
BOTH = pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True, ids=["user", "root"])

PROGRAM = """
import mmap, os, time
MIB = 1 << 20
print("ready", flush=True)
while True:
    if os.path.exists("ask"):
        with open("ask") as ask:
            token, code = ask.read().split("\\n", 1)
        os.unlink("ask")
        exec(code)
        print("did", token, flush=True)
    time.sleep(0.005)
"""

# 40 MiB, of which every fourth is a hole, open in the middle.
BIG = """
f = open("big", "w+b")
for i in range(40):
    if i % 4 != 1:
        f.seek(i * MIB)
        f.write(i.to_bytes(8, "little") + os.urandom(MIB - 8))
f.truncate(40 * MIB + 1234)
f.seek(5)
f.flush()
"""


class Program:
    """The job, and the files in its directory."""

    def __init__(self, ckpt, *setup, options=()):
        self.ckpt = ckpt
        self.job = ckpt.launch([PYTHON, "-c", PROGRAM], options)
        self.job.wait_output("ready\n")
        for code in setup:
            self.ask(code)

    def ask(self, code):
        token = uuid.uuid4().hex
        self.ckpt.file("ask.new", token + "\n" + code)
        os.rename(self.ckpt.path("ask.new"), self.ckpt.path("ask"))
        self.job.wait_output("did " + token)

    def answer(self, expression):
        """What the program's expression is; text."""
        self.ask("open('answer', 'w').write(str((%s)))" % expression)
        with open(self.ckpt.path("answer")) as f:
            return f.read()

    def checkpoint(self):
        """The image, and what ckpt_command tells of it."""
        told = self.ckpt.checkpoint("--job", str(self.job.outer_pid()))
        return told["image"], told

    def kill(self):
        self.job.kill()

    def restart(self, image, options=()):
        self.job = self.ckpt.restart(image, self.job, options)
        self.ckpt.wait_known(self.job)

    def refused(self, image, *parts, options=()):
        """ckpt_restart must end with one line that has all parts."""
        done = self.ckpt.run("ckpt_restart", *options, image)
        assert done.returncode == OWN, done.stderr
        for part in parts:
            assert part in done.stderr, (part, done.stderr)

    def digest(self, name="big"):
        with open(self.ckpt.path(name), "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()


def objects(ckpt, image):
    report = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
    return [o for p in report["processes"] for o in p["objects"] if o["beside"]]


def pieces(image):
    return {name: os.stat(os.path.join(image + ".files", name)) for name in os.listdir(image + ".files")}


def spoil(path, code):
    """Change a file that belongs to somebody, behind the program's back."""
    with open(path, "r+b") as f:
        code(f)


@contextlib.contextmanager
def mounted(ckpt, *what):
    where = ckpt.mkdir("mount")
    subprocess.run(["mount", *what, where], check=True)
    os.chown(where, ckpt.uid, ckpt.gid)
    try:
        yield where
    finally:
        for job in ckpt.jobs:
            if job.running():
                job.kill_all()
        subprocess.run(["umount", "-l", where], check=True)


@pytest.fixture
def place(request, ckpt):
    """Where files and images are: "here", or a file system with reflinks."""
    if request.param == "here":
        yield request.param
        return
    if os.getuid() != 0:
        pytest.skip("needs root to mount a file system")
    store = os.path.join(ckpt.dir, "xfs.img")
    with open(store, "wb") as f:
        f.truncate(400 * MIB)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", store], check=True)
    with contextlib.ExitStack() as stack:
        try:
            where = stack.enter_context(mounted(ckpt, "-t", "xfs", "-o", "loop", store))
        except subprocess.CalledProcessError:
            pytest.skip("no loop mount of XFS here")
        for name in ("images", "work"):
            path = os.path.join(where, name)
            os.mkdir(path)
            os.chown(path, ckpt.uid, ckpt.gid)
            setattr(ckpt, name, path)
        yield request.param


PLACES = pytest.mark.parametrize("place", ["here", "reflink"], indirect=True)

MAPPED = """
with open("mapped", "w+b") as g:
    g.truncate(20 * MIB)
    m = mmap.mmap(g.fileno(), 20 * MIB)
m[0:9] = b"beginning"
m[7 * MIB:8 * MIB] = os.urandom(MIB)
"""
DELETED = """
d = open("deleted", "w+b")
d.write(os.urandom(18 * MIB))
d.seek(77)
os.unlink("deleted")
import hashlib
def digest(f):
    os.lseek(f.fileno(), 0, 0)
    h = hashlib.sha256(os.read(f.fileno(), 1 << 30)).hexdigest()
    os.lseek(f.fileno(), 77, 0)
    return h
"""
LATER = """
f.seek(0); f.write(b"x" * (2 * MIB)); f.seek(39 * MIB); f.write(os.urandom(4 * MIB)); f.flush()
m[3 * MIB:4 * MIB] = b"y" * MIB
m[7 * MIB:7 * MIB + 4] = b"zzzz"
d.seek(0); d.write(b"lost" * MIB); d.truncate(MIB)
"""


@BOTH
@PLACES
def test_files_are_put_back_as_they_were(ckpt, place):
    p = Program(ckpt, BIG, MAPPED, DELETED)
    gone = p.answer("digest(d)")
    damages = [lambda f: f.truncate(100 * MIB), lambda f: f.truncate(MIB), lambda f: f.write(b"other" * MIB)]
    for damage in damages:
        was, mapped = p.digest(), p.digest("mapped")
        image, told = p.checkpoint()
        assert told["files_bytes"] > 40 * MIB
        assert {o["clone"] for o in objects(ckpt, image)} == {place == "reflink"}
        p.ask(LATER)
        assert p.digest() != was and p.digest("mapped") != mapped
        p.kill()
        spoil(ckpt.path("big"), damage)
        spoil(ckpt.path("mapped"), damage)
        p.restart(image)
        assert p.answer("f.tell(), f.read(0), os.fstat(f.fileno()).st_size") == "(5, b'', %d)" % (40 * MIB + 1234)
        assert (p.digest(), p.digest("mapped"), p.answer("digest(d)")) == (was, mapped, gone)
        assert p.answer("m[0:9], m[3 * MIB], m[10 * MIB]") == "(b'beginning', 0, 0)"
        assert os.stat(ckpt.path("big")).st_blocks * 512 < 36 * MIB
        p.ask("f.seek(5); m[0:9] = b'beginning'")
    p.kill()


@BOTH
def test_generations_share_what_has_not_changed(ckpt):
    p = Program(ckpt, BIG)
    first, first_digest = p.checkpoint()[0], p.digest()
    p.ask("f.seek(20 * MIB); f.write(b'changed'); f.seek(5); f.flush()")
    second, told = p.checkpoint()
    second_digest = p.digest()
    p.kill()
    assert told["files_new_bytes"] == MIB and told["files_bytes"] == 30 * MIB
    a, b = pieces(first), pieces(second)
    shared = a.keys() & b.keys()
    assert len(shared) == len(b) - 1 and all(a[n].st_ino == b[n].st_ino for n in shared)
    assert all(st.st_mode & 0o777 == 0o600 for st in b.values())
    assert os.stat(second + ".files").st_mode & 0o777 == 0o700
    for image, digest in ((second, second_digest), (first, first_digest), (first, first_digest)):
        p.restart(image)
        assert p.digest() == digest
        p.kill()


def test_a_file_that_has_not_changed_is_not_read(ckpt):
    p = Program(ckpt, BIG, "time.sleep(2.5)")  # further back than a file system's clock is coarse
    p.checkpoint()

    def bytes_read():
        with open("/proc/%d/io" % p.job.pid) as f:
            return int(f.readline().split()[1])
    before = bytes_read()
    image, told = p.checkpoint()
    assert bytes_read() - before < 8 * MIB and told["files_new_bytes"] == 0
    p.ask("f.seek(3); f.write(b'!'); f.seek(5); f.flush()")
    was = p.digest()
    image = p.checkpoint()[0]
    p.kill()
    p.restart(image)
    assert p.digest() == was


@PLACES
def test_an_image_moves_with_its_files(ckpt, place):
    p = Program(ckpt, BIG)
    image, _ = p.checkpoint()
    was = p.digest()
    p.ask("f.write(b'later'); f.flush()")
    later = p.digest()
    p.kill()
    other = ckpt.mkdir("other")  # on another file system, in one case of two
    moved = os.path.join(other, "moved.ckpt")
    for end in ("", ".files"):
        subprocess.run(["cp", "-a", image + end, moved + end], check=True)
    alone = os.path.join(other, "alone.ckpt")
    subprocess.run(["cp", "-a", image, alone], check=True)
    p.refused(alone, "alone.ckpt.files is missing: it belongs to the image")
    assert p.digest() == later
    p.restart(moved)
    assert p.digest() == was
    p.kill()
    assert ckpt.run("ckpt_inspect", "--verify", moved).returncode == 0


@pytest.mark.parametrize("how", ["damaged", "missing", "short"])
def test_a_bad_piece_is_named_and_the_generation_before_is_used(ckpt, how):
    p = Program(ckpt, BIG)
    first, first_digest = p.checkpoint()[0], p.digest()
    p.ask("f.seek(20 * MIB); f.write(b'changed'); f.seek(5); f.flush()")
    second, _ = p.checkpoint()
    later = p.digest()
    p.kill()
    (own,) = pieces(second).keys() - pieces(first).keys()
    path = os.path.join(second + ".files", own)
    if how == "missing":
        os.unlink(path)
    else:
        spoil(path, lambda f: f.truncate(MIB // 2) if how == "short" else f.write(b"C"))
    told = "is missing: it belongs to the image" if how == "missing" else "is damaged"
    p.refused(second, os.path.basename(second) + ".files/" + own, told)
    assert ckpt.run("ckpt_inspect", "--verify", second).returncode == 1
    assert p.digest() == later
    p.restart(ckpt.images)
    assert own in p.job.errors() and p.digest() == first_digest


def test_no_room_leaves_the_generation_before(ckpt):
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    with mounted(ckpt, "-t", "tmpfs", "-o", "size=90m,uid=%d" % ckpt.uid, "tmpfs") as where:
        ckpt.images = where
        p = Program(ckpt, BIG)
        first, _ = p.checkpoint()
        was, there = p.digest(), sorted(os.listdir(where))
        for size in (60, 120):
            p.ask("f.seek(0); f.write(os.urandom(%d * MIB)); f.seek(5); f.flush()" % size)
            told = ckpt.command("--checkpoint", expect=REFUSED).stderr
            assert "big: no room for its" in told and "are free in" in told and told.endswith("ENOSPC\n") and len(told.splitlines()) == 1
            assert sorted(os.listdir(where)) == there
        p.kill()
        p.restart(first)
        assert p.digest() == was
        p.kill()


def test_a_restart_without_room_changes_nothing(ckpt):
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    with mounted(ckpt, "-t", "tmpfs", "-o", "size=60m,uid=%d" % ckpt.uid, "tmpfs") as where:
        ckpt.work = where
        p = Program(ckpt, BIG)
        was = p.digest()
        image, _ = p.checkpoint()
        p.kill()
        spoil(ckpt.path("big"), lambda f: f.truncate(0) or f.write(b"still here"))
        ckpt.file("filler", bytes(50 * MIB))
        p.refused(image, "big", "No space left")
        with open(ckpt.path("big"), "rb") as f:
            assert f.read() == b"still here"
        os.unlink(ckpt.path("filler"))
        p.restart(image)
        assert p.digest() == was
        p.kill()


def test_files_go_with_their_generation(ckpt):
    p = Program(ckpt, BIG, options=["--keep", "2"])
    images = [p.checkpoint()[0]]
    second = images[0].replace("00001", "00002")
    for path in (images[0] + ".part.files", second + ".part.files", second + ".files"):  # of writers that were killed
        os.mkdir(path)
        with open(os.path.join(path, "left"), "w"):
            pass
        os.chown(path, ckpt.uid, ckpt.gid)
    for i in range(3):
        p.ask("f.seek(%d * MIB); f.write(b'changed'); f.seek(5); f.flush()" % (2 * i))
        images.append(p.checkpoint()[0])
    expect = {os.path.basename(i) + end for i in images[2:] for end in ("", ".files")}
    expect.add(os.path.basename(images[0]).replace(".00001", ""))
    ckpttest.wait_for(lambda: set(os.listdir(ckpt.images)) == expect, lambda: str(os.listdir(ckpt.images)))
    was = p.digest()
    p.kill()
    p.restart(images[-1])
    assert p.digest() == was


@pytest.mark.parametrize("options", [(), ("--files=force",)])
@pytest.mark.parametrize("name, setup", [("big", BIG), ("mapped", MAPPED)])
def test_a_link_at_the_path_is_not_followed(ckpt, name, setup, options):
    p = Program(ckpt, setup)
    image, _ = p.checkpoint()
    p.kill()
    victim = ckpt.file("victim", "precious")
    os.rename(ckpt.path(name), ckpt.path("away"))
    os.symlink(victim, ckpt.path(name))
    p.refused(image, name, options=options)
    with open(victim) as f:
        assert f.read() == "precious"


def test_what_processes_share_is_saved_once(ckpt):
    p = Program(ckpt, BIG, """
m = mmap.mmap(f.fileno(), 40 * MIB)
g = open("big", "r+b")
g.seek(MIB)
child = os.fork()
if child == 0:
    h = open("big", "r+b")
    while True:
        time.sleep(100)
""")
    image, told = p.checkpoint()
    was = p.digest()
    assert len(objects(ckpt, image)) == 1 and told["files_bytes"] < 41 * MIB
    p.ask("m[MIB] = 7; m[5 * MIB:6 * MIB] = b'w' * MIB")
    p.kill()
    p.restart(image)
    assert p.digest() == was and p.answer("m[MIB], g.tell()") == "(0, %d)" % MIB
    # A mapping is written to without that any time tells: the file is looked at all the same.
    p.ask("time.sleep(2.5)")
    p.checkpoint()
    p.ask("m[0:3] = b'new'")
    was = p.digest()
    image, _ = p.checkpoint()
    p.ask("m[0:3] = b'old'")
    p.kill()
    p.restart(image)
    assert p.digest() == was


@PLACES
def test_inspection_reads_what_lies_beside(ckpt, place):
    p = Program(ckpt, MAPPED)
    before, _ = p.checkpoint()
    p.ask("m[3 * MIB] = 1; m[3 * MIB + 4096:3 * MIB + 4098] = b'ab'; m[19 * MIB] = 2; m[1] = 0")
    after, _ = p.checkpoint()
    done = ckpt.run("ckpt_inspect", "--diff", "--json", before, after)
    assert done.returncode == 0, done.stderr
    (process,) = json.loads(done.stdout)["processes"]
    assert sum(a["changed"] for a in process["memory"] if a["name"].endswith("/mapped")) == 4
    core = os.path.join(ckpt.dir, "core")
    p.ask("marker = m[7 * MIB:7 * MIB + 64].hex()")
    done = ckpt.run("ckpt_inspect", "--core", core, after)
    assert done.returncode == 0, done.stderr
    with open(core, "rb") as f:
        assert bytes.fromhex(p.answer("marker")) in f.read()


def test_zeros_of_a_small_mapped_file_are_zeros_again(ckpt):
    p = Program(ckpt, """
with open("small", "w+b") as g:
    g.truncate(MIB)
    m = mmap.mmap(g.fileno(), MIB)
m[5] = 1
""")
    was = p.digest("small")
    image, _ = p.checkpoint()
    p.ask("m[4096:12288] = b'x' * 8192")
    p.kill()
    spoil(ckpt.path("small"), lambda f: f.truncate(2 * MIB))
    p.restart(image)
    assert p.digest("small") == was and p.answer("m[5000], len(m)") == "(0, %d)" % MIB


def test_shared_memory_with_a_name_outlives_a_reboot(ckpt):
    p = Program(ckpt, """
from multiprocessing import shared_memory
s = shared_memory.SharedMemory(create=True, size=20 * MIB)
s.buf[5] = 5
s.buf[17 * MIB:18 * MIB] = b"s" * MIB
path = "/dev/shm/" + s.name
""")
    path, (image, told) = p.answer("path"), p.checkpoint()
    p.ask("s.buf[5] = 6; s.buf[3 * MIB] = 1")
    p.kill()
    with contextlib.suppress(FileNotFoundError):  # its tracker may have outlived it
        os.unlink(path)
    p.restart(image)
    assert p.answer("s.buf[5], s.buf[3 * MIB], bytes(s.buf[18 * MIB - 2:18 * MIB + 1]), len(s.buf)") == str(
        (5, 0, b"ss\0", 20 * MIB))
    assert os.stat(path).st_size == 20 * MIB and os.stat(path).st_mode & 0o777 == 0o600
    p.ask("s.close(); s.unlink()")
    assert not os.path.exists(path)


def test_an_encrypted_image_has_all_in_itself(ckpt):
    key = ckpt.file("key", os.urandom(32), mode=0o600)
    p = Program(ckpt, BIG, MAPPED, options=["--encrypt=" + key])
    was, mapped = p.digest(), p.digest("mapped")
    image, told = p.checkpoint()
    assert told["files_bytes"] == 0 and not os.path.exists(image + ".files")
    p.ask("f.write(b'lost' * MIB); f.flush(); m[0:5] = b'later'; m[3 * MIB] = 3")
    p.kill()
    p.restart(image, ["--key=" + key])
    assert (p.digest(), p.digest("mapped")) == (was, mapped)


def test_a_check_writes_nothing(ckpt):
    Program(ckpt, BIG)
    ckpt.command("--check")
    assert os.listdir(ckpt.images) == []


def test_locks_of_a_file_stay(ckpt):
    lock = "import fcntl; f.truncate(1 << 40); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)"  # holes are not read
    p = Program(ckpt, BIG, lock, "m = mmap.mmap(f.fileno(), 40 * MIB)")
    check = [PYTHON, "-c", "import fcntl; fcntl.lockf(open('big', 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)"]

    def locked():
        return subprocess.run(check, cwd=ckpt.work, stderr=subprocess.DEVNULL, **ckpt.as_user).returncode != 0

    def state():
        with open(ckpt.path("big"), "rb") as f:
            return os.fstat(f.fileno()).st_size, hashlib.sha256(f.read(41 * MIB)).hexdigest()
    was = state()
    assert locked()
    image, _ = p.checkpoint()
    assert locked() and state() == was and p.answer("f.tell()") == "5"
    p.ask("m[9] = 1")
    p.kill()
    p.restart(image)
    assert locked() and state() == was


def test_a_small_file_is_in_the_image(ckpt):
    p = Program(ckpt, "f = open('little', 'w+b'); f.write(b'a' * MIB); f.seek(3); f.flush()")
    image, told = p.checkpoint()
    assert told["files_bytes"] == 0 and not os.path.exists(image + ".files")
    p.kill()
    p.restart(image)
    assert p.answer("f.read(2)") == "b'aa'"
