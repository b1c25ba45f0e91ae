"""What can go wrong gets one clear line that names the object, a documented exit status, and loses
nothing: older images stay good, nothing half-written is left, the program runs on."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

from ckpttest import Failure, alive, proc_stat, processes, wait_for

PYTHON = "/usr/bin/python3"
USAGE, NO_JOB, REFUSED, OWN, NO_EXEC, NO_PROGRAM = 2, 3, 4, 125, 126, 127

ROOT = pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True, ids=["root"])
BOTH = pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True,
                               ids=["user", "root"])


def counter(programs, *args):
    return [PYTHON, "-B", os.path.join(programs, "progs", "counter.py"), *map(str, args)]


def expected(lines):
    return "started\n" + "".join("line %d\n" % i for i in range(lines)) + "end\n"


def one_line(text, *parts):
    """text is one line of ours that has all the parts."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("ckpt_"), text
    for part in parts:
        assert part in lines[0], "%r is not in %r" % (part, lines[0])


def launch_fails(ckpt, status, args, *parts):
    done = ckpt.run("ckpt_launch", *args)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == ""
    one_line(done.stderr, *parts)


def restart_fails(ckpt, image, *parts, options=(), **popen):
    """ckpt_restart refuses the image with one line that names it, and starts nothing."""
    done = ckpt.run("ckpt_restart", *options, image, **popen)
    assert done.returncode == OWN, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    one_line(done.stderr, *parts)


def image_of(ckpt, programs, *args, compress=None, env=None):
    """An image of a counter that was killed since."""
    job = ckpt.launch(counter(programs, *(args or (100000,))), compress=compress, env=env)
    job.wait_output("line 5\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    return image, job


def nothing_partial(ckpt, where=None):
    left = [n for n in os.listdir(where or ckpt.images) if n.endswith(".part")]
    assert not left, left


def verify(ckpt, image, status=0):
    done = ckpt.run("ckpt_inspect", "--verify", image)
    assert (done.returncode == 0) == (status == 0), (image, done.stdout, done.stderr)


# --- ckpt_launch ---

@BOTH
def test_program_not_found(ckpt):
    launch_fails(ckpt, NO_PROGRAM, ["--ckptdir", ckpt.images, "no-such-program"], "no-such-program")
    launch_fails(ckpt, NO_PROGRAM, ["--ckptdir", ckpt.images, "/no/such/program", "x"],
                 "/no/such/program", "No such file")


@BOTH
def test_program_not_executable(ckpt):
    path = ckpt.file("plain", "no program", 0o644)
    launch_fails(ckpt, NO_EXEC, ["--ckptdir", ckpt.images, path], path, "Permission denied")
    launch_fails(ckpt, NO_EXEC, ["--ckptdir", ckpt.images, ckpt.work], ckpt.work)


@BOTH
def test_static_program(ckpt, programs):
    source = ckpt.file("static.c", '#include <stdio.h>\nint main(void) { puts("static"); return 9; }\n')
    program = ckpt.path("static")
    if subprocess.run(["gcc", "-static", "-o", program, source], capture_output=True).returncode:
        pytest.skip("no static libc")
    done = ckpt.run("ckpt_launch", "--ckptdir", ckpt.images, program)
    assert (done.returncode, done.stdout) == (9, "static\n"), done.stderr
    one_line(done.stderr, program, "static", "can't be checkpointed")


def test_setuid_program(ckpt):
    program = ckpt.path("setuid")
    shutil.copy("/bin/true", program)
    if os.getuid() != 0:
        pytest.skip("needs root to make one")
    os.chmod(program, 0o4755)
    done = ckpt.run("ckpt_launch", "--ckptdir", ckpt.images, program)
    assert done.returncode == 0
    one_line(done.stderr, program, "setuid", "can't be checkpointed")


@BOTH
def test_launch_options(ckpt):
    for option in (["--compress", "gzip"], ["--keep", "many"], ["--interval", "soon"],
                   ["--compress", "zstd:99"], ["--signal", "9"]):
        launch_fails(ckpt, OWN, [*option, "true"], option[1])
    launch_fails(ckpt, OWN, ["--ckptdir", "/no/such/place", "true"], "/no/such/place")
    plain = ckpt.file("plain")
    launch_fails(ckpt, OWN, ["--ckptdir", plain, "true"], plain)


def test_ckptdir_unwritable(ckpt):
    where = ckpt.mkdir("closed", 0o555)
    launch_fails(ckpt, OWN, ["--ckptdir", where, "true"], where)


# --- ckpt_command ---

@BOTH
def test_no_job(ckpt):
    for args in (["--checkpoint"], ["--checkpoint", "--json"], ["--status"], ["--check"]):
        done = ckpt.command(*args, expect=NO_JOB)
        if "--json" in args:
            assert json.loads(done.stdout)["jobs"] == []
            assert json.loads(done.stdout)["errors"]
        else:
            one_line(done.stderr)
    for args in ([], ["--no-such"], ["--checkpoint", "--list"], ["--interval", "soon"]):
        ckpt.command(*args, expect=USAGE)


@BOTH
def test_several_jobs(ckpt, programs):
    a = ckpt.launch(counter(programs, 100000), options=["--name", "first"])
    b = ckpt.launch(counter(programs, 100000), options=["--name", "second"])
    for job in (a, b):
        job.wait_output("line 5\n")
    done = ckpt.command("--checkpoint", expect=None)
    assert done.returncode in (USAGE, REFUSED)
    one_line(done.stderr, "--job", "first", "second")
    jobs = json.loads(ckpt.command("--list", "--json").stdout)["jobs"]
    names = {j["name"]: j["job"] for j in jobs}
    for choice in (names["second"], str(b.pid), "second"):
        answer = json.loads(ckpt.command("--checkpoint", "--json", "--job", choice).stdout)["jobs"]
        assert [j["job"] for j in answer] == [names["second"]]
    one_line(ckpt.command("--checkpoint", "--job", "third", expect=NO_JOB).stderr, "third")
    a.kill()
    assert json.loads(ckpt.command("--checkpoint", "--json").stdout)["jobs"][0]["job"] == names["second"]


# --- where images go ---

@BOTH
def test_ckptdir_gone(ckpt, programs):
    job = ckpt.launch(counter(programs, 300))
    job.wait_output("line 5\n")
    shutil.rmtree(ckpt.images)
    one_line(ckpt.command("--checkpoint", expect=REFUSED).stderr, ckpt.images)
    job.wait()
    assert job.output() == expected(300)
    os.mkdir(ckpt.images)


@contextlib.contextmanager
def small_disk(ckpt, size):
    where = ckpt.mkdir("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,uid=%d" % (size, ckpt.uid), "tmpfs", where],
                   check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


@BOTH
def test_disk_full(ckpt, programs):
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    with small_disk(ckpt, "30m") as where:
        job = ckpt.launch(counter(programs, 500), options=["--ckptdir", where, "--keep", "3"])
        job.wait_output("line 5\n")
        good = ckpt.checkpoint()["image"]
        job.signal(signal.SIGUSR1)
        job.wait_output("more\n")
        one_line(ckpt.command("--checkpoint", expect=REFUSED).stderr, where, "ENOSPC")
        nothing_partial(ckpt, where)
        verify(ckpt, good)
        job.wait()
        assert job.output().replace("more\n", "") == expected(500)
        job = ckpt.restart(good, job)
        job.wait()
        assert job.output() == expected(500)


def test_file_size_limit(ckpt, programs):
    """A limit on the size of files is the program's, not the image's."""
    job = ckpt.launch(["/bin/sh", "-c", 'ulimit -S -f 100; exec "$@"', "sh", *counter(programs, 300)])
    job.wait_output("line 5\n")
    image = ckpt.checkpoint()["image"]
    verify(ckpt, image)
    job.kill()
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(300)


# --- damaged images ---

@BOTH
def test_image_truncated(ckpt, programs):
    image, _ = image_of(ckpt, programs)
    with open(image, "rb") as f:
        data = f.read()
    bad = ckpt.path("bad.ckpt")
    cuts = {0, 1, 8, 63, 64, 65, len(data) - 1, len(data) - 64, len(data) - 65}
    while len(cuts) < 60:
        cuts.add(ckpt.random.randrange(len(data)))
    for cut in sorted(cuts):
        ckpt.file("bad.ckpt", data[:cut], 0o600)
        restart_fails(ckpt, bad, bad)
    ckpt.file("bad.ckpt", data + b"\0", 0o600)
    restart_fails(ckpt, bad, bad)


@BOTH
@pytest.mark.parametrize("compress", ["zstd", "none"])
def test_image_bit_flipped(ckpt, programs, compress):
    image, _ = image_of(ckpt, programs, compress=compress)
    with open(image, "rb") as f:
        data = bytearray(f.read())
    bad = ckpt.file("bad.ckpt", data, 0o600)
    with open(bad, "r+b") as f:
        for i in range(100):
            # half of them where the tables are
            at = ckpt.random.randrange(len(data) if i % 2 else 4096)
            at = at if i % 4 else len(data) - 1 - at
            f.seek(at)
            f.write(bytes([data[at] ^ 1 << ckpt.random.randrange(8)]))
            f.flush()
            try:
                restart_fails(ckpt, bad, bad)
            except AssertionError as e:
                raise Failure("byte %d of %d: %s" % (at, len(data), e)) from None
            f.seek(at)
            f.write(data[at:at + 1])
            f.flush()
    verify(ckpt, bad)


def checksum(data):
    xxh = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    xxh.restype = ctypes.c_uint64
    return xxh(bytes(data), ctypes.c_size_t(len(data)))


def with_header(data, **fields):
    """The image with fields of its header changed, and the header's checksum right."""
    at = {"magic": (0, "8s"), "version": (8, "I"), "machine": (12, "H"), "page_size": (16, "I")}
    header = bytearray(data[:64])
    for name, value in fields.items():
        struct.pack_into("<" + at[name][1], header, at[name][0], value)
    struct.pack_into("<Q", header, 56, checksum(header[:56]))
    return bytes(header) + data[64:]


@BOTH
def test_image_of_another_kind(ckpt, programs):
    image, _ = image_of(ckpt, programs)
    with open(image, "rb") as f:
        data = f.read()
    assert with_header(data) == data
    for fields, part in (({"version": 1}, "version 1"), ({"version": 4}, "version 4"),
                         ({"machine": 183}, "architecture"), ({"page_size": 65536}, "page"),
                         ({"magic": b"GIFIMG89"}, "not")):
        bad = ckpt.file("bad.ckpt", with_header(data, **fields), 0o600)
        restart_fails(ckpt, bad, bad, part)


@BOTH
def test_not_an_image(ckpt):
    empty = ckpt.mkdir("empty")
    fifo = ckpt.path("fifo")
    os.mkfifo(fifo)
    for path in (ckpt.file("text", "some text\n" * 100), ckpt.file("nothing"), "/dev/null", "/no/such",
                 empty, fifo, "/bin/true"):
        restart_fails(ckpt, path, path)
    assert ckpt.run("ckpt_restart").returncode == OWN
    assert ckpt.run("ckpt_restart", "--no-such", "x").returncode == OWN


@BOTH
def test_image_open_to_others(ckpt, programs):
    image, job = image_of(ckpt, programs, 300)
    for mode in (0o660, 0o602, 0o666):
        os.chmod(image, mode)
        restart_fails(ckpt, image, image, "writable by others")
    os.chmod(image, 0o600)
    if os.getuid() == 0:
        os.chown(image, 1 if ckpt.root else 0, ckpt.gid)
        os.chmod(image, 0o644)
        restart_fails(ckpt, image, image, "another user")
        os.chown(image, ckpt.uid, ckpt.gid)
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(300)


@BOTH
def test_damaged_generation(ckpt, programs):
    """A directory, or the link to a job's newest image, falls back to the image before a damaged one."""
    gate = ckpt.path("gate")
    job = ckpt.launch(counter(programs, 400), options=["--keep", "3"], env={"GATE": gate})
    job.wait_output("line 5\n")
    first = ckpt.checkpoint()["image"]
    job.wait_growth(50)
    second = ckpt.checkpoint()["image"]
    job.kill()
    open(gate, "w").close()
    assert first != second and os.path.exists(first)
    with open(second, "r+b") as f:
        f.seek(os.path.getsize(second) // 2)
        f.write(b"damage")
    links = [os.path.join(ckpt.images, n) for n in os.listdir(ckpt.images)
             if os.path.islink(os.path.join(ckpt.images, n))]
    assert len(links) == 1
    for choice in (ckpt.images, links[0]):
        job = ckpt.restart(choice, job)
        job.wait()
        assert job.output() == expected(400)
        with open(job.restart_out) as f:
            one_line(f.read(), second, "damaged")
    restart_fails(ckpt, second, second)


@ROOT
def test_cpu_feature_missing(ckpt, programs):
    """An image that needs what this CPU does not have is refused by name before anything starts."""
    image, _ = image_of(ckpt, programs, compress="none")
    with open(image, "rb") as f:
        data = bytearray(f.read())
    trailer = len(data) - 64
    footer, _, _, count = struct.unpack_from("<QQQI", data, trailer)
    for n in range(count):
        at = footer + 48 * n
        kind, flags, _, _, offset, stored, _, _ = struct.unpack_from("<IIIIQQQQ", data, at)
        if kind not in (1, 2):
            continue
        if flags & 2:
            pytest.skip("sections are compressed")
        p = offset
        while p < offset + stored:
            rec, _, size = struct.unpack_from("<HHI", data, p)
            if rec == 11:  # REC_CPU: leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx, leaf7_edx, …
                struct.pack_into("<IIIII", data, p + 8, *[0xffffffff] * 5)
            p += 8 + (size + 7) // 8 * 8
        struct.pack_into("<Q", data, at + 40, checksum(data[offset:offset + stored]))
    struct.pack_into("<Q", data, trailer + 8, checksum(data[footer:footer + 48 * count]))
    struct.pack_into("<Q", data, trailer + 56, checksum(data[trailer:trailer + 56]))
    bad = ckpt.file("bad.ckpt", data, 0o600)
    restart_fails(ckpt, bad, "CPU")


# --- files of the program ---

@BOTH
def test_open_file_gone(ckpt, programs):
    """Content that is in the image comes back, but not over another file."""
    path = ckpt.file("held", "content " * 1000)
    image, job = image_of(ckpt, programs, 300, env={"HOLD": path})
    os.rename(path, path + ".away")
    restart_fails(ckpt, image, path, options=["--files=truncate"])
    ckpt.file("held", "content")
    restart_fails(ckpt, image, path)
    os.unlink(path)
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(300)
    assert open(path).read() == "content " * 1000


@BOTH
def test_output_file_shorter(ckpt, programs):
    """A small one comes back, of a large one only the size is known."""
    image, job = image_of(ckpt, programs, 300)
    os.truncate(job.out, 10)
    restart_fails(ckpt, image, job.out, options=["--files=truncate"])
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(300)


@BOTH
def test_working_directory_gone(ckpt, programs):
    where = ckpt.mkdir("doomed")
    job = ckpt.launch(counter(programs, 300), cwd=where)
    job.wait_output("line 5\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.rmdir(where)
    restart_fails(ckpt, image, where)


# --- namespaces ---

def refuse_unshare():
    """In a child: unshare(2) and setns(2) fail with EPERM from here on, as in many containers."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = struct.pack("<HBBI", 0x20, 0, 0, 0)  # number of the call
    code += struct.pack("<HBBI", 0x15, 2, 0, 272)  # unshare
    code += struct.pack("<HBBI", 0x15, 1, 0, 308)  # setns
    code += struct.pack("<HBBI", 0x06, 0, 0, 0x7fff0000)  # allow
    code += struct.pack("<HBBI", 0x06, 0, 0, 0x00050001)  # EPERM
    buffer = ctypes.create_string_buffer(code, len(code))

    class Filter(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
    program = Filter(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@BOTH
def test_namespaces_refused(ckpt, programs):
    image, job = image_of(ckpt, programs, 300)
    restart_fails(ckpt, image, "namespaces", preexec_fn=refuse_unshare)
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(300)


# --- kills at any moment ---

def writers(ckpt, job):
    """Processes that carry our mark and run the job's program, but are not the job."""
    found = []
    for pid, environ in processes():
        if ckpt.mark.encode() in environ and pid != job.outer_pid():
            with contextlib.suppress(OSError):
                if os.readlink("/proc/%d/exe" % pid) == os.readlink("/proc/%d/exe" % job.outer_pid()):
                    found.append(pid)
    return found


@BOTH
def test_writer_killed(ckpt, programs):
    job = ckpt.launch(counter(programs, 100000, 150), options=["--keep", "5"], compress="zstd")
    job.wait_output("line 5\n")
    good = ckpt.checkpoint()["image"]
    killed = 0
    for _ in range(10):
        command = subprocess.Popen([ckpt.installed.bin("ckpt_command"), "--checkpoint"], env=ckpt.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **ckpt.as_user)
        while command.poll() is None and not writers(ckpt, job):
            pass
        time.sleep(ckpt.random.random() * 0.03)
        for pid in writers(ckpt, job):
            with contextlib.suppress(ProcessLookupError):  # it may be done
                os.kill(pid, signal.SIGKILL)
        _, err = command.communicate(timeout=60)
        if command.returncode:
            killed += 1
            assert command.returncode == REFUSED
            one_line(err)
        verify(ckpt, good)
        assert job.running()
        nothing_partial(ckpt)
        job.wait_growth()
    assert killed, "no writer was killed in time"
    image = ckpt.checkpoint()["image"]
    verify(ckpt, image)


@BOTH
def test_coordinator_killed(ckpt, programs):
    gate = ckpt.path("gate")
    job = ckpt.launch(counter(programs, 1000, 20), options=["--keep", "2"], env={"GATE": gate})
    job.wait_output("line 5\n")
    for _ in range(12):
        (coordinator,) = ckpt.coordinators()
        command = subprocess.Popen([ckpt.installed.bin("ckpt_command"), "--checkpoint"], env=ckpt.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **ckpt.as_user)
        time.sleep(ckpt.random.random() * 0.05)
        os.kill(coordinator, signal.SIGKILL)
        _, err = command.communicate(timeout=60)
        assert command.returncode in (0, REFUSED, NO_JOB), err
        if command.returncode:
            one_line(err)
        wait_for(lambda: proc_stat(coordinator) is None or not alive(coordinator), "the kill")
        assert job.running(), job.story()
        image = ckpt.checkpoint()["image"]  # starts another, which finds the job
        verify(ckpt, image)
    nothing_partial(ckpt)
    job.kill()
    open(gate, "w").close()
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == expected(1000)


@BOTH
def test_program_killed_during_checkpoint(ckpt, programs):
    for _ in range(6):
        job = ckpt.launch(counter(programs, 100000, 50))
        job.wait_output("line 5\n")
        command = subprocess.Popen([ckpt.installed.bin("ckpt_command"), "--checkpoint"], env=ckpt.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **ckpt.as_user)
        time.sleep(ckpt.random.random() * 0.05)
        job.kill()
        _, err = command.communicate(timeout=60)
        assert command.returncode in (0, REFUSED, NO_JOB), err
        wait_for(lambda: not [p for p in ckpt.left() if p not in ckpt.coordinators()], "the writer")
        nothing_partial(ckpt)
        for name in os.listdir(ckpt.images):
            path = os.path.join(ckpt.images, name)
            if not os.path.islink(path):
                verify(ckpt, path)
            os.unlink(path)


@BOTH
def test_restart_killed(ckpt, programs):
    """ckpt_restart is killed at any moment: the image stays good, nothing of the program is left."""
    image, job = image_of(ckpt, programs, 100000, 30)
    for _ in range(10):
        new = ckpt.restart(image, job)
        time.sleep(ckpt.random.random() * 0.08)
        new.popen.kill()
        new.popen.wait()
        wait_for(lambda: not [p for p in ckpt.left() if p not in ckpt.coordinators()],
                 lambda: "the capsule to end: %s" % ckpt.left())
    verify(ckpt, image)
    job = ckpt.restart(image, job)
    size = os.path.getsize(job.out)
    job.wait_growth()
    assert os.path.getsize(job.out) > size


# --- a freeze that can't complete ---

@BOTH
def test_thread_that_does_not_stop(ckpt, programs):
    job = ckpt.launch([os.path.join(programs, "apps", "vfork_wait"), "4"], options=["--timeout", "1"])
    job.wait_output("line 3\n")
    done = ckpt.command("--checkpoint", expect=REFUSED)
    assert "vfork" in done.stderr, done.stderr  # the thread's name, and where it waits
    assert not os.listdir(ckpt.images)
    job.wait_output("child 3\n")
    image = ckpt.checkpoint()["image"]
    job.wait()
    assert job.output().count("line ") == 100
    verify(ckpt, image)


@BOTH
def test_stopped_program(ckpt, programs):
    """It is checkpointed all the same, stays stopped, and is stopped after a restart."""
    job = ckpt.launch(counter(programs, 300), options=["--timeout", "1"])
    job.wait_output("line 5\n")
    os.kill(job.pid, signal.SIGSTOP)
    wait_for(lambda: proc_stat(job.pid)[0] == "T", "the stop")
    image = ckpt.checkpoint()["image"]
    wait_for(lambda: proc_stat(job.pid)[0] == "T", "the stop after the checkpoint")
    job.kill()
    job = ckpt.restart(image, job)
    pid = job.wait_program()
    wait_for(lambda: proc_stat(pid)[0] == "T", "the stop after the restart")
    os.kill(pid, signal.SIGCONT)
    job.wait()
    assert job.output() == expected(300)


@BOTH
def test_traced_program(ckpt, programs):
    job = ckpt.launch(counter(programs, 300), options=["--timeout", "1"])
    job.wait_output("line 5\n")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(0x4206, job.pid, 0, 0):  # PTRACE_SEIZE
        pytest.skip("ptrace: " + os.strerror(ctypes.get_errno()))
    stop = threading.Event()
    done = {}

    def command():
        done["it"] = ckpt.command("--checkpoint", expect=None)
        stop.set()
    thread = threading.Thread(target=command)
    thread.start()
    while not stop.is_set():  # a tracer that passes every signal on
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(job.pid, os.WNOHANG | 0x40000000)
            if pid and os.WIFSTOPPED(status):
                libc.ptrace(7, job.pid, 0, os.WSTOPSIG(status))  # PTRACE_CONT
        time.sleep(0.001)
    thread.join()
    assert done["it"].returncode == REFUSED, done["it"]
    assert "trace" in done["it"].stderr, done["it"].stderr
    # The tracer must be the thread that detaches.
    os.kill(job.pid, signal.SIGINT)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pid, status = os.waitpid(job.pid, os.WNOHANG | 0x40000000)
        if pid:
            libc.ptrace(17, job.pid, 0, 0)  # PTRACE_DETACH, the signal dropped
            break
        time.sleep(0.001)
    job.wait()
    assert job.output() == expected(300)


# --- exit statuses and signals of a restarted program ---

@BOTH
def test_exit_status(ckpt, programs):
    image, job = image_of(ckpt, programs, 30, 0, 7)
    job = ckpt.restart(image, job)
    job.wait(7)
    image, job = image_of(ckpt, programs, 100000)
    for sig, status in ((signal.SIGTERM, 143), (signal.SIGKILL, 137), (signal.SIGABRT, 134)):
        job = ckpt.restart(image, job)
        job.wait_growth()
        job.signal(sig)
        job.wait(status)
    job = ckpt.restart(image, job)
    job.wait_growth()
    job.popen.send_signal(signal.SIGTERM)  # to ckpt_restart, which passes it on
    job.wait(143)


@BOTH
def test_many_restarts_at_once(ckpt, programs):
    image, job = image_of(ckpt, programs, 200, 5, 3)
    new = [ckpt.restart(image, job) for _ in range(5)]
    for job in new:
        job.wait(3)


@ROOT
def test_no_capsule(ckpt, programs):
    image, job = image_of(ckpt, programs, 200)
    job = ckpt.restart(image, job, options=["--no-capsule"])
    job.wait()
    assert job.output() == expected(200)


def test_no_capsule_for_user(ckpt, programs):
    image, _ = image_of(ckpt, programs, 200)
    restart_fails(ckpt, image, "root", options=["--no-capsule"])


