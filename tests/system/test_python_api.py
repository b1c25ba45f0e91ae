"""lib/python: checkpoints that a Python program asks for, and functions that it has called around them."""

import contextlib
import os
import subprocess

import pytest

import ckpttest
import pythontest

PYTHON = "/usr/bin/python3"
EVERY = pytest.mark.parametrize("ckpt, python", pythontest.params(), indirect=["ckpt"])

# What it computes is in a generator; each state depends on all before.
STEPS = r"""
import hashlib, os, sys, time
import ckpt

def chain():
    state = b"begin"
    while True:
        state = hashlib.sha256(state).digest()
        yield state.hex()[:16]

told = []
ckpt.before(lambda: told.append("before"))
ckpt.after(lambda: told.append("after"))
ckpt.on_restart(lambda: told.append("on_restart"))
states = chain()
for step in range(1, 41):
    print(step, next(states), flush=True)
    while len(sys.argv) > 1 and step % 10 == 3 and not os.path.exists("go%d" % (step // 10)):
        time.sleep(0.01)
    if step % 10 == 0:
        done = ckpt.checkpoint()
        assert done.path.endswith(".%05d.ckpt" % (step // 10)), done
        assert done.restarted == (done.bytes is None) == (done.pause is None), done
        assert ckpt.generation() == step // 10
        print(done.restarted, *told, flush=True)
        told.clear()
print("end", ckpt.is_enabled())
"""


def launch(ckpt, python, source, *args, options=(), **env):
    return ckpt.launch([python, ckpt.file("prog.py", source), *args], options=options,
                       env=pythontest.environment(ckpt, **env))


def image(ckpt, generation):
    return os.path.join(ckpt.images, [f for f in os.listdir(ckpt.images)
                                      if f.endswith(".%05d.ckpt" % generation)][0])


def steps_expected(lines, restarted):
    """The program's lines, when it has been restarted from these generations."""
    lines = list(lines)
    for generation in restarted:
        lines[generation * 11 - 1] = "True before on_restart"
    return lines


@EVERY
def test_chain(ckpt, python):
    alone = launch(ckpt, python, STEPS, options=["--keep", "0"])
    alone.wait()
    lines = alone.output().splitlines()
    assert lines[10] == "False before after" and lines[-1] == "end True"
    for f in os.listdir(ckpt.images):
        os.unlink(os.path.join(ckpt.images, f))
    job = launch(ckpt, python, STEPS, "gated", options=["--keep", "0"])
    ckpt.file("go0")
    for generation in (1, 2, 3):
        job.wait_output("\n%s\n" % lines[generation * 11 + 2])
        job.kill()
        job = ckpt.restart(image(ckpt, generation), job)
        job.wait_program()
        ckpt.file("go%d" % generation)
    job.wait()
    assert job.output().splitlines() == steps_expected(lines, (1, 2, 3))


HOOKS = r"""
import hashlib, os, select, sys, threading, time
import ckpt

me = threading.current_thread()
def say(*what):
    assert threading.current_thread() is me
    print(*what, flush=True)

@ckpt.before
def first():
    say("before, last")
@ckpt.before
def second():
    say("before, first")
    raise ValueError("on purpose")
@ckpt.after
def third():
    say("after")
@ckpt.on_restart
def fourth():
    say("on_restart", ckpt.generation())

def sleep():
    time.sleep(0.02)

ends = os.pipe()
def read():
    os.read(ends[0], 1)

lock = threading.Semaphore(0)
def acquire():
    lock.acquire()

waits = select.epoll()
waits.register(ends[0], select.EPOLLIN)
def poll():
    if waits.poll():
        os.read(ends[0], 1)

def compute():
    x = 0
    for i in range(10000):
        x += i * i

def feed():
    while True:
        time.sleep(0.02)
        if os.path.exists("go"):
            os.write(ends[1], b"x")
            lock.release()

if len(sys.argv) > 2:
    threading.Thread(target=feed, daemon=True).start()
work = globals()[sys.argv[1]]
print("begins", flush=True)
while not os.path.exists("end"):
    work()
print("end", flush=True)
"""
AROUND = ["before, first", "before, last"]


@pytest.mark.parametrize("work", ["sleep", "read", "acquire", "poll", "compute"])
def test_hooks_run_when_others_ask(ckpt, work):
    """In the main thread, also when it waits for something that comes later, or never."""
    job = launch(ckpt, PYTHON, HOOKS, work, "feed")
    job.wait_output("begins\n")
    for generation in (1, 2, 3):
        path = ckpt.checkpoint()["image"]
        job.wait_output("after\n")
        job.kill()
        job = ckpt.restart(path, job)
        job.wait_output("on_restart %d\n" % generation)
    ckpt.file("end")
    ckpt.file("go")
    job.wait()
    assert job.output().splitlines() == ["begins"] + [
        line for n in (1, 2, 3) for line in [*AROUND, "on_restart %d" % n]] + ["end"]
    assert job.errors().count("ValueError: on purpose") == 3
    assert "hook second (before) failed; the checkpoint goes on" in job.errors()


@EVERY
def test_hooks_of_each_interpreter(ckpt, python):
    job = launch(ckpt, python, HOOKS, "sleep")
    job.wait_output("begins\n")
    path = ckpt.checkpoint()["image"]
    job.wait_output("after\n")
    job.kill()
    job = ckpt.restart(path, job)
    job.wait_output("on_restart 1\n")
    path = ckpt.checkpoint()["image"]
    job.wait_output("after\n")
    ckpt.file("end")
    job.wait()
    assert job.output().splitlines() == ["begins", *AROUND, "on_restart 1", *AROUND, "after", "end"]


def test_check_calls_them_too(ckpt):
    """For what they close may be what would be refused."""
    job = launch(ckpt, PYTHON, HOOKS, "sleep")
    job.wait_output("begins\n")
    ckpt.command("--check")
    job.wait_output("after\n")
    ckpt.file("end")
    job.wait()
    assert job.output().splitlines() == ["begins", *AROUND, "after", "end"]


# The main thread does not take the signal, as if it were deep in compiled code.
LATE = r"""
import os, signal, threading, time
import ckpt

for hooks in (ckpt.before, ckpt.after, ckpt.on_restart):
    hooks(lambda name=hooks.__name__: print(name, flush=True))
ours = [n for n in range(signal.SIGRTMIN + 1, signal.SIGRTMAX) if signal.getsignal(n) != signal.SIG_DFL]
signal.pthread_sigmask(signal.SIG_BLOCK, ours)
print("begins", len(ours), flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
signal.pthread_sigmask(signal.SIG_UNBLOCK, ours)
print("comes", flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
"""


def test_main_thread_does_not_come(ckpt):
    job = launch(ckpt, PYTHON, LATE, options=["--timeout", "4"])
    job.wait_output("begins 1\n")
    path = ckpt.checkpoint()["image"]
    ckpt.file("go")
    job.wait_output("comes\n")
    ckpt.checkpoint()  # is told of again
    job.wait_output("after\n")
    assert job.output().splitlines() == ["begins 1", "comes", "before", "after"]
    assert "checkpoint 1 was made without its hooks: the main thread did not come to a safe point " \
           "within 2 s" in job.errors()
    job.kill()
    job = ckpt.restart(path, job)
    job.wait_output("comes\n")
    ckpt.file("end")
    job.wait()
    assert job.output().splitlines() == ["begins 1", "on_restart", "comes"]


SECTION = r"""
import os, time
import ckpt

a = b = 0
@ckpt.before
def look():
    assert a == b
    print("whole", flush=True)
@ckpt.on_restart
def back():
    assert a == b
    print("whole again", flush=True)

while not os.path.exists("end"):
    with ckpt.critical():
        a += 1
        with ckpt.critical():
            time.sleep(0.005)
            try:
                ckpt.checkpoint()
            except ckpt.CheckpointError as e:
                assert "critical" in str(e)
        b += 1
    if a == 5:
        print("begins", flush=True)
    assert a == b
"""


def test_critical(ckpt):
    job = launch(ckpt, PYTHON, SECTION)
    job.wait_output("begins\n")
    for n in range(3):
        path = ckpt.checkpoint()["image"]
        job.kill()
        job = ckpt.restart(path, job)
        job.wait_output("whole\nwhole again\n" * (n + 1))
    ckpt.file("end")
    job.wait()
    assert "hook" not in job.errors()


THREAD = r"""
import os, threading, time
import ckpt

me = threading.current_thread()
told = []
for hooks in (ckpt.before, ckpt.after, ckpt.on_restart):
    @hooks
    def hook(name=hooks.__name__):
        told.append(name)
        told.append(threading.current_thread() is me)
def ask():
    print(ckpt.checkpoint(wait=False).restarted, told, flush=True)
t = threading.Thread(target=ask)
t.start()
t.join()
try:
    ckpt.before(lambda: ckpt.checkpoint())
    ckpt.checkpoint(keep=0)
    print(told[4:])
    ckpt.every(-1)
except ValueError as e:
    print(e)
"""


def test_asked_for_by_another_thread(ckpt):
    job = launch(ckpt, PYTHON, THREAD)
    job.wait()
    rest = ["['before', True, 'after', True]", "every(-1): must be at least a second"]
    assert job.output().splitlines() == ["False ['before', True, 'after', True]", *rest]
    assert "a hook can't ask for a checkpoint" in job.errors()
    again = ckpt.restart(image(ckpt, 1), job)
    again.wait()
    assert again.output().splitlines() == ["True ['before', True, 'on_restart', True]", *rest]


CHILDREN = r"""
import multiprocessing, os, time
import ckpt

def say(what):
    with open("%s-%d" % (what, os.getpid()), "a") as f:
        f.write(what + "\n")
for hooks in (ckpt.before, ckpt.after, ckpt.on_restart):
    hooks(lambda name=hooks.__name__: say(name))
def work():
    while not os.path.exists("end"):
        time.sleep(0.01)
children = [multiprocessing.Process(target=work) for _ in range(3)]
for c in children:
    c.start()
print("begins", *(c.pid for c in children), flush=True)
work()
for c in children:
    c.join()
print("end", [c.exitcode for c in children])
"""


def test_hooks_of_forked_children(ckpt):
    job = launch(ckpt, PYTHON, CHILDREN)
    job.wait_output("begins")
    path = ckpt.checkpoint()["image"]

    def told(what):
        pids = [job.pid, *map(int, job.output().splitlines()[0].split()[1:])]
        return all(os.path.exists(ckpt.path("%s-%d" % (what, pid))) for pid in pids)
    ckpttest.wait_for(lambda: told("before") and told("after"), job.story)
    job.kill()
    job = ckpt.restart(path, job)
    ckpttest.wait_for(lambda: told("on_restart"), job.story)
    ckpt.file("end")
    job.wait()
    assert job.output().splitlines()[-1] == "end [0, 0, 0]"


NEW_CHILD = r"""
import ctypes, os, time
import ckpt

for hooks in (ckpt.before, ckpt.after, ckpt.on_restart):
    hooks(lambda name=hooks.__name__: open("%s-%d" % (name, os.getpid()), "w").close())
os.dup2(os.pipe()[0], 0)
libc = ctypes.CDLL(None)
libc.__register_atfork(None, None, libc.getchar, None)  # in the child, until a signal comes
child = os.fork()
if child:
    print("begins", child, flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
"""


def test_hooks_of_a_child_that_has_not_begun(ckpt):
    """Python forgets the signal that comes before it knows that it is a child."""
    job = launch(ckpt, PYTHON, NEW_CHILD)
    job.wait_output("begins")
    child = int(job.output().split()[1])
    path = ckpt.checkpoint()["image"]
    ckpttest.wait_for(lambda: os.path.exists(ckpt.path("after-%d" % child)), job.story)
    assert os.path.exists(ckpt.path("before-%d" % child))
    job.kill()
    job = ckpt.restart(path, job)
    ckpttest.wait_for(lambda: os.path.exists(ckpt.path("on_restart-%d" % child)), job.story)
    ckpt.file("end")
    job.wait()


NAMED = r"""
import os, time
import ckpt

n = 0
for n in range(4):
    done = ckpt.checkpoint("state.ckpt")
    assert done.path == os.path.abspath("state.ckpt") and ckpt.generation() == 0
    print(n, done.restarted, flush=True)
ckpt.checkpoint(keep=1)
try:
    ckpt.save_workspace("nowhere/state.ckpt")
except ckpt.CheckpointError as e:
    print(e)
print(ckpt.checkpoint().restarted, ckpt.generation(), sorted(os.listdir(".")), flush=True)
"""


def test_named_image(ckpt):
    job = launch(ckpt, PYTHON, NAMED)
    job.wait()
    lines = job.output().splitlines()
    assert lines[:4] == ["%d False" % n for n in range(4)]
    assert "nowhere" in lines[4]
    assert lines[5:] == ["False 2 ['prog.py', 'state.ckpt']"]
    assert sorted(f.split(".", 1)[1] for f in os.listdir(ckpt.images)) == ["00001.ckpt", "00002.ckpt", "ckpt"]
    command = [PYTHON, "-m", "ckpt", "restore", ckpt.path("state.ckpt")]
    done = subprocess.run(command, env=ckpt.env(pythontest.environment(ckpt)), cwd=ckpt.work,
                          stderr=subprocess.PIPE, text=True, **ckpt.as_user)
    assert done.returncode == 0, done.stderr
    assert job.output().splitlines() == lines[:3] + ["3 True", lines[4], "False 4 ['prog.py', 'state.ckpt']"]


EVERY_SECOND = r"""
import os, time
import ckpt

ckpt.every(1)
print("begins", flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
ckpt.every(None)
print(ckpt.generation() > 2)
"""


def test_every(ckpt):
    job = launch(ckpt, PYTHON, EVERY_SECOND, options=["--keep", "1"])
    job.wait_output("begins\n")

    def newest():
        return max([0] + [int(f.split(".")[-2]) for f in os.listdir(ckpt.images) if f.count(".") == 2])
    ckpttest.wait_for(lambda: newest() >= 2, job.story)
    job.kill()
    with contextlib.suppress(ckpttest.Failure):  # the next one has it from the restarted program
        ckpt.command("--quit")
    last = newest()
    link = [f for f in os.listdir(ckpt.images) if f.count(".") == 1]
    job = ckpt.restart(os.path.join(ckpt.images, link[0]), job)
    ckpttest.wait_for(lambda: newest() > last, job.story)
    ckpt.file("end")
    job.wait()
    assert job.output() == "begins\nTrue\n"


@EVERY
def test_not_launched(ckpt, python):
    source = ckpt.file("prog.py", "import ckpt\n"
                       "ckpt.before(print)\n"
                       "with ckpt.critical(): print(ckpt.is_enabled(), ckpt.generation())\n"
                       "for f in (ckpt.checkpoint, lambda: ckpt.every(5)):\n"
                       "    try: f()\n"
                       "    except ckpt.NotLaunchedError as e: print(e)\n")
    out = ckpt.uninterrupted([python, source, "two words"], env=pythontest.environment(ckpt))
    command = "ckpt_launch %s %s 'two words'" % (python, source)
    assert out.splitlines() == ["False 0"] + [
        what + " needs a program that was launched under ckpt: " + command
        for what in ("a checkpoint", "an interval")]


def module(ckpt, *args):
    return subprocess.run([PYTHON, "-m", "ckpt", *args], env=ckpt.env(pythontest.environment(ckpt)), cwd=ckpt.work,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **ckpt.as_user)


def test_module(ckpt):
    program = ckpt.file("prog.py", "import ckpt, sys\nprint(ckpt.is_enabled(), sys.argv[1:])\nsys.exit(3)\n")
    done = module(ckpt, "run", "--ckptdir", ckpt.images, program, "--keep", "2")
    assert (done.returncode, done.stdout) == (3, "True ['--keep', '2']\n"), done.stderr
    done = module(ckpt, "run", "--ckptdir", ckpt.images, "-m", "prog", "a")
    assert (done.returncode, done.stdout) == (3, "True ['a']\n"), done.stderr
    done = module(ckpt, "restore", ckpt.path("none.ckpt"))
    assert done.returncode == 125 and "none.ckpt" in done.stderr
    assert module(ckpt, "run").returncode != 0


def test_pip(ckpt):
    """From the tree, as documented."""
    tree = ckpt.path("python")
    subprocess.run(["cp", "-r", os.path.join(ckpttest.TREE, "lib/python"), tree], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--root-user-action",
                    "ignore", "--target", ckpt.path("site"), tree], check=True, env=ckpt.env())
    out = ckpt.uninterrupted([PYTHON, "-c", "import ckpt; print(ckpt.__file__)"],
                             env={"PYTHONPATH": ckpt.path("site")})
    assert out == ckpt.path("site/ckpt/__init__.py\n")
    assert os.path.exists(ckpt.path("site/ckpt/py.typed"))
