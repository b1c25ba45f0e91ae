"""A thousand images with something wrong in them: exit status and one line, never a crash, a hang or a program.

Most have their checksums made right again, so that what is wrong is found behind these, or is not wrong: bytes
of a program's memory may be any. ckpt_restart is told to stop before it makes the first process (lib/core/fault.h),
when all has been checked; what gets as far is restarted really, in some of the cases.
"""

import ctypes
import os
import random
import re
import struct
import subprocess
import threading

import pytest

import ckpttest

MUTANTS = 1000
SEED = int(os.environ.get("CKPT_TEST_SEED", "1"))
OWN = 125
LAST = "cannot make the processes of the job: Input/output error"
VIEWS = [["--json"], ["--stacks"], ["--environment", "--secrets"], ["--python"], ["--html", "PAGE"], ["--core", "CORE"],
         []]
EDGES = [0, 1, 2, 7, 63, 64, 65, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
         1 << 40, 1 << 47, 1 << 56, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096, (1 << 64) - 1]

xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
xxh3.restype = ctypes.c_uint64


def checksum(data):
    return xxh3(bytes(data), ctypes.c_size_t(len(data)))


class Image:
    """The bytes of an image that is not compressed, and where things are in it (doc/IMAGE-FORMAT)."""

    HEADER, TRAILER, SECTION, CHUNK, EXTENT = 64, 64, 48, 24, 24
    JOB, PROCESS, EXTENTS, CHUNKS = 1, 2, 3, 4

    def __init__(self, data):
        self.data = bytearray(data)
        self.size = len(data)
        self.footer, _, size, self.nsections = struct.unpack_from("<QQQI", data, self.size - 64)
        assert size == self.size
        self.sections = [struct.unpack_from("<IIIIQQQQ", data, self.footer + i * 48) for i in range(self.nsections)]

    def section(self, kind, owner=0):
        """(number, offset, size)"""
        return next((n, s[4], s[5]) for n, s in enumerate(self.sections) if s[0] == kind and s[2] == owner)

    def put(self, at, n, value):
        self.data[at:at + n] = (value & ((1 << 8 * n) - 1)).to_bytes(n, "little")

    def get(self, at, n):
        return int.from_bytes(self.data[at:at + n], "little")

    def records(self, kind, owner=0):
        """(offset, type, size) of each record in a section."""
        _, at, left = self.section(kind, owner)
        while left > 0:
            form, _, size = struct.unpack_from("<HHI", self.data, at)
            yield at, form, size
            step = 8 + (size + 7) // 8 * 8
            at, left = at + step, left - step

    def seal(self, chunks=()):
        """Make all checksums right: of these chunks (their entries in the table), sections, footer, header, trailer."""
        for entry in chunks:
            at, stored = struct.unpack_from("<QI", self.data, entry)
            self.put(entry + 16, 8, checksum(self.data[at:at + stored]))
        for n in range(self.nsections):
            _, _, _, _, at, stored, _, _ = struct.unpack_from("<IIIIQQQQ", self.data, self.footer + n * 48)
            if at + stored <= self.size:
                self.put(self.footer + n * 48 + 40, 8, checksum(self.data[at:at + stored]))
        trailer = self.size - 64
        self.put(trailer + 8, 8, checksum(self.data[self.footer:trailer]))
        self.put(trailer + 56, 8, checksum(self.data[trailer:trailer + 56]))
        self.put(56, 8, checksum(self.data[:56]))


# ---- mutations: each gets an Image and a random.Random; blind ones leave the checksums as they are ----

def flip(image, r):
    image.data[r.randrange(image.size)] ^= 1 << r.randrange(8)


def cut(image, r):
    del image.data[r.randrange(image.size):]


def lengthen(image, r):
    image.data += r.randbytes(r.choice((1, 64, 4096)))


def zero(image, r):
    at, n = r.randrange(image.size - 64), r.choice((64, 4096, 1 << 16))
    image.data[at:at + n] = bytes(min(n, image.size - at))
    image.data[image.size - 1] ^= 1  # what was zero before is not enough


def swap(image, r):
    n = r.choice((64, 4096))
    a, b = r.randrange(64, image.size // 2 - n), r.randrange(image.size // 2, image.size - n)
    image.data[a:a + n], image.data[b:b + n] = image.data[b:b + n], image.data[a:a + n]
    image.data[a] ^= 1


def change(image, r, at, n):
    """Another value for a number of n bytes."""
    old = image.get(at, n)
    image.put(at, n, r.choice([old ^ 1 << r.randrange(8 * n), old + 1, old - 1, r.choice(EDGES), r.getrandbits(8 * n)]))


def header(image, r):
    change(image, r, r.choice((8, 12, 14, 16, 20)), 2)
    image.seal()


def trailer(image, r):
    change(image, r, image.size - 64 + r.choice((0, 16, 24)), 4)
    at = image.size - 64
    image.put(at + 56, 8, checksum(image.data[at:at + 56]))


def footer(image, r):
    at, n = r.choice(((0, 4), (4, 4), (8, 4), (12, 4), (16, 8), (24, 8), (32, 8)))
    change(image, r, image.footer + r.randrange(image.nsections) * 48 + at, n)
    image.seal()


def table(kind, entry, fields):
    """An entry of a table, in a process's section."""
    def mutate(image, r):
        _, at, size = image.section(kind, r.randrange(2))
        field, n = r.choice(fields)
        change(image, r, at + r.randrange(size // entry) * entry + field, n)
        image.seal()
    return mutate


chunks = table(Image.CHUNKS, 24, ((0, 8), (8, 4), (12, 4)))
extents = table(Image.EXTENTS, 24, ((0, 8), (8, 4), (12, 4), (16, 4), (20, 4)))


def record_head(image, r):
    kind = r.choice((Image.JOB, Image.PROCESS))
    at, _, _ = r.choice(list(image.records(kind)))
    field, n = r.choice(((0, 2), (2, 2), (4, 4)))
    change(image, r, at + field, n)
    image.seal()


def record(image, r):
    """The payload of a record: of each type as often, for most are of a few types."""
    owner = r.randrange(2)
    by_type = {}
    for kind in (Image.JOB, Image.PROCESS):
        for at, form, size in image.records(kind, 0 if kind == Image.JOB else owner):
            if size >= 8:
                by_type.setdefault(form, []).append((at, size))
    at, size = r.choice(by_type[r.choice(sorted(by_type))])
    for _ in range(r.choice((1, 1, 3))):
        n = r.choice((1, 4, 8))
        change(image, r, at + 8 + r.randrange((size - n) // n + 1) * n, n)
    image.seal()


def content(image, r):
    """Memory, and what the interpreter's structures or a stack may be in."""
    _, at, size = image.section(Image.CHUNKS, r.randrange(2))
    entry = at + r.randrange(size // 24) * 24
    where, stored = struct.unpack_from("<QI", image.data, entry)
    for _ in range(r.choice((1, 20))):
        image.put(where + r.randrange(stored), 1, r.getrandbits(8))
    image.seal([entry])


BLIND = [flip, cut, lengthen, zero, swap]
SEALED = [header, trailer, footer, chunks, extents, record_head, record, record, record, content]


# ---- what must be refused ----

def critical(image):
    """(what, mutated image): each is to be refused."""
    def with_number(kind, owner, entry, field, n, value):
        m = Image(image.data)
        _, at, _ = m.section(kind, owner)
        m.put(at + entry + field, n, value)
        m.seal()
        return m
    size = len(image.data)
    # What both processes have in common is written by the one that comes first; the other may have one chunk only.
    owner = max(0, 1, key=lambda i: image.section(Image.CHUNKS, i)[2])
    for field, n, value in ((0, 8, size), (0, 8, 0), (0, 8, (1 << 64) - 1), (8, 4, 0), (12, 4, 0),
                            (12, 4, (1 << 20) + 1), (8, 4, (1 << 20) + 1)):
        yield "chunk", with_number(Image.CHUNKS, owner, 24, field, n, value)
    first = image.get(image.section(Image.EXTENTS)[1], 8)
    for field, n, value in ((0, 8, first), (0, 8, first + 1), (0, 8, 1 << 63), (8, 4, 0), (8, 4, (1 << 20) + 4096),
                            (12, 4, 1 << 30), (16, 4, 1 << 20), (20, 4, 5)):
        yield "extent", with_number(Image.EXTENTS, 0, 24, field, n, value)
    for _, form, _ in {(0, form, 0) for _, form, _ in image.records(Image.PROCESS)}:
        at, _, length = next(x for x in image.records(Image.PROCESS) if x[1] == form)
        m = Image(image.data)
        m.put(at + 4, 4, 0xfffffff0)
        m.seal()
        yield "size of record %d" % form, m
    for number in range(image.nsections):
        for field in (16, 24, 32):
            m = Image(image.data)
            m.put(m.footer + number * 48 + field, 8, 1 << 50)
            m.seal()
            yield "section %d" % number, m
    for field, value in ((0, 1 << 50), (16, size + 1), (24, 65537), (24, 0)):
        m = Image(image.data)
        m.put(size - 64 + field, 8 if field < 24 else 4, value)
        m.put(size - 8, 8, checksum(m.data[-64:-8]))
        yield "trailer", m


# ---- running them ----

class Tools:
    """Our programs on one mutant after the other, in a directory of its own."""

    def __init__(self, ckpt, name):
        self.ckpt = ckpt
        self.dir = ckpt.mkdir(name)
        self.image = os.path.join(self.dir, "image.ckpt")
        self.failed = []

    def write(self, data):
        with open(self.image, "wb") as f:
            f.write(data)
        os.chmod(self.image, 0o600)
        os.chown(self.image, self.ckpt.uid, self.ckpt.gid)

    def run(self, name, *args, env=None):
        """(status, lines of standard error)"""
        done = subprocess.run([self.ckpt.installed.bin(name), *args, self.image], env=self.ckpt.env(env), cwd=self.dir,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=ckpttest.LIMIT, **self.ckpt.as_user)
        return done.returncode, done.stderr.decode(errors="replace").splitlines()

    def inspect(self, *args):
        status, err = self.run("ckpt_inspect", *args)
        assert status in (0, 1), (args, status, err)
        assert status == 0 or (err and all(self.image in line for line in err)), (args, status, err)
        return status

    def restart(self):
        """True: all has been checked, and processes would be made now."""
        status, err = self.run("ckpt_restart", env={"CKPT_FAULT": "init-processes:eio"})
        assert status == OWN and err, (status, err)
        assert all(re.match("ckpt_restart: .", line) for line in err), err
        return err[-1].endswith(LAST)

    def look(self, data, view, refused):
        """refused: it must be."""
        self.write(data)
        view = [{"PAGE": "page.html", "CORE": "core"}.get(a, a) for a in view]
        if "--core" in view:
            self.inspect(*view)
            view = []
        good = self.inspect("--verify", *view) == 0
        goes = self.restart()
        assert not goes or (good and not refused), "is restarted"
        return goes

    def really(self):
        """Its programs may do anything but make ckpt_restart fail otherwise than by saying so."""
        p = subprocess.Popen([self.ckpt.installed.bin("ckpt_restart"), self.image], env=self.ckpt.env(), cwd=self.dir,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             **self.ckpt.as_user)
        try:
            _, err = p.communicate(timeout=0.3)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
            return
        assert p.returncode >= 0 and (p.returncode != OWN or err), (p.returncode, err)


@pytest.fixture
def image(ckpt, programs):
    job = ckpt.launch([os.path.join(programs, "apps", "fault_pair"), "1000000", "2"], compress="none")
    job.wait_output("\n5 5 5\n")
    path = ckpt.checkpoint()["image"]
    job.kill()
    with open(path, "rb") as f:
        yield Image(f.read())
    # A mutant may name another path for a file of the program, which then comes back there.
    for entry in os.scandir(os.path.dirname(ckpt.dir)):
        if entry.path != ckpt.dir and entry.is_file(follow_symlinks=False) and \
                entry.stat(follow_symlinks=False).st_uid == ckpt.uid != 0:
            os.unlink(entry.path)


def in_parallel(ckpt, work, n=2):
    """work(tools, number, n) in n threads; the first failure is the test's."""
    def one(number):
        tools = Tools(ckpt, "tools-%d" % number)
        try:
            work(tools, number, n)
        except BaseException as e:  # to be raised where the test sees it
            failures.append(e)
    failures = []
    threads = [threading.Thread(target=one, args=(number,)) for number in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def test_mutated(ckpt, image):
    def work(tools, number, n):
        for mutant in range(number, MUTANTS, n):
            r = random.Random(SEED * 1000003 + mutant)
            blind = mutant % 4 == 0
            mutate = r.choice(BLIND if blind else SEALED)
            m = Image(image.data)
            mutate(m, r)
            try:
                if tools.look(m.data, VIEWS[mutant % len(VIEWS)], blind) and mutant % 10 == 1:
                    tools.really()
            except Exception as e:
                raise AssertionError("mutant %d (%s), seed %d: %s" % (mutant, mutate.__name__, SEED, e)) from e
    assert Tools(ckpt, "whole").look(image.data, [], False)
    in_parallel(ckpt, work)


def test_critical(ckpt, image):
    mutants = list(critical(image))

    def work(tools, number, n):
        for k in range(number, len(mutants), n):
            what, m = mutants[k]
            try:
                tools.look(m.data, VIEWS[k % len(VIEWS)], True)
            except Exception as e:
                raise AssertionError("%d, %s: %s" % (k, what, e)) from e
    in_parallel(ckpt, work)
