"""The prolog, epilog and task prolog: what they end, what they leave alone, and that they never fail."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import slurmtest
from ckpttest import Failure, comm, wait_for

HOOKS = ["prolog", "epilog", "task_prolog"]
ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

SLEEP = "import signal, sys, time; print('ready', flush=True); time.sleep(1000)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP


@pytest.fixture
def hooks(slurm):
    """The installed hooks, with less patience."""
    where = slurm.path("hooks")
    shutil.copytree(os.path.join(slurm.installed.prefix, *slurmtest.HOOKS), where)
    path = os.path.join(where, "leftovers.sh")
    with open(path) as f:
        text = f.read()
    assert "\ngrace=15 " in text
    with open(path, "w") as f:
        f.write(text.replace("\ngrace=15 ", "\ngrace=1 "))
    return where


@pytest.fixture
def started():
    """Call it to start a process with an environment; all are ended."""
    running = []

    def start(environ, user=None, code=SLEEP):
        p = subprocess.Popen([sys.executable if not user else "/usr/bin/python3", "-c", code], env=environ, cwd="/",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **slurmtest.identity(user))
        running.append(p)
        assert p.stdout.readline() == b"ready\n"
        return p
    yield start
    for p in running:
        p.kill()
        p.wait()
        p.stdout.close()


def of_job(slurm, job="4711", **more):
    """The environment of a process under ckpt in a job of a cluster of the test's own."""
    return {"SLURM_JOB_ID": job, "SLURM_CLUSTER_NAME": slurm.mark[:20], "CKPT_JOB": "1", **more}


def hook_environ(slurm, job="4711", **more):
    """What slurmd gives a hook: no PATH."""
    return {"SLURM_JOB_ID": job, "SLURM_CLUSTER_NAME": slurm.mark[:20], "SLURM_JOB_UID": str(slurm.uid),
            "SLURM_JOB_GID": str(slurm.gid), "SLURMD_NODENAME": "n1", "SLURM_JOB_RESTART_COUNT": "0", **more}


def run(path, environ, **popen):
    """Its output; its status has to be 0."""
    done = subprocess.run([path], env=environ, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False, **popen)
    assert (done.returncode, done.stderr) == (0, ""), (path, environ, done)
    return done.stdout


@pytest.mark.parametrize("hook", HOOKS)
def test_an_empty_environment_is_no_failure(slurm, hooks, hook):
    path = os.path.join(hooks, hook)
    for environ in ({}, {"SLURM_JOB_ID": "x; kill 1"}, {"SLURM_JOB_ID": "1"}, {**hook_environ(slurm), "SLURM_JOB_UID": "a b"},
                    {**hook_environ(slurm), "SLURM_CLUSTER_NAME": "$(id)"}, {"PATH": "/nowhere\nexport X=1"},
                    hook_environ(slurm), hook_environ(slurm, SLURM_JOB_UID="4294967294", SLURM_JOB_GID="")):
        for user in ({}, slurm.as_user):
            assert run(path, environ, **user) == ""


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_is_alone_is_no_failure(slurm, hooks, hook):
    alone = shutil.copy(os.path.join(hooks, hook), slurm.path(hook))
    assert run(alone, hook_environ(slurm)) == ""


@ROOT
def test_the_epilog_ends_what_is_left_of_the_job_and_nothing_else(slurm, hooks, started):
    user, other = slurmtest.USERS
    ends = [started(of_job(slurm), user), started(of_job(slurm), user, STUBBORN)]
    stays = [
        started(of_job(slurm, "47110"), user),
        started(of_job(slurm, "471"), user, STUBBORN),
        started(of_job(slurm, X="SLURM_JOB_ID=4711", SLURM_JOB_ID="12"), user),
        started({**of_job(slurm), "SLURM_CLUSTER_NAME": slurm.mark[:19]}, user),
        started(of_job(slurm), other),
        started(of_job(slurm)),
        started({n: v for n, v in of_job(slurm).items() if n != "CKPT_JOB"}, user),
    ]
    image = slurm.file("sim.00001.ckpt", "image")
    run(os.path.join(hooks, "epilog"), hook_environ(slurm, SLURM_JOB_WORK_DIR=slurm.dir))
    assert [p.wait(10) for p in ends] == [-signal.SIGTERM, -signal.SIGKILL]
    assert [p.poll() for p in stays] == [None] * len(stays)
    assert slurm.read(image) == "image"


def test_the_epilog_of_a_user_s_own_cluster(slurm, hooks, started):
    name = slurmtest.USERS[0] if os.getuid() == 0 else None
    p, q = started(of_job(slurm), name), started(of_job(slurm, "4712"), name)
    run(os.path.join(hooks, "epilog"), hook_environ(slurm), **slurm.as_user)
    assert p.wait(10) == -signal.SIGTERM
    assert q.poll() is None


def test_the_prolog_ends_what_an_earlier_run_has_left(slurm, hooks, started):
    name = slurmtest.USERS[0] if os.getuid() == 0 else None
    first, second = started(of_job(slurm), name), started(of_job(slurm, SLURM_RESTART_COUNT="1"), name)
    third, other = started(of_job(slurm, SLURM_RESTART_COUNT="2"), name), started(of_job(slurm, "4712"), name)
    prolog = os.path.join(hooks, "prolog")
    run(prolog, hook_environ(slurm))
    assert [p.poll() for p in (first, second, third, other)] == [None] * 4
    run(prolog, hook_environ(slurm, SLURM_JOB_RESTART_COUNT="2"))
    assert [p.wait(10) for p in (first, second)] == [-signal.SIGTERM] * 2
    assert [p.poll() for p in (third, other)] == [None] * 2


BIG = "import os, time; b = os.urandom(100 << 20); print('ready', flush=True); time.sleep(1000)"


def test_an_image_that_is_being_written_gets_through(slurm):
    """The epilog of the installed patience comes when the program and its writer are all that is left."""
    images = slurm.mkdir("images", 0o700)
    socket_path = slurm.path("tmp/own")
    environ = slurm.env({**of_job(slurm), "CKPT_SLURM": "0", "CKPT_SOCKET": socket_path})
    del environ["CKPT_JOB"]
    popen = {"env": environ, "cwd": slurm.dir, "stdin": subprocess.DEVNULL, **slurm.as_user}
    with subprocess.Popen([slurm.installed.bin("ckpt_launch"), "--ckptdir", images, "/usr/bin/python3", "-c", BIG],
                          stdout=subprocess.PIPE, **popen) as p:
        assert p.stdout.readline() == b"ready\n"
        with subprocess.Popen([slurm.installed.bin("ckpt_command"), "--checkpoint"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **popen) as asks:
            wait_for(lambda: os.listdir(images), "an image")
            run(os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "epilog"), hook_environ(slurm))
            asks.wait(60)
        assert p.wait(60) == -signal.SIGTERM
    assert not slurm.left() and not [n for n in os.listdir(images) if n.endswith(".part")]
    slurm.run(slurm.installed.bin("ckpt_inspect"), "--verify", images)


def make_socket(path, uid, gid):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    os.chown(path, uid, gid)
    return path


@pytest.fixture
def runtime(slurm):
    """The user's runtime directory where there is no session, for names that no cluster of others has."""
    where = "/tmp/ckpt-%d" % slurm.uid
    made = not os.path.exists(where)
    if made:
        os.mkdir(where, 0o700)
        os.chown(where, slurm.uid, slurm.gid)
    yield where
    for name in os.listdir(where) if os.path.isdir(where) else []:
        if slurm.mark[:20] in name:
            os.unlink(os.path.join(where, name))
    if made:
        with contextlib.suppress(OSError):
            os.rmdir(where)


def test_the_epilog_removes_sockets_of_the_job_only(slurm, hooks, started, runtime):
    cluster = slurm.mark[:20]
    goes = ["%s-4711.step0.n1" % cluster, "%s-4711.batch.n1" % cluster]
    stays = ["%s-%s" % (cluster, rest) for rest in ("4711_2.step0.n1", "47110.step0.n1", "4712.step0.n1", "4711.step0.n2",
                                                    "4711")]
    for name in goes + stays:
        make_socket(os.path.join(runtime, name), slurm.uid, slurm.gid)
    for name in (goes[0], stays[1]):
        open(os.path.join(runtime, name + ".lock"), "w").close()
        os.chown(os.path.join(runtime, name + ".lock"), slurm.uid, slurm.gid)
    array = make_socket(slurm.path("tmp/%s-9_3.step0.n1" % cluster), slurm.uid, slurm.gid)
    shared = make_socket(slurm.path("tmp/mine"), slurm.uid, slurm.gid)
    name = slurmtest.USERS[0] if os.getuid() == 0 else None
    started(of_job(slurm, CKPT_SOCKET=array), name)
    started(of_job(slurm, CKPT_SOCKET=shared), name)
    run(os.path.join(hooks, "epilog"), hook_environ(slurm))
    left = {n for n in os.listdir(runtime) if cluster in n}
    assert left == {*stays, stays[1] + ".lock"}
    assert not os.path.exists(array) and os.path.exists(shared)


@ROOT
def test_the_epilog_follows_no_links_of_a_user(slurm, hooks, started):
    name = "%s-4711.step0.n1" % slurm.mark[:20]
    theirs = os.path.join(slurm.cluster.top, slurm.mark)
    os.mkdir(theirs)
    victim = make_socket(os.path.join(theirs, name), 0, 0)
    os.symlink(theirs, slurm.path("link"))
    os.symlink(victim, slurm.path(name))
    for path in (slurm.path("link/" + name), slurm.path(name), victim):
        started(of_job(slurm, CKPT_SOCKET=path), slurmtest.USERS[0])
    run(os.path.join(hooks, "epilog"), hook_environ(slurm))
    assert os.path.exists(victim)
    shutil.rmtree(theirs)


def test_the_task_prolog_makes_programs_found(slurm):
    path = os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "task_prolog")
    own = os.path.join(slurm.installed.prefix, "bin")
    assert run(path, {"PATH": "/usr/bin:/bin"}) == "export PATH=/usr/bin:/bin:%s\n" % own
    assert run(path, {"PATH": "/usr/bin:/bin:" + own}) == ""
    assert run(path, {"PATH": own, "TMPDIR": "/nowhere", "XDG_RUNTIME_DIR": "/tmp"}) == "unset TMPDIR\n"


# --- on a cluster ---

def test_a_job_without_a_path_to_it_finds_ckpt_launch(slurm):
    job = slurm.submit("srun ckpt_launch --version", env={"PATH": "/usr/bin:/bin", "TMPDIR": "/nowhere"})
    job.wait_completed()
    assert "ckpt_launch" in job.output()


DAEMON = """setsid sh -c 'exec sleep 1000' </dev/null >/dev/null 2>&1 &
echo begun
until [ -e "$1" ]; do sleep 0.1; done
"""


def test_what_a_job_has_left_ends_with_it_and_nothing_else(slurm):
    """Under linuxproc a process that has left its session outlives the job; a launched one, and a restored one."""
    slurm.file("daemon.sh", DAEMON)
    first, second, restored = (slurm.submit("srun ckpt_launch sh daemon.sh " + name, "--nodelist=n1", name=name)
                               for name in ("first", "second", "restored"))
    for job in (first, second, restored):
        job.wait_output("begun")
    restored.signal()
    restored.wait_restarts(1)
    restored.wait_output("goes on from")
    for job in (first, restored):
        slurm.file(job.name)
        job.wait_completed()
        wait_for(job.over, "the epilog", slurmtest.LIMIT)
        assert not job.processes()
        assert second.state() == "RUNNING" and len(second.processes()) >= 3
    slurm.file("second")
    second.wait_completed()
    wait_for(second.over, "the epilog", slurmtest.LIMIT)
    assert not second.processes()


@pytest.mark.parametrize("slurm", [{"cluster": "plain"}], indirect=True)
def test_without_the_epilog_it_would_stay(slurm):
    slurm.file("daemon.sh", DAEMON)
    job = slurm.submit("srun ckpt_launch sh daemon.sh end")
    job.wait_output("begun")
    slurm.file("end")
    job.wait_completed()
    wait_for(job.over, "the epilog", slurmtest.LIMIT)
    left = job.processes()
    assert "sleep" in [comm(pid) for pid in left]
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("slurm", [{"cluster": kind} for kind in ("hooks", "cgroup", "ns")], indirect=True)
def test_nodes_stay_up(slurm):
    """A hook that fails drains its node."""
    slurm.submit("srun true").wait_completed()
    states = slurm.run("sinfo", "-h", "-o", "%T").stdout.split()
    if any("drain" in state for state in states):
        raise Failure(slurm.run("sinfo", "-R").stdout)


@pytest.mark.parametrize("slurm", [{"cluster": "cgroup"}], indirect=True)
def test_a_coordinator_that_was_killed_leaves_no_socket(slurm, runtime):
    """proctrack/cgroup kills what is in the job, and an array's tasks have numbers of their own."""
    script = """ckpt_launch sh -c 'echo ready; exec sleep 1000' &
        until ls $TMPDIR/ckpt-%d/*-$SLURM_JOB_ID.batch.* 2>/dev/null; do sleep 0.1; done; echo made
        for p in $(grep -lzx SLURM_JOB_ID=$SLURM_JOB_ID /proc/[0-9]*/environ 2>/dev/null); do
                case $(cat ${p%%/*}/comm) in ckpt_coord*) p=${p%%/environ}; kill -STOP ${p#/proc/} ;; esac
        done
        sleep 1000""" % slurm.uid
    array = slurm.submit(script, "--array=1-2", env={"TMPDIR": "/tmp"})
    tasks = [array.task(n) for n in (1, 2)]
    for task in tasks:
        task.wait_output("made")
    ids = [task.show()["JobId"] for task in tasks]
    array.cancel()
    for task in tasks:
        wait_for(task.over, "the epilog of " + task.id, slurmtest.LIMIT)
    assert [n for n in os.listdir(runtime) if n.startswith(tuple("%s-%s." % (slurm.cluster.name, i) for i in ids))] == []
