"""SysV objects and POSIX message queues where they meet the outside: limits, keys that are taken, others who use
them.

What stays inside the job is tested by the programs shm_*.c, sem_*.c, msg_*.c and mq_*.c.
"""

import ctypes
import json
import os
import re
import subprocess
import threading

import pytest

PYTHON = "/usr/bin/python3"
CLONE_NEWIPC = 0x08000000
RAISED = {"kernel/msgmax": "40000", "kernel/msgmnb": "80000", "fs/mqueue/msg_max": "50",
          "fs/mqueue/msgsize_max": "10000"}

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p

WAIT = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
%s
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.005)
%s
print("ok", flush=True)
"""


def elsewhere(fn):
    """fn() in a thread with an IPC namespace of its own, whose limits are raised: what it starts stays there."""
    result = []

    def run():
        if libc.unshare(CLONE_NEWIPC) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for name, value in RAISED.items():
            with open("/proc/sys/" + name, "w") as f:
                f.write(value)
        result.append(fn())

    t = threading.Thread(target=run)
    t.start()
    t.join()
    return result[0]


def program(programs, name):
    return os.path.join(programs, "system", name)


def go_on(ckpt, job):
    ckpt.file("go")
    job.wait()
    assert job.output().splitlines()[-1] == "ok", job.story()


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True, ids=["user", "root"])
def test_limits(ckpt, programs):
    """Queues beyond the default limits: the capsule's namespace has the limits they were made under."""
    job = elsewhere(lambda: ckpt.launch([program(programs, "ipc_limits")], env={"CKPT_TEST_GO": ckpt.path("go")}))
    job.wait_output("ready\n")
    for _ in range(2):
        image = ckpt.checkpoint()["image"]
        job.kill()
        job = ckpt.restart(image, job)
        assert job.wait_program(), job.story()
    go_on(ckpt, job)


@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True, ids=["root"])
@pytest.mark.parametrize("name", ["shm_attached", "sem_values", "msg_queue", "mq_queue"])
def test_no_capsule(ckpt, programs, name):
    """Without a capsule the objects are made where we are; not where they are still there."""
    others = ipc_text()
    job = ckpt.launch([program(programs, name)], env={"CKPT_TEST_GO": ckpt.path("go")})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    assert shown(ckpt, image) == [line for line in ipc_text() if line not in others]
    job.kill()
    before = ipc_text()
    failed = ckpt.restart(image, job, ["--no-capsule"])
    assert failed.wait(check=False) == 125
    assert "taken here" in failed.errors() or "is here already" in failed.errors(), failed.errors()
    assert ipc_text() == before
    ckpt.ipc_remove()
    job = ckpt.restart(image, job, ["--no-capsule"])
    assert job.wait_program(), job.story()
    go_on(ckpt, job)


def shown(ckpt, image):
    """The same of an image."""
    kinds = {"shared memory": "shm", "semaphores": "sem", "message queue": "msg"}
    done = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
    return sorted("%s %d %d" % (kinds[o["kind"]], o["key"], o["id"]) for p in done["processes"] for o in p["ipc"])


def ipc_text():
    """Keys and ids of all objects."""
    lines = []
    for kind in ("shm", "sem", "msg"):
        with open("/proc/sysvipc/" + kind) as f:
            lines += [kind + " " + " ".join(line.split()[:2]) for line in f.readlines()[1:]]
    return sorted(lines)


@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_attached_outside(ckpt):
    """A segment that somebody outside has attached can't be taken along."""
    job = ckpt.launch([PYTHON, "-c", WAIT % ("i = libc.shmget(0, 4096, 0o1600); libc.shmat(i, None, 0); print(i)",
                                             "libc.shmctl(i, 0, None)")])
    job.wait_output("ready\n")
    segment = int(job.output().split()[0])
    at = libc.shmat(segment, None, 0)
    refused = ckpt.command("--checkpoint", expect=4)
    assert "SysV shared memory %d: is attached by a process outside the job, too" % segment in refused.stderr
    libc.shmdt(ctypes.c_void_p(at))
    ckpt.checkpoint()
    go_on(ckpt, job)


STALE = """
echo 999 >/proc/sys/kernel/ns_last_pid
ipcmk -M 4096 -p 0666
ipcmk -Q -p 0666
sleep 4.1  # more than ipc.c grants, and the two seconds that are rounded off
echo 999 >/proc/sys/kernel/ns_last_pid
ckpt_launch "$@" &
while ! grep -q ready out; do sleep 0.1; done
ckpt_command --checkpoint && kill -9 1000
pkill -TERM ckpt_coordinato
while [ -e "$XDG_RUNTIME_DIR/ckpt/coordinator.sock" ]; do sleep 0.1; done
"""


@pytest.mark.skipif(os.getuid() != 0, reason="chooses a pid")
@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True, ids=["root"])
def test_used_by_one_who_had_that_pid(ckpt):
    """What a process left that ended long ago is not the job's, though a process of the job has its id now."""
    ckpt.extra_env["PATH"] = os.path.dirname(ckpt.installed.bin("ckpt_launch")) + ":" + os.environ["PATH"]
    ckpt.file("out")
    inside = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", STALE, "sh"]
    waits = WAIT.replace("flush", "file=open('out', 'w'), flush") % ("", "")
    done = subprocess.run([*inside, "--ckptdir", ckpt.images, PYTHON, "-c", waits], env=ckpt.env(), cwd=ckpt.work,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    for kind, option in ("Shared memory", "-m"), ("Message queue", "-q"):
        ident = re.search("^%s id: (\\d+)$" % kind, done.stdout, re.M).group(1)
        subprocess.run(["ipcrm", option, ident], check=True)
    image = [line for line in done.stdout.splitlines() if ".ckpt" in line][0].split()[0]
    told = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
    assert [p["pid"] for p in told["processes"]] == [1000], done.stdout
    assert shown(ckpt, image) == []


@pytest.mark.skipif(os.getuid() != 0, reason="makes what is another user's")
@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_belongs_to_another(ckpt):
    """An ordinary user's capsule knows no other user."""
    segment = libc.shmget(0, 4096, 0o1666)
    job = ckpt.launch([PYTHON, "-c", WAIT % ("at = libc.shmat(%d, None, 0); ctypes.memset(at, 65, 4096)" % segment,
                                             "assert ctypes.string_at(at, 4096) == b'A' * 4096")])
    try:
        job.wait_output("ready\n")
        image = ckpt.checkpoint()["image"]
        job.kill()
    finally:
        libc.shmctl(segment, 0, None)
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    go_on(ckpt, job)
    assert "SysV shared memory %d: belonged to user 0, group 0; it is your own now" % segment in job.story()


@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_found_after_exec(ckpt):
    """What a program used before an exec libckpt has no notes of: found by who used it last."""
    sets = "libc.msgsnd(q, (ctypes.c_long * 2)(7, 42), 8, 0); libc.semop(s, (ctypes.c_short * 3)(0, 3, 0), 1)"
    code = WAIT % ("q, s = map(int, sys.argv[1:]); " + sets, """
b = (ctypes.c_long * 2)()
assert libc.msgrcv(q, b, 8, 0, 0) == 8 and b[1] == 42
assert libc.semctl(s, 0, 12) == 3
libc.msgctl(q, 0, None)
libc.semctl(s, 0, 0)""")
    ckpt.file("second.py", code)
    job = ckpt.launch([PYTHON, "-c", """
import ctypes, os, sys
libc = ctypes.CDLL(None)
q, s = libc.msgget(0, 0o600), libc.semget(0, 1, 0o600)
os.execv(sys.executable, [sys.executable, "second.py", str(q), str(s)])
"""])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    ckpt.ipc_remove()
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    image = ckpt.checkpoint()["image"]
    job.kill_all()
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    go_on(ckpt, job)
