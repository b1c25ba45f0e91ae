"""Descriptors that reach outside: standard streams, files that change, what is refused.

What stays inside one process is tested by the programs fd_*.c.
"""

import fcntl
import os
import socket
import subprocess

import pytest

from ckpttest import wait_for

PYTHON = "/usr/bin/python3"

# A program: sets up, says "ready", waits until the file "go" is there, goes on.
WAIT = """
import os, sys, time
%s
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.005)
%s
print("ok", flush=True)
"""


def start(ckpt, setup, verify="", **launch):
    job = ckpt.launch([PYTHON, "-c", WAIT % (setup, verify)], **launch)
    job.wait_output("ready\n")
    return job


def let_go(ckpt):
    ckpt.file("go")


# ---- files that are not what they were -----------------------------------------------------------

CHANGES = {
    # name: how the program opens it, what becomes of it, what the message says
    "gone": ("open('f')", lambda p: os.unlink(p), "is gone"),
    "gone-log": ("open('f', 'a')", lambda p: os.unlink(p), "is gone"),
    "changed": ("open('f')", lambda p: open(p, "a").write("x"), "has changed since the checkpoint"),
    "touched": ("open('f')", lambda p: os.utime(p, (1, 1)), "has changed since the checkpoint"),
    "shorter": ("open('f', 'a')", lambda p: os.truncate(p, 2), "has 2 bytes, it had 70000"),
    "replaced": ("open('f')", lambda p: replace(p, "something else"), "is another file now"),
    "replaced-log": ("open('f', 'a')", lambda p: replace(p, "something"), "is another file now"),
    "directory": ("open('f')", lambda p: (os.unlink(p), os.mkdir(p)), "f"),
}


def replace(path, content):
    owner = os.stat(path)
    with open(path + ".new", "w") as f:
        f.write(content)
    os.chown(path + ".new", owner.st_uid, owner.st_gid)
    os.rename(path + ".new", path)


@pytest.mark.parametrize("change", CHANGES)
def test_file_that_is_not_what_it_was_is_named(ckpt, change):
    how, what, message = CHANGES[change]
    path = ckpt.file("f", "1234567\n" * 8750)  # too large a log to be saved with its content
    job = start(ckpt, "f = " + how)
    image = ckpt.checkpoint()["image"]
    job.kill()
    what(path)
    done = ckpt.run("ckpt_restart", image)
    assert done.returncode == 125
    assert "fd 3 (%s): " % path in done.stderr and message in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("change", ["changed", "shorter", "replaced", "replaced-log"])
def test_force_goes_on_with_a_file_that_has_changed(ckpt, change):
    how, what, message = CHANGES[change]
    path = ckpt.file("f", "1234567\n" * 8750)  # too large a log to be saved with its content
    job = start(ckpt, "f = " + how)
    image = ckpt.checkpoint()["image"]
    job.kill()
    what(path)
    let_go(ckpt)
    job = ckpt.restart(image, job, options=["--files=force"])
    job.wait()
    assert job.output() == "ready\nok\n"
    assert message in open(job.restart_out).read()


def test_a_copy_is_the_same_file(ckpt):
    path = ckpt.file("f", "first line\n")
    job = start(ckpt, "f = open('f'); f.read(6)", "assert f.read() == 'line\\n'")
    image = ckpt.checkpoint()["image"]
    job.kill()
    subprocess.run(["cp", "-p", path, path + ".copy"], check=True)
    os.rename(path + ".copy", path)
    let_go(ckpt)
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == "ready\nok\n"


def test_nothing_is_touched_when_a_restart_fails(ckpt):
    log = ckpt.file("log", "1\n")
    ckpt.file("data", "x")
    job = start(ckpt, "a = open('log', 'a'); b = open('data')")
    image = ckpt.checkpoint()["image"]
    job.kill()
    open(log, "a").write("2\n")
    os.unlink(ckpt.path("data"))
    assert ckpt.run("ckpt_restart", image).returncode == 125
    assert open(log).read() == "1\n2\n"


def test_a_log_is_not_doubled(ckpt):
    job = start(ckpt, "log = open('log', 'w'); log.write('before\\n'); log.flush()",
                "log.write('after\\n'); log.close()")
    image = ckpt.checkpoint()["image"]
    let_go(ckpt)
    job.wait()
    assert open(ckpt.path("log")).read() == "before\nafter\n"
    job = ckpt.restart(image, job)
    job.wait()
    assert open(ckpt.path("log")).read() == "before\nafter\n"
    assert job.output() == "ready\nok\n"


def test_a_file_written_in_place_is_put_back(ckpt):
    job = start(ckpt, """
f = open('f', 'w+b', buffering=0)
f.write(bytes(100000)); f.seek(10); f.write(b'before')
""", """
f.write(b'after'); f.seek(0)
content = f.read()
assert len(content) == 100000 and content[10:21] == b'beforeafter', content[:30]
assert not any(content[21:]), 'torn'
""")
    image = ckpt.checkpoint()["image"]
    job.kill()
    with open(ckpt.path("f"), "r+b") as f:
        f.write(b"torn" * 30000)
    let_go(ckpt)
    job = ckpt.restart(image, job)
    job.wait()


def test_a_lock_that_someone_has_is_an_error(ckpt):
    path = ckpt.file("f", "x")
    for take in ("fcntl.flock(f, fcntl.LOCK_EX)", "fcntl.lockf(f, fcntl.LOCK_EX)"):
        job = start(ckpt, "import fcntl; f = open('f', 'r+'); " + take)
        image = ckpt.checkpoint()["image"]
        job.kill()
        other = subprocess.Popen([PYTHON, "-c",
                                  "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); "
                                  + take + "; print(1, flush=True); time.sleep(60)", path],
                                 stdout=subprocess.PIPE)
        other.stdout.readline()
        try:
            done = ckpt.run("ckpt_restart", image)
            assert done.returncode == 125
            assert "fd 3 (%s): " % path in done.stderr and "holds the lock" in done.stderr
        finally:
            other.kill()
            other.wait()


# ---- standard streams ----------------------------------------------------------------------------

ECHO = [PYTHON, "-c", """
import sys
for line in sys.stdin:
    print("got", line, end="", flush=True)
    print("noted", line, end="", file=sys.stderr, flush=True)
print("end", flush=True)
"""]


def test_pipes_from_outside_become_those_of_ckpt_restart(ckpt):
    def popen(argv):
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=ckpt.env(), cwd=ckpt.work, text=True,
                                **ckpt.as_user)
    p = popen([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, *ECHO])
    p.stdin.write("one\n")
    p.stdin.flush()
    assert p.stdout.readline() == "got one\n"
    assert p.stderr.readline() == "noted one\n"
    image = ckpt.checkpoint()["image"]
    p.kill()
    p.communicate()
    out, err = popen([ckpt.installed.bin("ckpt_restart"), image]).communicate("two\n", timeout=30)
    assert out == "got two\nend\n"
    assert err == "noted two\n"


def test_standard_streams_of_another_kind(ckpt):
    """A pipe before, a file and /dev/null after."""
    p = subprocess.Popen([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, *ECHO],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env=ckpt.env(), cwd=ckpt.work, text=True, **ckpt.as_user)
    p.stdin.write("one\n")
    p.stdin.flush()
    assert p.stdout.readline() == "got one\n"
    image = ckpt.checkpoint()["image"]
    p.kill()
    p.communicate()
    done = ckpt.run("ckpt_restart", image)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_a_copy_of_a_stream_from_outside_follows_it(ckpt):
    p = subprocess.Popen([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, PYTHON, "-c",
                          WAIT % ("copy = os.dup(1)", "os.write(copy, b'by the copy\\n')")],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ckpt.env(),
                         cwd=ckpt.work, text=True, **ckpt.as_user)
    assert p.stdout.readline() == "ready\n"
    image = ckpt.checkpoint()["image"]
    p.kill()
    p.communicate()
    let_go(ckpt)
    done = ckpt.run("ckpt_restart", image)
    assert (done.returncode, done.stdout) == (0, "by the copy\nok\n"), done.stderr


EPOLL = [PYTHON, "-c", """
import os, select, sys
ep = select.epoll()
ep.register(0, select.EPOLLIN)
os.set_blocking(0, False)
print("ready", flush=True)
assert ep.poll(20)[0][0] == 0
assert not os.get_blocking(0)
print(sys.stdin.readline(), end="", flush=True)
"""]


def test_epoll_of_a_stream_from_outside(ckpt):
    p = subprocess.Popen([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, *EPOLL],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ckpt.env(),
                         cwd=ckpt.work, text=True, **ckpt.as_user)
    assert p.stdout.readline() == "ready\n"
    image = ckpt.checkpoint()["image"]
    p.kill()
    p.communicate()
    p = subprocess.Popen([ckpt.installed.bin("ckpt_restart"), image], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=ckpt.env(), cwd=ckpt.work, text=True,
                         **ckpt.as_user)
    assert p.communicate("typed\n", timeout=30)[0] == "typed\n"
    assert p.returncode == 0


def test_shared_memory_is_there_after_a_reboot(ckpt):
    path = "/dev/shm/" + ckpt.mark
    job = start(ckpt, "f = open(%r, 'w+b'); f.write(b'shared'); f.flush(); f.seek(1)" % path,
                "assert f.read() == b'hared'")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.unlink(path)
    let_go(ckpt)
    job = ckpt.restart(image, job)
    try:
        job.wait()
        assert open(path).read() == "shared"
    finally:
        os.unlink(path)


def test_syslog(ckpt):
    """A datagram socket connected to a name is connected to it again."""
    path = ckpt.path("log")

    def listen():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(path)
        os.chmod(path, 0o666)
        return s
    with listen():
        job = start(ckpt, "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
                    "s.connect('log'); s.send(b'one')", "s.send(b'two')")
        image = ckpt.checkpoint()["image"]
        job.kill()
    os.unlink(path)
    with listen() as s:
        let_go(ckpt)
        ckpt.restart(image, job).wait()
        assert s.recv(100) == b"two"


def test_closed_standard_streams_stay_closed(ckpt):
    job = start(ckpt, "os.close(0); os.close(2)", """
for fd in 0, 2:
    try:
        os.fstat(fd)
        sys.exit('fd %d is open' % fd)
    except OSError:
        pass
""")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    ckpt.restart(image, job).wait()


def test_descriptors_of_the_caller_do_not_leak(ckpt):
    job = start(ckpt, "", "assert sorted(map(int, os.listdir('/proc/self/fd'))) == [0, 1, 2, 3]")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    r, w = os.pipe()
    os.set_inheritable(w, True)
    ckpt.restart(image, job, close_fds=False).wait()
    os.close(r)
    os.close(w)


def test_checkpoint_leaves_no_descriptor(ckpt):
    job = start(ckpt, "", "assert sorted(map(int, os.listdir('/proc/self/fd'))) == [0, 1, 2, 3]")
    ckpt.checkpoint()
    ckpt.checkpoint()
    let_go(ckpt)
    job.wait()


# ---- what can't be restored is refused by name, and the program runs on --------------------------

SYSCALL = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); fd = libc.syscall(%s); " \
          "fd >= 0 or (print('skip', flush=True), sys.exit(77))"

REFUSED = {
    "io_uring": (SYSCALL % "425, 4, ctypes.byref((ctypes.c_uint32 * 30)())",
                 "(anon_inode:[io_uring]): io_uring can't be restored"),
    "userfaultfd": (SYSCALL % "323, 1", "userfaultfd can't be restored"),
    "perf": (SYSCALL % "298, ctypes.byref((ctypes.c_uint32 * 32)(1, 128)), 0, -1, -1, 0",
             "a performance counter can't be restored"),
    "namespace": ("f = open('/proc/self/ns/net')", "a namespace can't be restored"),
    "pidfd": ("fd = os.pidfd_open(os.getppid())", "process %d is outside the job" % os.getpid()),
    "proc": ("f = open('/proc/%d/stat' % os.getppid())",
             "process %d is outside the job" % os.getpid()),
    "in-flight": ("import socket; a, b = socket.socketpair(); f = open('/proc/self/ns/net'); "
                  "socket.send_fds(a, [b'x'], [f.fileno()]); f.close()",
                  "a descriptor in flight (net:["),
    "device": ("f = open('/dev/kmsg')", "(/dev/kmsg): a device can't be restored"),
}


NEEDS_ROOT = {"device", "perf", "io_uring"}


@pytest.mark.parametrize("ckpt, what", [({"root": w in NEEDS_ROOT}, w) for w in REFUSED],
                         ids=list(REFUSED), indirect=["ckpt"])
def test_refused_by_name(ckpt, what):
    setup, message = REFUSED[what]
    job = ckpt.launch([PYTHON, "-c", WAIT % (setup, "")])
    wait_for(lambda: not job.running() or job.output(), lambda: job.story())
    if job.output().startswith("skip"):
        pytest.skip("this kernel has none")
    done = ckpt.command("--checkpoint", expect=4)
    assert "fd 3" in done.stderr or what == "in-flight", done.stderr
    assert message in done.stderr, done.stderr
    assert not os.listdir(ckpt.images)
    let_go(ckpt)
    job.wait()
    assert job.output() == "ready\nok\n"


def test_refused_pipe_to_the_outside(ckpt):
    r, w = os.pipe()
    job = start(ckpt, "", pass_fds=[w])
    done = ckpt.command("--checkpoint", expect=4)
    assert "fd %d (pipe:[" % w in done.stderr, done.stderr
    assert "its other end is outside the job" in done.stderr
    os.close(r)
    os.close(w)
    ckpt.checkpoint()  # now it has no other end
    let_go(ckpt)
    job.wait()


def test_what_the_user_says_is_left_out(ckpt):
    """--ignore: what would be refused is /dev/null after a restart; what can be restored is not left out."""
    job = start(ckpt, "ns = open('/proc/self/ns/net'); null = open('/dev/null')",
                "print([os.readlink('/proc/self/fd/%d' % f.fileno()) for f in (ns, null)])",
                options=["--ignore", "sock*,net:[*,/dev/n?ll"])
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    let_go(ckpt)
    job.wait()
    assert job.output() == "ready\n['/dev/null', '/dev/null']\nok\n"
    assert job.errors().count("was left out (--ignore)") == 1, job.errors()


def test_checkpoint_keeps_locks(ckpt):
    """Closing any descriptor of a file loses fcntl's locks: the checkpoint must not."""
    path = ckpt.file("f", "0123456789")
    start(ckpt, "import fcntl; f = open('f', 'r+'); fcntl.lockf(f, fcntl.LOCK_EX)")
    ckpt.checkpoint()
    with open(path, "r+") as f, pytest.raises(BlockingIOError):
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_terminal_is_gone(ckpt):
    """Started on a terminal, restarted without one."""
    job = ckpt.launch([PYTHON, "-c", WAIT % ("tty = open('/dev/tty', 'r+b', buffering=0)",
                                             "assert tty.read(1) == b''")], tty=True)
    job.wait_output("ready")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    done = ckpt.run("ckpt_restart", image, start_new_session=True)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    assert done.stderr.splitlines() == [
        "ckpt_restart: fd 3 (/dev/tty): there is no terminal; it becomes /dev/null"]


def test_output_that_only_the_shell_could_open(ckpt):
    """Its file is another user's, and was passed to the program: it becomes ckpt_restart's own."""
    if os.getuid():
        pytest.skip("needs another user's file")
    job = start(ckpt, "")
    for path in (job.out, job.err):
        os.chown(path, 0, 0)
        os.chmod(path, 0o600)
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    let_go(ckpt)
    job.wait()
    with open(job.restart_out) as f:
        assert f.read() == "ok\n"
