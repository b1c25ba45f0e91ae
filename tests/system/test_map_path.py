"""ckpt_restart --map-path: a job whose directory was renamed or copied goes on there."""

import os
import shutil

import pytest

from ckpttest import alive, wait_for
from test_descriptors import PYTHON, WAIT, let_go

BOTH = pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])

# Everything in an image that has a path.
EVERYTHING = ("""
import ctypes, fcntl, mmap, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
log = open("log", "a"); log.write("before\\n"); log.flush()
data = open("data", "w+b"); data.write(b"0123456789" * 1000); data.flush(); data.seek(3)
source = open("input")
mapped = open("mapped", "r+b")
shared = mmap.mmap(mapped.fileno(), 0); shared[:6] = b"before"
mapped.close()
read_only = mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ)
gone = open("gone", "w+"); gone.write("no name"); gone.flush(); os.unlink("gone")
os.mkfifo("fifo"); fifo = os.open("fifo", os.O_RDWR); os.write(fifo, b"piped")
server = socket.socket(socket.AF_UNIX); server.bind(os.path.abspath("sock")); server.listen()
relative = socket.socket(socket.AF_UNIX); relative.bind("relative"); relative.listen()
client = socket.socket(socket.AF_UNIX); client.connect(os.path.abspath("sock")); accepted, _ = server.accept()
watch = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(watch, os.path.abspath("watched").encode(), 0x100)  # IN_CREATE
directory = os.open(".", os.O_RDONLY)
""", """
here = os.getcwd()
log.write("after\\n"); log.flush()
assert data.read(4) == b"3456"
data.seek(0); assert data.read() == b"0123456789" * 1000
assert source.read() == "input\\n" and read_only[:5] == b"input"
assert shared[:6] == b"before"
shared[:5] = b"after"; shared.flush()
gone.seek(0); assert gone.read() == "no name"
assert os.read(fifo, 9) == b"piped"
client.sendall(b"x"); assert accepted.recv(1) == b"x"
for name, listener in ((here + "/sock", server), ("relative", relative)):
    again = socket.socket(socket.AF_UNIX); again.connect(name); other, _ = listener.accept()
assert server.getsockname() == here + "/sock", server.getsockname()
open("watched/new%d" % os.getpid(), "w").close()
assert len(os.read(watch, 4096)) > 16
for fd in (log, data, source, directory, fifo):
    fd = fd if isinstance(fd, int) else fd.fileno()
    assert os.readlink("/proc/self/fd/%d" % fd).startswith(here), fd
print(here)
print(os.environ["CKPT_DIR"], open("/proc/self/environ").read().split("CKPT_DIR=")[1].split("\\0")[0])
print(os.popen("echo $CKPT_DIR").read().strip())
os.unlink("sock"); os.unlink("relative")
""")


def job_in(ckpt, name):
    """A job with its images and all its files below a directory."""
    where = ckpt.mkdir(name)
    os.chmod(where, 0o755)
    for sub in ("", "/watched", "/images"):
        if sub:
            os.mkdir(where + sub)
        os.chown(where + sub, ckpt.uid, ckpt.gid)
    for file, content in (("input", "input\n"), ("mapped", "x" * 5000)):
        with open(where + "/" + file, "w") as f:
            f.write(content)
        os.chown(where + "/" + file, ckpt.uid, ckpt.gid)
    job = ckpt.launch([PYTHON, "-c", WAIT % EVERYTHING], cwd=where, options=["--ckptdir", where + "/images"])
    job.wait_output("ready\n")
    return where, job


def copied(old, new):
    shutil.copytree(old, new, symlinks=True, ignore=lambda d, names: [n for n in names if n in (
        "fifo", "sock", "relative")])
    for top, dirs, files in os.walk(old):
        for name in ["."] + files:
            path = os.path.join(top, name)
            to = os.path.join(new, os.path.relpath(path, old))
            if os.path.exists(to):
                st = os.stat(path)
                os.chown(to, st.st_uid, st.st_gid)
    os.unlink(old + "/sock"), os.unlink(old + "/relative")
    os.mkfifo(new + "/fifo")
    st = os.stat(old)
    os.chown(new + "/fifo", st.st_uid, st.st_gid)


@BOTH
@pytest.mark.parametrize("how", [os.rename, copied])
def test_a_moved_job_goes_on(ckpt, how):
    """Twice in a chain, with a checkpoint in each place, which goes there."""
    old, job = job_in(ckpt, "one")
    for name in ("a much longer name than before", "3"):
        image = ckpt.checkpoint()["image"]
        assert os.path.dirname(image) == old + "/images"
        with open(old + "/log", "a") as f:
            f.write("lost\n")
        job.kill()
        new = os.path.join(ckpt.dir, name)
        how(old, new)
        job = ckpt.restart(image.replace(old, new), job, ["--map-path", old + "=" + new], cwd=new)
        ckpt.wait_known(job)
        old = new
    image = ckpt.checkpoint()["image"]
    assert os.path.dirname(image) == new + "/images"
    open(new + "/go", "w").close()
    job.wait()
    lines = job.output().splitlines()
    assert lines[0] == "ready" and lines[1] == new and lines[-1] == "ok"
    assert lines[2].endswith(" " + new + "/images") and lines[3] == new + "/images", lines
    assert open(new + "/log").read() == "before\nafter\n"
    assert open(new + "/mapped").read(6) == "aftere"
    assert open(job.restart_out).read() == ""


def test_every_checkpoint_after_a_move_goes_to_the_new_place(ckpt):
    """Whichever coordinator is asked: the one that saw the restart, or one that finds the job in /proc."""
    old, job = job_in(ckpt, "place-0")
    image = ckpt.checkpoint()["image"]
    for i in range(1, 21):
        job.kill()
        new = os.path.join(ckpt.dir, "place-%d" % i)
        os.rename(old, new)
        job = ckpt.restart(image.replace(old, new), job, ["--map-path", old + "=" + new], cwd=new)
        ckpt.wait_known(job)
        for again in range(2):
            if again:
                for pid in ckpt.coordinators():
                    os.kill(pid, 9)
                    wait_for(lambda: not alive(pid), "the end of the coordinator")
            image = ckpt.checkpoint()["image"]
            assert os.path.dirname(image) == new + "/images", (i, again)
        old = new
    open(old + "/go", "w").close()
    job.wait()


def test_the_longest_path_holds_by_whole_names(ckpt):
    ckpt.mkdir("a"), ckpt.mkdir("a/b"), ckpt.mkdir("ab"), ckpt.mkdir("x"), ckpt.mkdir("y")
    for place in ("a", "a/b", "ab"):
        with open(ckpt.dir + "/" + place + "/f", "w") as f:
            f.write("old " + place)
    job = ckpt.launch([PYTHON, "-c", WAIT % (
        "f = [open(p + '/f') for p in (%r, %r, %r)]" % tuple(ckpt.dir + "/" + p for p in ("a", "a/b", "ab")),
        "print([os.readlink('/proc/self/fd/%d' % x.fileno()) for x in f])")])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.rename(ckpt.dir + "/a/b/f", ckpt.dir + "/y/f")
    os.rename(ckpt.dir + "/a/f", ckpt.dir + "/x/f")
    let_go(ckpt)
    job = ckpt.restart(image, job, ["--map-path", ckpt.dir + "/a/=" + ckpt.dir + "/x",
                                    "--map-path=%s/a/b=%s/y/" % (ckpt.dir, ckpt.dir)])
    job.wait()
    assert job.output().splitlines()[1] == str([ckpt.dir + p for p in ("/x/f", "/y/f", "/ab/f")])


@pytest.mark.parametrize("value", ["/a", "a=/tmp", "/=/tmp", "/a=tmp", "/a=/nowhere/at/all", "=", "/a=/"])
def test_a_wrong_move_is_told(ckpt, value):
    done = ckpt.run("ckpt_restart", "--map-path", value, "/dev/null")
    assert done.returncode == 125 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("ckpt_restart: --map-path " + value + ": "), done.stderr


def test_an_executable_that_was_moved(ckpt, programs):
    """Its text is in the image; /proc/self/exe leads to where it is now."""
    old, new = ckpt.mkdir("old"), ckpt.dir + "/new"
    for name in ("counter.py", "common.py"):
        shutil.copy(os.path.join(programs, "progs", name), old)
    shutil.copy(os.path.realpath(PYTHON), old + "/python")
    job = ckpt.launch([old + "/python", old + "/counter.py", "200"], cwd=old)
    job.wait_output("line 5\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.rename(old, new)
    job = ckpt.restart(image, job, ["--map-path", old + "=" + new], cwd=new)
    ckpt.wait_known(job)
    assert os.readlink("/proc/%d/exe" % job.wait_program()) == new + "/python"
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    job.wait()
    assert "line 199\n" in job.output() and job.output().count("line 7\n") == 1
