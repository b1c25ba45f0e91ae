"""Unix sockets whose other end, or whose name, is outside the job."""

import os
import socket

import pytest

PYTHON = "/usr/bin/python3"

# Sets up, says so, waits for the file "go" and goes on.
WAIT = """
import os, socket, time
%s
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.005)
%s
print("ok")
"""


def start(ckpt, setup, then):
    job = ckpt.launch([PYTHON, "-c", WAIT % (setup, then)])
    job.wait_output("ready")
    return job


def let_go(ckpt):
    open(ckpt.path("go"), "w").close()


def server(ckpt, kind, name="outside"):
    """A socket of ours that the job can reach."""
    s = socket.socket(socket.AF_UNIX, kind)
    path = ckpt.path(name)
    s.bind(path)
    os.chmod(path, 0o777)
    if kind != socket.SOCK_DGRAM:
        s.listen()
    s.settimeout(10)
    return s, path


@pytest.mark.parametrize("kind, want", [
    ("SOCK_STREAM", ["b'before'", "reset", "b''", "closed"]),
    ("SOCK_SEQPACKET", ["reset", "b'before'", "b''", "closed"]),  # it tells errors first
])
def test_a_connection_to_the_outside_comes_back_as_reset(ckpt, kind, want):
    s, path = server(ckpt, getattr(socket, kind))
    job = start(ckpt, "s = socket.socket(socket.AF_UNIX, socket.%s); s.connect(%r)" % (kind, path), """
for i in range(3):
    try:
        print(s.recv(100))
    except ConnectionResetError:
        print("reset")
try:
    s.send(b"x")
except BrokenPipeError:
    print("closed")
""")
    ours = s.accept()[0]
    ours.send(b"before")
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    let_go(ckpt)
    job.wait()
    assert job.output().splitlines() == ["ready", *want, "ok"]
    warnings = ckpt.run("ckpt_inspect", image).stdout
    assert "its peer is outside the job: it comes back as reset" in warnings


def test_datagrams_go_to_the_same_name_again(ckpt):
    s, path = server(ckpt, socket.SOCK_DGRAM)
    job = start(ckpt, "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(%r)" % path,
                "s.send(b'after')")
    image = ckpt.checkpoint()["image"]
    job.kill()
    s.close()
    os.unlink(path)
    s, _ = server(ckpt, socket.SOCK_DGRAM)
    job = ckpt.restart(image, job)
    let_go(ckpt)
    job.wait()
    assert s.recv(100) == b"after"


LISTEN = "s = socket.socket(socket.AF_UNIX); s.bind(%r); s.listen()"


def test_the_path_of_a_live_server_is_left_alone(ckpt):
    path = ckpt.path("name")
    job = start(ckpt, LISTEN % path, "")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.unlink(path)
    s, _ = server(ckpt, socket.SOCK_STREAM, "name")
    inode = os.stat(path).st_ino
    done = ckpt.run("ckpt_restart", image)
    assert done.returncode == 125
    assert "another process has the socket %s now" % path in done.stderr, done.stderr
    assert os.stat(path).st_ino == inode
    s.close()  # its file stays, and is nobody's now
    job = ckpt.restart(image, job)
    let_go(ckpt)
    job.wait()


def test_an_abstract_name_that_is_taken(ckpt):
    name = "\0ckpt-test-%d" % os.getpid()
    job = start(ckpt, LISTEN % name, "")
    image = ckpt.checkpoint()["image"]
    job.kill()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(name)
        done = ckpt.run("ckpt_restart", image)
        assert done.returncode == 125
        assert "another process has the name @%s now" % name[1:] in done.stderr, done.stderr


def test_a_file_that_is_no_socket_is_left_alone(ckpt):
    path = ckpt.path("name")
    job = start(ckpt, LISTEN % path, "")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.unlink(path)
    with open(path, "w") as f:
        f.write("content")
    done = ckpt.run("ckpt_restart", image)
    assert done.returncode == 125 and "%s is no socket now" % path in done.stderr, done.stderr
    with open(path) as f:
        assert f.read() == "content"


def test_directory_that_the_program_removes_at_its_end(ckpt):
    """One for its socket alone, as multiprocessing has: a restart makes it again."""
    job = start(ckpt, """
import tempfile
d = tempfile.TemporaryDirectory()
os.mkdir(d.name + "/below")
path = d.name + "/below/listener"
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen()
print(path, flush=True)
""", """
c = socket.socket(socket.AF_UNIX)
c.connect(path)
c.send(b"through")
assert s.accept()[0].recv(10) == b"through"
d.cleanup()
""")
    path = job.output().split()[0]
    image = ckpt.checkpoint()["image"]
    let_go(ckpt)
    job.wait()
    assert not os.path.exists(os.path.dirname(os.path.dirname(path)))
    again = ckpt.restart(image, job)
    again.wait()
    assert again.output().split()[-1] == "ok"
    assert not os.path.exists(os.path.dirname(os.path.dirname(path)))
