"""Storage that is full, broken, slow, or not there any more: one clear line, the image before stays good, no .part is
left, and the program runs on. Most of it is a file system of our own (tests/storage/badfs.c).
"""

import contextlib
import json
import os
import shutil
import subprocess
import time

import pytest

import ckpttest
from ckpttest import wait_for

REFUSED = 4
STEPS = 1000000
KB = 1000
SLOW = (100 if os.environ.get("CKPT_TEST_LONG") == "1" else 300) * KB  # bytes a second

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount file systems")


@pytest.fixture(scope="session")
def badfs(tmp_path_factory):
    """The program; skips where there is no FUSE."""
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/fuse", os.O_RDWR))
        program = str(tmp_path_factory.mktemp("badfs") / "badfs")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.split()
        subprocess.run(["cc", "-O2", "-Wall", "-o", program,
                        os.path.join(ckpttest.TREE, "tests/storage/badfs.c"), *flags], check=True)
        return program
    pytest.skip("no /dev/fuse")


class Storage:
    """A directory for images on it, and a job that prints a line at each step."""

    def __init__(self, ckpt, programs, badfs):
        self.ckpt = ckpt
        self.mount, self.backing, self.control = ckpt.mkdir("bad"), ckpt.mkdir("backing"), ckpt.file("control")
        self.server = subprocess.Popen([badfs, self.control, self.backing, self.mount])
        wait_for(lambda: os.path.ismount(self.mount) or self.server.poll() is not None, "the file system")
        assert self.server.poll() is None
        self.images = os.path.join(self.mount, "images")
        self.make_images()
        self.job = ckpt.launch([os.path.join(programs, "apps", "fault_pair"), str(STEPS), "2"],
                               options=["--ckptdir", self.images, "--keep", "3"])
        self.job.wait_output("\n5 5 5\n")

    def make_images(self):
        os.mkdir(self.images)
        os.chown(self.images, self.ckpt.uid, self.ckpt.gid)

    def bad(self, line=""):
        """What is wrong from now on; renamed into place, so that it is read whole."""
        with open(self.control + ".new", "w") as f:
            f.write(line)
        os.rename(self.control + ".new", self.control)

    def parts(self):
        return [name for _, _, names in os.walk(self.backing) for name in names
                if name.endswith((".part", ".new"))]

    def runs_on(self):
        self.job.wait_growth(100)
        assert self.job.running(), self.job.story()

    def verify(self, image):
        done = self.ckpt.run("ckpt_inspect", "--verify", image)
        assert done.returncode == 0, done.stderr

    def start_checkpoint(self, *options):
        return subprocess.Popen([self.ckpt.installed.bin("ckpt_command"), "--checkpoint", *options],
                                env=self.ckpt.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **self.ckpt.as_user)

    def restarts(self, image):
        """And what it has printed in all is what it should have."""
        self.job.kill()
        self.job = self.ckpt.restart(image, self.job)
        self.ckpt.wait_known(self.job)
        self.runs_on()
        lines = self.job.output().split("\n")[:-1]
        assert lines == ["%d %d %d" % (n, n, n) for n in range(1, len(lines) + 1)], self.job.story()

    def end(self):
        self.bad()
        if self.job.running():
            self.job.kill()
        # A writer may still be at work.
        wait_for(lambda: subprocess.run(["umount", self.mount], stderr=subprocess.DEVNULL).returncode == 0,
                 "the file system to be free")
        self.server.kill()  # some mount namespace made meanwhile may still have it
        self.server.wait(ckpttest.LIMIT)


@pytest.fixture
def storage(ckpt, programs, badfs):
    s = Storage(ckpt, programs, badfs)
    yield s
    s.end()


def refused(s, err, *parts):
    lines = err.strip().splitlines()
    assert len(lines) == 1 and all(part in lines[0] for part in parts), err
    wait_for(lambda: not s.parts(), lambda: "%s to go" % s.parts())  # one writer may fail before another
    s.runs_on()


ERRORS = [  # operation, errno, calls before
    ("create", "EROFS", 30, 0), ("create", "EDQUOT", 122, 0), ("write", "ENOSPC", 28, 0), ("write", "ENOSPC", 28, 4),
    ("write", "EDQUOT", 122, 2), ("write", "EIO", 5, 3), ("fsync", "EIO", 5, 0), ("fsync", "ENOSPC", 28, 0),
    ("rename", "EIO", 5, 0), ("fsyncdir", "EIO", 5, 0),
]


def test_errors(storage):
    s = storage
    good = s.ckpt.checkpoint()["image"]
    for operation, name, number, calls in ERRORS:
        s.bad("%s %d %d" % (operation, number, calls))
        refused(s, s.ckpt.command("--checkpoint", expect=REFUSED).stderr, s.images, name)
        assert [n for n in os.listdir(s.images) if n.endswith(".00001.ckpt")] == [os.path.basename(good)]
        assert len(os.listdir(s.images)) == 2, os.listdir(s.images)
        s.bad()
        s.verify(good)
    s.restarts(s.images)
    after = s.ckpt.checkpoint()["image"]
    s.verify(after)
    s.restarts(s.images)


def test_short_writes(storage):
    storage.bad("write short 0")
    image = storage.ckpt.checkpoint()["image"]
    storage.verify(image)
    storage.restarts(image)


def test_slow(storage):
    """The program does not notice, and neither does whoever asks how it is."""
    s = storage
    s.bad("write slow %d" % SLOW)
    command = s.start_checkpoint("--json")
    wait_for(s.parts, "the image to be begun")
    s.job.wait_growth(4 * KB)
    status = json.loads(s.ckpt.command("--status", "--json").stdout)
    assert status["jobs"][0]["state"] == "writing", status
    assert command.poll() is None
    out, err = command.communicate(timeout=ckpttest.LIMIT)
    assert command.returncode == 0, err
    image = json.loads(out)["jobs"][0]["image"]
    s.verify(image)
    s.bad()
    s.restarts(image)


@pytest.mark.parametrize("way", ["renamed", "removed", "replaced"])
def test_directory_gone_meanwhile(storage, way):
    s = storage
    elsewhere = os.path.join(s.mount, "elsewhere")
    good = s.ckpt.checkpoint()["image"] if way == "renamed" else None
    s.bad("write slow %d" % SLOW)
    command = s.start_checkpoint()
    wait_for(s.parts, "the image to be begun")
    if way == "removed":
        shutil.rmtree(s.images)
    else:
        os.rename(s.images, elsewhere)
    if way == "replaced":
        s.make_images()
    s.bad()
    _, err = command.communicate(timeout=ckpttest.LIMIT)
    assert command.returncode == REFUSED
    refused(s, err, s.images)
    # The second process's writer may not have opened the file yet. ESTALE: while it was opened the directory went.
    assert err.split()[-1] in (["ENOENT"] if way == "renamed" else ["ESTALE", "ENOENT"]), err
    if way == "renamed":
        s.verify(os.path.join(elsewhere, os.path.basename(good)))
    if way != "replaced":
        s.make_images()
    s.restarts(s.ckpt.checkpoint()["image"])


def test_read_only_disk(ckpt, programs):
    where = ckpt.mkdir("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m,uid=%d" % ckpt.uid, "tmpfs", where], check=True)
    try:
        job = ckpt.launch([os.path.join(programs, "apps", "fault_pair"), str(STEPS), "2"],
                          options=["--ckptdir", where])
        job.wait_output("\n5 5 5\n")
        image = ckpt.checkpoint()["image"]
        time.sleep(0.01)
        wait_for(lambda: subprocess.run(["mount", "-o", "remount,ro", where],
                                        stderr=subprocess.DEVNULL).returncode == 0, "nobody to write there")
        err = ckpt.command("--checkpoint", expect=REFUSED).stderr
        assert len(err.splitlines()) == 1 and where in err and "Read-only file system" in err, err
        job.wait_growth(100)
        job.kill()
        job = ckpt.restart(image, job)  # reading is all it needs
        ckpt.wait_known(job)
        job.wait_growth(100)
        job.kill()
    finally:
        subprocess.run(["umount", "-l", where], check=True)
