"""ckpt_restart towards the one who starts it: which image, exit status, signals, several at a time."""

import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

import ckpttest

USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]

# Its output goes to whoever starts it: a pipe.
COUNTER = """
import os, sys, time
end = int(sys.argv[1])
for n in range(end):
    print(n, os.getpid(), os.getppid(), flush=True)
    time.sleep(0.01)
print("end", flush=True)
sys.exit(int(sys.argv[2]))
"""


class Piped:
    """A program of ours with its standard output in a pipe."""

    def __init__(self, ckpt, name, *args):
        self.p = subprocess.Popen([ckpt.installed.bin(name), *args], env=ckpt.env(), cwd=ckpt.work,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, **ckpt.as_user)
        self.lines = []

    def read(self, n):
        for _ in range(n):
            self.lines.append(self.p.stdout.readline().rstrip("\n"))
        return self.lines[-1]

    def finish(self):
        rest, err = self.p.communicate(timeout=ckpttest.LIMIT)
        self.lines += rest.splitlines()
        return self.p.returncode, err


def start(ckpt, end=60, status=0, *options):
    ckpt.file("counter.py", COUNTER)
    job = Piped(ckpt, "ckpt_launch", "--ckptdir", ckpt.images, "--name", "counter", *options,
                "/usr/bin/python3", "counter.py", str(end), str(status))
    job.read(3)
    return job


def checkpoint(ckpt, *args):
    jobs = json.loads(ckpt.command("--checkpoint", "--json", *args).stdout)["jobs"]
    assert len(jobs) == 1
    return jobs[0]["image"]


def killed(ckpt, job):
    """An image of the job, which is dead then."""
    image = checkpoint(ckpt)
    job.p.kill()
    job.finish()
    return image


def ends_right(job, end, status=0):
    code, err = job.finish()
    assert (code, err) == (status, ""), (code, err, job.lines)
    numbers = [int(line.split()[0]) for line in job.lines[:-1]]
    assert job.lines[-1] == "end"
    assert numbers == list(range(numbers[0], end))
    return job.lines[0].split()[1:]


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_exit_status_and_ids(ckpt):
    job = start(ckpt, 60, 7)
    ids = job.lines[0].split()[1:]
    image = killed(ckpt, job)
    assert ends_right(Piped(ckpt, "ckpt_restart", image), 60, 7) == ids


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_is_passed_on(ckpt, sig):
    job = start(ckpt, 100000)
    again = Piped(ckpt, "ckpt_restart", killed(ckpt, job))
    again.read(2)
    again.p.send_signal(sig)
    code, err = again.finish()
    if sig == signal.SIGINT:
        assert "KeyboardInterrupt" in err
    assert code == 128 + sig


def test_kill_of_ckpt_restart_ends_the_program(ckpt):
    again = Piped(ckpt, "ckpt_restart", killed(ckpt, start(ckpt, 100000)))
    again.read(2)
    again.p.kill()
    again.finish()
    ckpttest.wait_for(lambda: ckpt.command("--list", expect=None).returncode == 3, "no job")


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_several_of_one_image_at_a_time(ckpt):
    image = killed(ckpt, start(ckpt, 100))
    runs = [Piped(ckpt, "ckpt_restart", image) for _ in range(4)]
    ids = [ends_right(r, 100) for r in runs]
    assert all(i == ids[0] for i in ids)


def test_several_are_jobs_of_their_own(ckpt):
    """Each has an id of its own, and its checkpoints do not disturb the other's."""
    image = killed(ckpt, start(ckpt, 100000))
    runs = [Piped(ckpt, "ckpt_restart", image) for _ in range(2)]
    for r in runs:
        r.read(3)
    listed = ckpttest.wait_for(
        lambda: (lambda j: j if len(j) == 2 else None)(
            json.loads(ckpt.command("--list", "--json").stdout)["jobs"]), "both jobs")
    images = {checkpoint(ckpt, "--job", j["job"]) for j in listed}
    assert len(images) == 2
    for i in images:
        assert ckpt.run("ckpt_inspect", "--verify", i).returncode == 0
    for r in runs:
        r.p.kill()
        r.finish()


def generations(ckpt, n):
    job = start(ckpt, 300, 0, "--keep", "0")
    images = []
    for _ in range(n):
        images.append(checkpoint(ckpt))
        job.read(3)
    job.p.kill()
    job.finish()
    return images


def flip(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x10]))


POPEN = """
import os, sys
n = 0
while True:
    n += 1
    print(n, os.popen("echo child").read().strip(), flush=True)
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_restarted_at_once_it_is_the_same_job(ckpt):
    """Children of the new one may be known before it is, and be found when those of the old one are looked for."""
    job = ckpt.launch(["/usr/bin/python3", "-c", POPEN])
    job.wait_growth(20)
    result = ckpt.checkpoint()
    coordinators = ckpt.coordinators()
    for _ in range(15):
        job.kill()
        job = ckpt.restart(result["image"], job)
        for _ in range(5):
            job.wait_growth(8)
            listed = json.loads(ckpt.command("--list", "--json").stdout)["jobs"]
            assert [j["job"] for j in listed] == [result["job"]], listed
    assert ckpt.coordinators() == coordinators


@pytest.mark.parametrize("way", ["directory", "link"])
def test_newest_complete_generation(ckpt, way):
    images = generations(ckpt, 3)
    stem = images[0].rpartition(".00001")[0]
    place = ckpt.images if way == "directory" else stem + ".ckpt"
    assert os.path.realpath(stem + ".ckpt") == images[2]
    whole = Piped(ckpt, "ckpt_restart", place)
    ends_right(whole, 300)
    flip(images[2])
    os.truncate(images[1], os.path.getsize(images[1]) - 1)
    again = Piped(ckpt, "ckpt_restart", place)
    code, err = again.finish()
    assert code == 0
    assert again.lines[-1] == "end"
    assert int(again.lines[0].split()[0]) < int(whole.lines[0].split()[0])
    lines = err.splitlines()
    assert len(lines) == 2 and images[2] in lines[0] and images[1] in lines[1], err
    os.unlink(images[0])
    code, err = Piped(ckpt, "ckpt_restart", place).finish()
    assert code == 125 and "no usable image" in err


def test_newest_is_that_with_the_highest_number(ckpt):
    """A copy, or a clock that was set back, gives files other times."""
    images = generations(ckpt, 3)
    for age, image in enumerate(images):
        os.utime(image, (time.time() - age * 86400,) * 2)
    whole = Piped(ckpt, "ckpt_restart", images[2])
    again = Piped(ckpt, "ckpt_restart", ckpt.images)
    ends_right(whole, 300)
    ends_right(again, 300)
    assert whole.lines == again.lines


def test_of_several_jobs_the_one_that_was_saved_last(ckpt):
    """And no other, when its images are damaged."""
    first, second = generations(ckpt, 2), generations(ckpt, 1)
    for image in second:
        os.utime(image, (1, 1))
    whole = Piped(ckpt, "ckpt_restart", second[0])
    again = Piped(ckpt, "ckpt_restart", ckpt.images)
    ends_right(whole, 300)
    ends_right(again, 300)
    assert whole.lines == again.lines
    flip(second[0])
    code, err = Piped(ckpt, "ckpt_restart", ckpt.images).finish()
    assert code == 125 and "no usable image" in err and not any(i in err for i in first), err


def test_only_so_many_generations_are_kept(ckpt):
    job = start(ckpt, 100000, 0, "--keep", "2")
    for n in range(1, 5):
        checkpoint(ckpt)
        kept = ["%05d" % g for g in range(max(1, n - 1), n + 1)]
        # An old one goes when the new one is durable and the answer is given.
        ckpttest.wait_for(lambda: [f.split(".")[1] for f in sorted(os.listdir(ckpt.images))
                                   if not os.path.islink(os.path.join(ckpt.images, f))] == kept,
                          lambda: "only %s of %s" % (kept, os.listdir(ckpt.images)))
    job.p.kill()
    job.finish()


@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True)
def test_in_place(ckpt):
    """--no-capsule: the pid is taken in the caller's own namespace."""
    job = start(ckpt, 60)
    pid = job.lines[0].split()[1]
    again = Piped(ckpt, "ckpt_restart", "--no-capsule", killed(ckpt, job))
    assert again.read(1).split()[1] == pid
    with open("/proc/%s/cmdline" % pid) as f:
        assert "counter.py" in f.read()
    ends_right(again, 60)


@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True)
def test_in_place_with_the_pid_taken(ckpt):
    job = start(ckpt, 100000)
    image = checkpoint(ckpt)
    code, err = Piped(ckpt, "ckpt_restart", "--no-capsule", image).finish()
    assert code == 125 and job.lines[0].split()[1] in err, err
    job.read(2)
    job.p.kill()
    job.finish()


def test_in_place_is_for_root(ckpt):
    image = killed(ckpt, start(ckpt, 100000))
    code, err = Piped(ckpt, "ckpt_restart", "--no-capsule", image).finish()
    assert code == 125 and "root" in err


def test_image_survives_its_library(ckpt, tmp_path):
    """What was mapped is in the image: a restart needs neither the interpreter nor libraries on disk."""
    prefix = ckpt.mkdir("copy")
    python = os.path.join(prefix, "python3")
    shutil.copy("/usr/bin/python3", python)
    os.chmod(python, 0o755)
    ckpt.file("counter.py", COUNTER)
    job = Piped(ckpt, "ckpt_launch", "--ckptdir", ckpt.images, "--name", "counter", python,
                "counter.py", "100", "0")
    job.read(3)
    image = killed(ckpt, job)
    os.unlink(python)  # as an update does: what runs it may still be ending
    shutil.copy("/usr/bin/env", python)
    ends_right(Piped(ckpt, "ckpt_restart", image), 100)


def test_what_a_killed_writer_left(ckpt):
    """Its .part file is neither in the way nor there for ever; one that is being written is left alone."""
    job = start(ckpt, 100000, 0, "--keep", "0")
    first = checkpoint(ckpt)
    stem = first.rpartition(".00001")[0]
    stale = [stem + ".%05d.ckpt.part" % g for g in (1, 2)]
    for path in stale:
        open(path, "w").close()
        os.chown(path, ckpt.uid, ckpt.gid)
    assert os.path.exists(checkpoint(ckpt))
    ckpttest.wait_for(lambda: not any(map(os.path.exists, stale)), "the .part files to go")
    busy = stem + ".00001.ckpt.part"
    with open(busy, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        for _ in range(2):
            assert os.path.exists(checkpoint(ckpt))
        time.sleep(0.2)
        assert os.path.exists(busy)
    os.unlink(busy)
    job.p.kill()
    job.finish()


# Its child outlives it.
LEAVER = """
import os, sys, time
if not os.fork():
    os.setsid()
    while True:
        time.sleep(10)
print("begun", flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
sys.exit(7)
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_what_the_first_process_leaves_behind_ends_with_it_when_asked(ckpt):
    ckpt.file("leaver.py", LEAVER)
    job = ckpt.launch(["/usr/bin/python3", "leaver.py"])
    job.wait_output("begun")
    image = ckpt.checkpoint("--kill")["image"]
    job.wait(check=False)
    job = ckpt.restart(image, job, ["--end-with-first"])
    ckpt.wait_known(job)
    ckpt.file("end")
    job.wait(expect=7)
    os.unlink(ckpt.path("end"))
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    ckpt.file("end")
    ckpttest.wait_for(lambda: job.outer_pid() is None, job.story)
    assert job.running()


# What outlives it has no parent in the job. Its own environment does not tell any more of which job it is.
DAEMON = """
import ctypes, os, sys, time
if not os.fork():
    if os.fork():
        os._exit(0)
    os.setsid()
    while True:
        time.sleep(10)
os.wait()
libc = ctypes.CDLL(None)
strings = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
for address in iter(iter(strings).__next__, None):
    if ctypes.string_at(address).startswith(b"CKPT_JOB="):
        ctypes.memset(address, ord("x"), 8)
print("begun", flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
sys.exit(7)
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_the_first_process_is_the_first_of_an_image(ckpt):
    """Also when a coordinator that has not seen it begin knows another before it, which has no parent in the job either."""
    ckpt.file("daemon.py", DAEMON)
    job = ckpt.launch(["/usr/bin/python3", "daemon.py"], ["--on-signal", "USR1=checkpoint+exit:9"])
    job.wait_output("begun")
    for _ in range(2):
        for pid in ckpt.coordinators():
            os.kill(pid, signal.SIGKILL)
        ckpttest.wait_for(lambda: not ckpt.coordinators(), job.story)
        assert len(json.loads(ckpt.command("--list", "--json").stdout)["jobs"][0]["members"]) == 1
        job.signal(signal.SIGUSR1)
        job.wait(expect=9)
        image = glob.glob(ckpt.images + "/daemon-????????.ckpt")[0]
        inspected = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
        pids = [process["pid"] for process in inspected["processes"]]
        assert len(pids) == 2 and pids[0] == job.pid, pids
        job = ckpt.restart(image, job, ["--end-with-first"])
        ckpt.wait_known(job)
    ckpt.file("end")
    job.wait(expect=7)


# Hides all processes, and then leaves one to the capsule's init.
HIDER = """
import ctypes, os, sys, time
print("begun", flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
if ctypes.CDLL(None).mount(b"none", b"/proc", b"tmpfs", 0, None):
    sys.exit(1)
if not os.fork():
    if not os.fork():
        time.sleep(0.1)
    os._exit(0)
os.wait()
time.sleep(0.5)
sys.exit(7)
"""


@pytest.mark.parametrize("ckpt", [pytest.param({"root": True}, id="root")], indirect=True)
def test_a_job_that_hides_proc_runs_on(ckpt):
    ckpt.file("hider.py", HIDER)
    job = ckpt.launch(["/usr/bin/python3", "hider.py"])
    job.wait_output("begun")
    image = ckpt.checkpoint("--kill")["image"]
    job.wait(check=False)
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    ckpt.file("end")
    job.wait(expect=7)
