"""--on-signal: a signal, most often sent to every process there is, makes one checkpoint, and ends the job behind it."""

import contextlib
import glob
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import ckpttest

PYTHON = "/usr/bin/python3"
USERS = pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])
QUIET = signal.SIGRTMIN + 20  # that no test program uses

COUNT = """
import sys, time
for i in range(int(sys.argv[1])):
    print(i, flush=True)
    time.sleep(0.01)
"""

# Its own handler is reported back, and not called; children, threads and masks make no difference.
STUBBORN = """
import os, signal, subprocess, sys, threading, time
def mine(*args):
    print("handler called", flush=True)
signal.signal(signal.SIGUSR1, mine)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
assert signal.getsignal(signal.SIGUSR1) is mine
assert signal.signal(signal.SIGUSR1, mine) is mine
assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
children = [subprocess.Popen([sys.executable, "-c", "import time; print('child', flush=True); time.sleep(1000)"])]
if os.fork() == 0:
    time.sleep(1000)
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
print("gone on", flush=True)
os.killpg(0, signal.SIGKILL)
"""

# Starts programs all the time, in two ways, and says when one has ended as it should not.
CHURN = """
import os, subprocess
n = 0
while not os.path.exists("go"):
    status = os.system("true; /bin/true")
    status = status or subprocess.run(["/bin/sh", "-c", "/bin/true & wait; exec /bin/true"]).returncode
    if status:
        print("a child has ended with", status, flush=True)
    n += 1
    print(n, flush=True)
"""

DESCRIPTORS = """
import os, resource, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
try:
    while True:
        os.dup(0)
except OSError:
    print("full", flush=True)
time.sleep(1000)
"""


# The child's part of the image is written in no time, and its parent's takes long.
BEAT = """
import os, time
if os.fork() == 0:
    with open("beat", "ab", buffering=0) as f:
        while True:
            f.write(b".")
            time.sleep(0.01)
data = os.urandom(16 << 20)
print("ready", flush=True)
time.sleep(1000)
"""


def options(*actions):
    return ["--on-signal", ",".join(actions), "--keep", "0"]


def generations(ckpt):
    return len(glob.glob(ckpt.images + "/*.0*.ckpt"))


def log(ckpt):
    with contextlib.suppress(FileNotFoundError):
        with open(ckpt.images + "/log") as f:
            return f.read()
    return ""


def all_processes(ckpt):
    """Everything that this test has started: programs and ours."""
    return [pid for pid, environ in ckpttest.processes()
            if ckpt.mark.encode() in environ or b"CKPT_SOCKET=" + ckpt.runtime.encode() in environ]


def broadcast(ckpt, sig):
    """As a batch system does it: to all processes that it finds, one after the other."""
    for pid in all_processes(ckpt):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)


def wait_log(ckpt, pattern, times=1):
    ckpttest.wait_for(lambda: len(re.findall(pattern, log(ckpt))) >= times,
                      lambda: "%d times %r in %r" % (times, pattern, log(ckpt)))


def kill_coordinators(ckpt):
    def ended():
        for pid in ckpt.coordinators():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not ckpt.coordinators()
    ckpttest.wait_for(ended, "the coordinator to end")
    for path in ckpt.sockets():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def blocks(pid, sig):
    with open("/proc/%d/status" % pid) as f:
        mask = int(next(line for line in f if line.startswith("SigBlk:")).split()[1], 16)
    return mask >> sig - 1 & 1


def ended_with(job, status):
    assert job.wait(check=False) == status, job.story()


def newest(ckpt):
    return max(path for path in glob.glob(ckpt.images + "/*.ckpt") if not os.path.islink(path))


@USERS
def test_ends_with_the_status(ckpt):
    job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], options("USR1=checkpoint+exit", "USR2=checkpoint+exit:7"))
    for sig, status in ((signal.SIGUSR1, 85), (signal.SIGUSR2, 7), (signal.SIGUSR1, 85)):
        job.wait_growth(20)
        job.wait_program()
        (job.popen.send_signal if status == 85 else job.signal)(sig)
        ended_with(job, status)
        image = newest(ckpt)
        assert os.stat(image).st_mode & 0o777 == 0o600
        job = ckpt.restart(image, job)
    job.wait_growth(20)
    assert generations(ckpt) == 3
    assert len(re.findall(r"^[-0-9]+ [:0-9]+ job \w+: made \S+, \d+ bytes; the job ends with status (85|7)$",
                          log(ckpt), re.M)) == 3, log(ckpt)
    numbers = [int(n) for n in job.output().split()]
    assert numbers == list(range(len(numbers)))


@USERS
def test_processes_threads_masks_and_handlers(ckpt):
    job = ckpt.launch([PYTHON, "-c", STUBBORN], options("USR1=checkpoint+exit"), start_new_session=True)
    job.wait_output("ready")
    job.wait_output("child")
    assert "USR1=checkpoint+exit:85" in ckpt.command("--status").stdout
    broadcast(ckpt, signal.SIGUSR1)
    ended_with(job, 85)
    for _ in range(3):
        job = ckpt.restart(newest(ckpt), job, start_new_session=True)
        ckpt.wait_known(job)
        broadcast(ckpt, signal.SIGUSR1)
        ended_with(job, 85)
    assert generations(ckpt) == 4, log(ckpt)
    ckpttest.wait_for(lambda: ckpt.left() == ckpt.coordinators(), "the others to end")
    job = ckpt.restart(newest(ckpt), job, start_new_session=True)
    ckpt.file("go")
    job.wait(128 + signal.SIGKILL)
    assert sorted(job.output().split("\n")) == ["", "child", "gone on", "ready"], job.output()


def test_a_broadcast_makes_one_checkpoint(ckpt, programs):
    job = ckpt.launch([PYTHON, "-c", STUBBORN], options("USR1=checkpoint"), start_new_session=True)
    job.wait_output("ready")
    job.wait_output("child")
    for n in range(1, 9):
        for _ in range(2):  # a process has two at once, too
            broadcast(ckpt, signal.SIGUSR1)
        wait_log(ckpt, ": made ", n)
        time.sleep(1.2)  # what comes now is meant
        assert generations(ckpt) == n, log(ckpt)
        if n == 4:
            job.kill()
            job = ckpt.restart(newest(ckpt), job, start_new_session=True)
            ckpt.wait_known(job)
    assert "failed" not in log(ckpt)


@pytest.mark.parametrize("name", ["eintr_timed", "eintr_blocked", "eintr_handlers", "eintr_stray", "loop_threads",
                                  "signal_altstack_small"])
def test_calls_do_not_see_the_signals(ckpt, programs, name):
    go = ckpt.path("go")
    job = ckpt.launch([os.path.join(programs, "system", name)], options("%d=checkpoint" % QUIET),
                      env={"CKPT_TEST_GO": go})
    job.wait_output("ready\n")
    for _ in range(60):
        job.signal(QUIET)
        time.sleep(ckpt.random.random() * 0.05)
    for _ in range(1000 if name == "eintr_stray" else 0):
        job.signal(QUIET)
        time.sleep(ckpt.random.random() * 0.002)
    wait_log(ckpt, ": made ")
    open(go, "w").close()
    job.wait()
    assert job.output() == "ready\nok\n", job.story()


def test_programs_that_start_are_not_harmed(ckpt):
    job = ckpt.launch([PYTHON, "-c", CHURN], options("USR1=checkpoint+exit", "USR2=checkpoint"))
    job.wait_growth(4)
    for _ in range(150):
        broadcast(ckpt, signal.SIGUSR2)
        time.sleep(ckpt.random.random() * 0.02)
    job.wait_growth(4)
    for _ in range(3):
        time.sleep(ckpt.random.random())
        broadcast(ckpt, signal.SIGUSR1)
        ended_with(job, 85)
        job = ckpt.restart(newest(ckpt), job)
        ckpt.wait_known(job)
        job.wait_growth(4)
    ckpt.file("go")
    job.wait()
    numbers = [line for line in job.output().split("\n") if line]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)], job.story()
    assert "ser defined signal" not in job.errors()


def test_chain_gives_the_same_output(ckpt):
    argv = [PYTHON, "-c", COUNT, "500"]
    expected = ckpt.uninterrupted(argv)
    job = ckpt.launch(argv, options("USR1=checkpoint+exit"))
    for n in range(10):
        job.wait_growth(30)
        job.wait_program()
        if n % 3 == 1:
            kill_coordinators(ckpt)
        broadcast(ckpt, signal.SIGUSR1)
        ended_with(job, 85)
        job = ckpt.restart(newest(ckpt), job)
    job.wait()
    assert job.output() == expected
    assert generations(ckpt) == 10, log(ckpt)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("to_first", [False, True])
def test_no_coordinator(ckpt, restarted, to_first):
    """One is started by whoever gets the signal, and it says for which batch job it is there."""
    job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], options("USR1=checkpoint", "USR2=checkpoint+exit"),
                      env={"SLURM_JOB_ID": "77", "SLURM_CLUSTER_NAME": "c", "CKPT_LINGER": "2", "CKPT_SLURM": "0"})
    job.wait_growth(20)
    if restarted:
        job.signal(signal.SIGUSR2)
        ended_with(job, 85)
        job = ckpt.restart(newest(ckpt), job, env={"SLURM_JOB_ID": "77", "SLURM_CLUSTER_NAME": "c"})
        ckpt.wait_known(job)
    kill_coordinators(ckpt)
    made = generations(ckpt)
    if to_first:
        job.signal(signal.SIGUSR1)
    else:
        broadcast(ckpt, signal.SIGUSR1)
    ckpttest.wait_for(lambda: generations(ckpt) == made + 1, lambda: log(ckpt) + job.story())
    environ = [env for pid, env in ckpttest.processes() if ckpttest.comm(pid).startswith("ckpt_coordinat")
               and ckpt.runtime.encode() in env]
    assert len(environ) == 1
    assert b"SLURM_JOB_ID=77\0" in environ[0] and b"SLURM_CLUSTER_NAME=c\0" in environ[0]
    assert b"CKPT_JOB=" not in environ[0] and b"LD_PRELOAD=" not in environ[0]
    time.sleep(1.2)
    job.signal(signal.SIGUSR2)
    ended_with(job, 85)


def test_goes_on_when_it_fails(ckpt):
    job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], options("USR1=checkpoint+exit"))
    job.wait_growth(20)
    away = ckpt.images + "-away"
    os.rename(ckpt.images, away)
    broadcast(ckpt, signal.SIGUSR1)
    job.wait_growth(100)
    os.rename(away, ckpt.images)
    time.sleep(1.2)
    assert "directory for images" in ckpt.command("--status").stdout
    broadcast(ckpt, signal.SIGUSR1)
    ended_with(job, 85)


@contextlib.contextmanager
def outside_pipe():
    """Its read end, which a program that is to be refused has."""
    read, write = os.pipe()
    yield read
    os.close(read)
    os.close(write)


HOLDER = COUNT.replace("    time", """    if os.path.exists("go"):
        with contextlib.suppress(OSError):
            os.close(int(sys.argv[2]))
    time""").replace("sys, time", "contextlib, os, sys, time")


def test_goes_on_when_it_is_refused(ckpt):
    """And is tried again, for it may be possible a moment later."""
    with outside_pipe() as fd:
        job = ckpt.launch([PYTHON, "-c", HOLDER, "100000", str(fd)], options("USR1=checkpoint+exit"), pass_fds=[fd])
        job.wait_growth(20)
        broadcast(ckpt, signal.SIGUSR1)
        wait_log(ckpt, r": USR1 \(checkpoint\+exit:85\) of pid \d+ \(python3\)\n.*checkpoint failed, the job goes on: "
                 r"pid \d+ \(python3\): fd %d .*; it will be tried again\n" % fd)
        wait_log(ckpt, r"checkpoint failed[^\n]*\d>&-\n")  # and given up
        job.wait_growth(20)
        assert job.running() and not generations(ckpt)
        time.sleep(1.2)
        broadcast(ckpt, signal.SIGUSR1)
        wait_log(ckpt, "tried again", 6)
        ckpt.file("go")
        ended_with(job, 85)
    assert generations(ckpt) == 1


def test_failures_by_interval_are_logged(ckpt):
    with outside_pipe() as fd:
        job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], [*options("USR1=checkpoint"), "--interval", "1"],
                          pass_fds=[fd])
        wait_log(ckpt, "checkpoint failed, the job goes on: ", 2)
        assert job.running()


@pytest.mark.parametrize("ckpt", [{}], indirect=True)
def test_no_descriptor_is_free(ckpt):
    job = ckpt.launch([PYTHON, "-c", DESCRIPTORS], options("USR1=checkpoint+exit"))
    job.wait_output("full")
    job.signal(signal.SIGUSR1)
    ended_with(job, 85)


def test_stopped_processes(ckpt):
    job = ckpt.launch([PYTHON, "-c", STUBBORN], options("USR1=checkpoint", "USR2=checkpoint+exit"),
                      start_new_session=True)
    job.wait_output("ready")
    job.wait_output("child")
    child = [pid for pid in job.tree() if pid != job.popen.pid][0]
    os.kill(child, signal.SIGSTOP)
    broadcast(ckpt, signal.SIGUSR1)
    wait_log(ckpt, ": made ")
    time.sleep(1.2)
    os.kill(child, signal.SIGCONT)  # the checkpoint was for it, too
    time.sleep(0.5)
    assert generations(ckpt) == 1, log(ckpt)
    os.kill(job.popen.pid, signal.SIGSTOP)
    broadcast(ckpt, signal.SIGUSR2)
    ended_with(job, 85)
    assert generations(ckpt) == 2
    job = ckpt.restart(newest(ckpt), job, start_new_session=True)
    ckpt.wait_known(job)
    ckpttest.wait_for(lambda: ckpttest.proc_stat(job.outer_pid())[0] == "T", "the first process to be stopped")
    os.kill(job.outer_pid(), signal.SIGCONT)
    ckpt.file("go")
    job.wait(128 + signal.SIGKILL)


def test_all_stand_still_until_the_image_is_made(ckpt):
    """However long the others' parts take: what one did meanwhile would be done twice."""
    job = ckpt.launch([PYTHON, "-c", BEAT], options("USR1=checkpoint+exit"), env={"CKPT_FAULT": "writer-chunk:delay"})
    job.wait_output("ready")
    beat = os.path.join(ckpt.work, "beat")
    job.signal(signal.SIGUSR1)
    wait_log(ckpt, r"USR1 \(checkpoint\+exit")
    ckpttest.wait_for(lambda: glob.glob(ckpt.images + "/.*.part") + glob.glob(ckpt.images + "/*.part"), "the image")
    size = os.path.getsize(beat)
    ended_with(job, 85)
    assert os.path.getsize(beat) == size > 0


def test_the_end_wins(ckpt):
    job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], options("USR1=checkpoint", "USR2=checkpoint+exit"))
    for n in range(6):
        job.wait_growth(20)
        job.wait_program()
        ckpt.wait_known(job)
        ckpt.command("--checkpoint", "--no-wait") if n % 2 else job.signal(signal.SIGUSR1)
        time.sleep(ckpt.random.random() * 0.05)
        job.signal(signal.SIGUSR2)
        ended_with(job, 85)
        job = ckpt.restart(newest(ckpt), job)


def test_while_it_restarts(ckpt):
    """A signal that comes before the program runs again is held for it."""
    job = ckpt.launch([PYTHON, "-c", COUNT, "100000"], options("USR1=checkpoint+exit"))
    job.wait_growth(20)
    job.signal(signal.SIGUSR1)
    ended_with(job, 85)
    for _ in range(12):
        job = ckpt.restart(newest(ckpt), job)
        # before it has begun nobody can help it
        ckpttest.wait_for(lambda: blocks(job.popen.pid, signal.SIGUSR1), "ckpt_restart to begin")
        time.sleep(ckpt.random.random() * 0.15)
        broadcast(ckpt, signal.SIGUSR1)
        ended_with(job, 85)
    numbers = [int(n) for n in job.output().split()]
    assert numbers == list(range(len(numbers)))


def test_term_to_all(ckpt):
    """The coordinator stays as long as it is needed, and does not when it is not."""
    job = ckpt.launch([PYTHON, "-c", "import signal; signal.signal(signal.SIGTERM, lambda *a: None)\n" + COUNT, "100000"],
                      options("USR1=checkpoint+exit"))
    job.wait_growth(20)
    before = ckpt.coordinators()
    for _ in range(5):
        broadcast(ckpt, signal.SIGTERM)
    time.sleep(0.3)
    assert ckpt.coordinators() == before
    broadcast(ckpt, signal.SIGUSR1)
    ended_with(job, 85)
    ckpttest.wait_for(lambda: not ckpt.coordinators(), "the coordinator to end", 5)


@pytest.mark.parametrize("status", [0, 3])
def test_on_commit(ckpt, status):
    """It runs when the image is there and the job still is, and changes nothing by what becomes of it."""
    told = ckpt.path("told")
    hook = ckpt.file("hook", """#!/bin/sh
        env >%s
        ls %s >>%s
        kill -0 $JOB_PID && echo alive >>%s
        exit %d
        """ % (told, ckpt.images, told, told, status), mode=0o755)
    job = ckpt.launch(["/bin/sh", "-c", "export JOB_PID=$$; exec %s -c '%s' 100000" % (PYTHON, COUNT)],
                      options("USR1=checkpoint+exit"), env={"CKPT_ON_COMMIT": hook, "MINE": "x y"})
    job.wait_output("5\n")
    broadcast(ckpt, signal.SIGUSR1)
    ended_with(job, 85)
    with open(told) as f:
        lines = f.read().split("\n")
    assert "MINE=x y" in lines and "alive" in lines
    assert not [line for line in lines if line.startswith(("LD_PRELOAD=", "CKPT_JOB="))]
    assert os.path.basename(newest(ckpt)) in lines
    assert ("CKPT_ON_COMMIT: the program ended with status 3" in log(ckpt)) == (status == 3)


def test_no_system_call(ckpt):
    """Of ours, as long as no signal comes."""
    def count(n, launched):
        out = ckpt.path("strace")
        argv = [PYTHON, "-c", "import os\nfor i in range(%d): os.stat('/')" % n]
        if launched:
            argv = [ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, *options("USR1=checkpoint"), *argv]
        subprocess.run(["strace", "-f", "-c", "-o", out, *argv], env=ckpt.env(), cwd=ckpt.work, check=True,
                       stdin=subprocess.DEVNULL)
        with open(out) as f:
            return int([line for line in f if line.strip().endswith("total")][0].split()[2])
    ours, plain = count(1500, True) - count(500, True), count(1500, False) - count(500, False)
    assert abs(ours - plain) <= 20, (ours, plain)


def test_many_at_once(ckpt):
    """Threads that get signals while others fork: no descriptor of ours is in a child."""
    program = """
import os, threading, time
def look():
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            os._exit(len(os.listdir("/proc/self/fd")) != 4)
        if os.waitpid(pid, 0)[1]:
            print("a child has a descriptor too many", flush=True)
threads = [threading.Thread(target=look) for _ in range(3)]
print("ready", flush=True)
[t.start() for t in threads]
[t.join() for t in threads]
"""
    job = ckpt.launch([PYTHON, "-W", "ignore", "-c", program], options("USR1=checkpoint"))
    job.wait_output("ready\n")
    os.rename(ckpt.images, ckpt.images + "-away")  # so that nothing comes of it

    def send():
        with contextlib.suppress(ProcessLookupError):
            while job.running():
                os.kill(job.popen.pid, signal.SIGUSR1)
                time.sleep(0.003)
    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    job.wait()
    for sender in senders:
        sender.join()
    assert job.output() == "ready\n", job.story()
