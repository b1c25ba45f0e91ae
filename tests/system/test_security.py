"""doc/SECURITY, sentence by sentence: what another user can do to a job, its coordinator and its images, which is
nothing; and what an image can do to whoever restarts it."""

import contextlib
import json
import os
import random
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from ckpttest import FIRST_UID, LAST_UID, alive, wait_for
from test_bad_input import (BOTH, NO_JOB, PYTHON, REFUSED, checksum, counter, image_of, nothing_partial, one_line,
                            restart_fails, verify)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs two users")


def stranger(ckpt):
    """Arguments of subprocess for another ordinary user."""
    uid = random.choice([u for u in range(FIRST_UID, LAST_UID) if u != ckpt.uid])
    return {"user": uid, "group": uid, "extra_groups": []}


def running(ckpt, programs):
    job = ckpt.launch(counter(programs, 1000000))
    job.wait_output("line 5\n")
    ckpt.command("--list")
    return job


def socket_of(ckpt):
    path = os.path.join(ckpt.runtime, "ckpt", "coordinator.sock")
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    return path


def as_user(who, code, *args):
    """Run Python code as a user; what it printed."""
    done = subprocess.run([PYTHON, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd="/", timeout=60, **who)
    return done.stdout.strip()


TRY = """
import sys
try:
    %s
    print("could")
except OSError as e:
    print(type(e).__name__)
"""


# --- the coordinator ---

def test_another_user_sees_and_reaches_no_job(ckpt, programs):
    job = running(ckpt, programs)
    image = ckpt.checkpoint()["image"]
    other = stranger(ckpt)
    where = ckpt.mkdir("other", 0o700)
    os.chown(where, other["user"], other["group"])
    path = socket_of(ckpt)
    for env in ({"XDG_RUNTIME_DIR": where}, {"CKPT_SOCKET": path}, {"XDG_RUNTIME_DIR": ckpt.runtime}):
        env = {"CKPT_LINGER": "0", **env}
        for args in (["--list"], ["--status"], ["--checkpoint"], ["--kill"], ["--checkpoint", "--job", str(job.pid)],
                     ["--interval", "1s"], ["--quit"]):
            done = ckpt.run("ckpt_command", *args, env=env, **other)
            assert done.returncode in (0, NO_JOB, REFUSED) and "counter" not in done.stdout, (args, done)
            if args[0] != "--list" and args[0] != "--quit":
                assert done.returncode != 0, (args, done.stdout)
    connect = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])"
    assert as_user(other, TRY % connect, path) == "PermissionError"
    for what in ("environ", "mem", "maps"):
        assert as_user(other, TRY % "open(sys.argv[1], 'rb').read(1)", "/proc/%d/%s" % (job.pid, what)) == \
            "PermissionError"
    assert as_user(other, TRY % "import os; os.kill(int(sys.argv[1]), 64)", str(job.pid)) == "PermissionError"
    assert as_user(other, TRY % "open(sys.argv[1], 'rb').read(1)", image) == "PermissionError"
    assert alive(job.pid)
    assert len(os.listdir(ckpt.images)) == 2
    job.kill()


def test_socket_in_a_public_place_is_closed_to_others(ckpt, programs):
    """The directory is open to all here; then the socket itself is what keeps them out, and who is there (SO_PEERCRED)."""
    public = ckpt.mkdir("public", 0o777)
    path = os.path.join(public, "s")
    ckpt.extra_env = {"CKPT_SOCKET": path}
    job = running(ckpt, programs)
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0
    connect = TRY % ("import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); "
                     "s.settimeout(30); sys.exit(print('dropped' if not s.recv(1) else 'heard'))")
    assert as_user(stranger(ckpt), connect, path) == "PermissionError"
    os.chmod(path, 0o777)
    assert as_user(stranger(ckpt), connect, path) in ("dropped", "ConnectionResetError")
    ckpt.checkpoint()
    job.kill()


def test_a_socket_of_another_user_is_not_spoken_to(ckpt):
    """Who listens is looked at before anything is said to him."""
    public = ckpt.mkdir("public", 0o777)
    path = os.path.join(public, "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.bind(path)
        other = stranger(ckpt)
        os.chown(path, other["user"], other["group"])
        os.chmod(path, 0o777)
        os.seteuid(other["user"])  # whose credentials a client sees are those of listen(2)
        try:
            s.listen()
        finally:
            os.seteuid(0)
        done = ckpt.run("ckpt_command", "--list", env={"CKPT_SOCKET": path})
        assert done.returncode == REFUSED or done.returncode == NO_JOB, done
        assert "counter" not in done.stdout and done.stderr
        s.settimeout(0.2)
        peer, _ = s.accept()
        assert peer.recv(1) == b""
    os.unlink(path)


# --- half-sent messages ---

def noise():
    """What no client says."""
    good = struct.pack("<IHHII", 0x54504b43, 3, 64, 4128, 0)
    return [b"", b"x", b"GET / HTTP/1.0\r\n\r\n", good, good[:7], good + bytes(100), os.urandom(8192), os.urandom(100000),
            struct.pack("<IHHII", 0x54504b43, 3, 64, 0xffffffff, 0), struct.pack("<IHHII", 0x54504b43, 9, 64, 16, 0),
            struct.pack("<IHHII", 0x54504b43, 3, 65535, 16, 0)]


def test_half_sent_messages_block_nobody(ckpt, programs):
    job = running(ckpt, programs)
    path = socket_of(ckpt)
    with contextlib.ExitStack() as stack:
        for message in [None] * 3 + noise() * 3:  # as root, whom the coordinator takes for allowed
            s = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            s.connect(path)
            if message is not None:
                with contextlib.suppress(OSError):
                    s.send(message)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            with pytest.raises(OSError):
                s.connect(path)
        for _ in range(3):
            ckpt.checkpoint()
        assert json.loads(ckpt.command("--list", "--json").stdout)["jobs"]
    ckpt.checkpoint()
    job.kill()


def test_a_thousand_silent_connections_block_nobody(ckpt, programs):
    job = running(ckpt, programs)
    path = socket_of(ckpt)
    held = []
    try:
        for _ in range(1000):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(30)
            s.connect(path)
            held.append(s)
        ckpt.checkpoint()
        ckpt.command("--status")
        job.wait_growth(20)
    finally:
        for s in held:
            s.close()
    ckpt.checkpoint()
    job.kill()


# --- what others have put in our way ---

def sticky(ckpt):
    """A directory like /tmp."""
    where = ckpt.mkdir("sticky", 0o1777)
    os.chown(where, 0, 0)
    os.chmod(where, 0o1777)
    return where


def victim(ckpt):
    """A file of the user's, which is to stay as it is."""
    return ckpt.file("victim", "as it was", 0o600)


PLANTS = {
    "symlink": lambda path, target: os.symlink(target, path),
    "dangling": lambda path, target: os.symlink(target + ".new", path),
    "directory": lambda path, target: os.mkdir(path),
    "fifo": lambda path, target: os.mkfifo(path, 0o666),
    "file": lambda path, target: open(path, "w").close(),
}


@pytest.mark.parametrize("kind", PLANTS)
def test_planted_names_beside_images(ckpt, programs, kind):
    where, other, target = sticky(ckpt), stranger(ckpt), victim(ckpt)
    job = ckpt.launch(counter(programs, 1000000), ["--ckptdir", where, "--keep", "0"])
    job.wait_output("line 5\n")
    first = ckpt.checkpoint()["image"]
    stem = first[:-len(".00001.ckpt")]
    planted = [stem + s for s in (".00002.ckpt.part", ".00003.ckpt", ".00002.ckpt.part.files", ".00002.ckpt.files")]
    planted.append(os.path.join(where, "." + os.path.basename(stem) + ".ckpt.new"))
    for path in planted:
        PLANTS[kind](path, target)
        os.chown(path, other["user"], other["group"], follow_symlinks=False)
    for _ in range(2):
        done = ckpt.command("--checkpoint", expect=None, limit=60)
        assert done.returncode in (0, REFUSED), done
        if done.returncode:
            assert where in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    job.wait_growth(20)
    with open(target) as f:
        assert f.read() == "as it was"
    assert not os.path.exists(target + ".new")
    verify(ckpt, first)
    for path in planted:
        st = os.lstat(path)
        assert st.st_uid == other["user"], path
        os.rmdir(path) if stat.S_ISDIR(st.st_mode) else os.unlink(path)
    ckpt.checkpoint()
    job.kill()


@pytest.mark.parametrize("kind", ["symlink", "directory", "fifo"])
def test_planted_directory_of_the_socket(ckpt, programs, kind):
    """/tmp/ckpt-UID was made by somebody else: it is named, and not used."""
    where, other = sticky(ckpt), stranger(ckpt)
    place = os.path.join(where, "ckpt-%d" % ckpt.uid)
    PLANTS[kind](place, ckpt.mkdir("target", 0o777))
    os.chown(place, other["user"], other["group"], follow_symlinks=False)
    env = ckpt.env({"TMPDIR": where})
    del env["XDG_RUNTIME_DIR"]
    done = subprocess.run([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, "true"], env=env, cwd=ckpt.work,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **ckpt.as_user)
    assert done.returncode == 125
    one_line(done.stderr, place)
    assert os.listdir(os.path.join(ckpt.dir, "target")) == []


# --- images ---

def watch_modes(where, stop, seen):
    while not stop.is_set():
        with contextlib.suppress(OSError):
            for name in os.listdir(where):
                st = os.lstat(os.path.join(where, name))
                if not stat.S_ISLNK(st.st_mode):
                    seen[name] = seen.get(name, 0) | stat.S_IMODE(st.st_mode) & 0o077


def test_images_are_private_at_every_moment(ckpt, programs):
    """With a umask that would open all, too."""
    job = ckpt.launch(counter(programs, 1000000), preexec_fn=lambda: os.umask(0))
    job.wait_output("line 5\n")
    stop, seen = threading.Event(), {}
    watcher = threading.Thread(target=watch_modes, args=(ckpt.images, stop, seen))
    watcher.start()
    try:
        for _ in range(10):
            ckpt.checkpoint()
    finally:
        stop.set()
        watcher.join()
    assert any(name.endswith(".part") for name in seen), sorted(seen)
    assert not any(seen.values()), seen
    assert stat.S_IMODE(os.stat(os.path.join(ckpt.runtime, "ckpt")).st_mode) == 0o700
    job.kill()


@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True, ids=["root"])
def test_root_takes_no_image_of_a_user(ckpt, programs):
    image, _ = image_of(ckpt, programs)
    os.chown(image, 20001, 20001)
    restart_fails(ckpt, image, image, "owned by another user")


def test_a_user_takes_no_image_of_another(ckpt, programs):
    image, _ = image_of(ckpt, programs)
    other = stranger(ckpt)
    done = ckpt.run("ckpt_restart", image, **other)
    assert done.returncode == 125 and "Permission denied" in done.stderr
    os.chmod(image, 0o644)
    restart_fails(ckpt, image, image, "owned by another user", env={"XDG_RUNTIME_DIR": "/nonexistent"}, **other)
    os.chmod(image, 0o660)
    restart_fails(ckpt, image, image, "writable by others")


# --- hostile images ---

class Forged:
    """An uncompressed image whose parts can be changed; all checksums are made right again."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = bytearray(f.read())
        self.footer, = struct.unpack_from("<Q", self.data, len(self.data) - 64)
        self.nsections, = struct.unpack_from("<I", self.data, len(self.data) - 40)

    def section(self, kind):
        """(offset of its entry, of its content, bytes)."""
        for i in range(self.nsections):
            at = self.footer + 48 * i
            found, _, owner, _, offset, stored = struct.unpack_from("<IIIIQQ", self.data, at)
            if found == kind and owner == 0:
                return at, offset, stored
        raise KeyError(kind)

    def records(self, kind, section=2):
        """Offsets of the payloads of records of a type."""
        _, offset, stored = self.section(section)
        at = offset
        while at < offset + stored:
            found, _, size = struct.unpack_from("<HHI", self.data, at)
            if found == kind:
                yield at + 8
            at += 8 + (size + 7) // 8 * 8

    def put(self, form, at, *values):
        struct.pack_into("<" + form, self.data, at, *values)

    def save(self, path, owner):
        for i in range(self.nsections):
            at = self.footer + 48 * i
            offset, stored = struct.unpack_from("<QQ", self.data, at + 16)
            self.put("Q", at + 40, checksum(self.data[offset:offset + stored]))
        end = len(self.data) - 64
        self.put("Q", end + 8, checksum(self.data[self.footer:end]))
        self.put("Q", end + 56, checksum(self.data[end:end + 56]))
        with open(path, "wb") as f:
            f.write(self.data)
        os.chmod(path, 0o600)
        os.chown(path, owner, owner)


def first(image, kind):
    return next(image.records(kind))


PROCESS, THREAD, VMA, FD, JOB = 2, 5, 6, 32, 1
FORGERIES = {
    "area-overlaps": lambda i: i.put("Q", list(i.records(VMA))[3], struct.unpack_from("<Q", i.data, list(
        i.records(VMA))[2])[0]),
    "area-of-the-kernel": lambda i: i.put("QQ", list(i.records(VMA))[-1], 0xffff800000000000, 0xffff800000001000),
    "area-at-zero": lambda i: i.put("QQ", first(i, VMA), 0, 4096),
    "area-backwards": lambda i: i.put("QQ", first(i, VMA), 0x7000000, 0x6000000),
    "area-uneven": lambda i: i.put("Q", first(i, VMA) + 8, struct.unpack_from("<Q", i.data, first(i, VMA) + 8)[0] - 1),
    "extent-outside": lambda i: i.put("Q", i.section(3)[1], 0x1000),
    "extent-in-the-kernel": lambda i: i.put("Q", i.section(3)[1], 0xffffffff80000000),
    "thread-outside": lambda i: i.put("Q", first(i, THREAD) + 80, 0x1000),
    "thread-not-in-code": lambda i: i.put("Q", first(i, THREAD) + 80, struct.unpack_from(
        "<Q", i.data, first(i, THREAD) + 72)[0]),
    "stack-outside": lambda i: i.put("Q", first(i, THREAD) + 72, 0x1000),
    "control-outside": lambda i: i.put("Q", first(i, PROCESS) + 80, 0x1000),
    "another-user": lambda i: i.put("I", first(i, PROCESS) + 24, 12345),
    "another-group": lambda i: i.put("I", first(i, PROCESS) + 28, 12345),
    "pid-below-zero": lambda i: i.put("i", first(i, PROCESS), -5),
    "threads-missing": lambda i: i.put("I", first(i, PROCESS) + 20, 77),
    "processes-missing": lambda i: i.put("I", next(i.records(JOB, 1)) + 240, 3),
    "descriptor-without-file": lambda i: i.put("I", first(i, FD) + 8, 4000000),
    "descriptor-below-zero": lambda i: i.put("i", first(i, FD), -7),
}


@BOTH
def test_forged_images_start_nothing(ckpt, programs):
    """Right in every checksum, and of the right owner."""
    image, job = image_of(ckpt, programs, compress="none")
    ckpt.restart(image, job).kill()  # cuts the output back to what it was
    lines = job.output() + "what came after the checkpoint"
    with open(job.out, "w") as f:
        f.write(lines)
    bad = ckpt.path("bad.ckpt")
    Forged(image).save(bad, ckpt.uid)
    with open(image, "rb") as f, open(bad, "rb") as g:
        assert f.read() == g.read()
    wrong = []
    for name, forge in FORGERIES.items():
        forged = Forged(image)
        forge(forged)
        forged.save(bad, ckpt.uid)
        done = ckpt.run("ckpt_restart", bad)
        if done.returncode != 125 or len(done.stderr.splitlines()) != 1 or done.stdout or job.output() != lines:
            wrong.append((name, done, job.output()[-40:]))
            with open(job.out, "w") as f:
                f.write(lines)
    os.unlink(bad)
    assert not wrong, wrong


def test_image_that_asks_for_root_gives_a_user_nothing(ckpt, programs):
    """Its uid is compared, capabilities of the capsule are dropped."""
    image, job = image_of(ckpt, programs, compress="none")
    bad = ckpt.path("bad.ckpt")
    forged = Forged(image)
    forged.put("II", first(forged, PROCESS) + 24, 0, 0)
    forged.save(bad, ckpt.uid)
    restart_fails(ckpt, bad, bad, "the program ran as user 0")
    forged = Forged(image)
    forged.put("QQQQ", first(forged, PROCESS) + 88, *[2 ** 41 - 1] * 4)  # all capabilities
    forged.save(bad, ckpt.uid)
    os.chown(bad, ckpt.uid, ckpt.gid)
    job = ckpt.restart(bad, job)
    ckpt.wait_known(job)

    def runs():
        with open("/proc/%d/status" % job.outer_pid()) as f:
            status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        return int(status["SigBlk"], 16) < 1 << 62 and status  # nothing of the program runs before
    status = wait_for(runs, job.story)
    assert status["Uid"].split() == [str(ckpt.uid)] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, (kind, status[kind])
    job.kill()
    os.unlink(bad)
