"""Programs that make pseudo terminals, and those that run on them: restarted on another terminal, the screen
is what it was, and typing goes on.
"""

import contextlib
import json
import os
import shutil

import pexpect
import pyte
import pytest

import ckpttest

PYTHON = "/usr/bin/python3"
USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]
ROWS, COLUMNS = 24, 80


class Terminal:
    """A terminal with a screen, on which a command of the test's user runs."""

    def __init__(self, ckpt, argv):
        def become():
            if ckpt.as_user:
                os.fchown(0, ckpt.uid, ckpt.gid)
                os.setgroups([])
                os.setgid(ckpt.gid)
                os.setuid(ckpt.uid)
        env = ckpt.env({"PS1": "SHELL> ", "TERM": "linux", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin:" +
                        os.path.join(ckpt.installed.prefix, "bin")})
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.p = pexpect.spawn(argv[0], argv[1:], cwd=ckpt.work, env=env, preexec_fn=become,
                               dimensions=(ROWS, COLUMNS), timeout=ckpttest.LIMIT)

    def read(self, wait=0.05):
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            while True:
                self.stream.feed(self.p.read_nonblocking(65536, wait))

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def shown(self):
        self.read()
        return "\n".join(self.lines())

    def await_text(self, *texts):
        """Wait until all of them are on the screen."""
        def there():
            self.read()
            return all(any(text in line for line in self.screen.display) for text in texts)
        ckpttest.wait_for(there, lambda: "%r on the screen:\n%s" % (texts, self.shown()))

    def settle(self):
        """What is shown, when it has not changed for a while."""
        before = None
        while before != self.shown():
            before = self.shown()
            self.read(0.3)
        return before

    def type(self, text):
        self.p.send(text)

    def close(self):
        self.p.close(force=True)


@pytest.fixture
def terminals(ckpt):
    made = []

    def make(argv):
        made.append(Terminal(ckpt, argv))
        return made[-1]
    yield make
    for t in made:
        t.close()


def need(name):
    path = shutil.which(name, path="/usr/bin:/bin")
    if not path:
        pytest.skip(name + " is not installed")
    return path


def launch(ckpt, terminals, argv):
    return terminals([ckpt.installed.bin("ckpt_launch"), "--ckptdir", ckpt.images, "--name", "it", *argv])


def checkpoint(ckpt):
    def known():
        return json.loads(ckpt.command("--list", "--json", expect=None).stdout or "{}").get("jobs")
    ckpttest.wait_for(known, "the job")
    return json.loads(ckpt.command("--checkpoint", "--kill", "--json").stdout)["jobs"][0]["image"]


def restart(ckpt, terminals, old):
    """Checkpoint and kill what runs on the terminal; the one where it runs again."""
    image = checkpoint(ckpt)
    old.p.wait()
    old.close()
    return terminals([ckpt.installed.bin("ckpt_restart"), image])


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_script(ckpt, terminals):
    """script(1) has an interactive Python on its pseudo terminal."""
    t = launch(ckpt, terminals, [need("script"), "-q", "-c", PYTHON + " -q", "typescript"])
    t.await_text(">>> ")
    t.type("import os, sys; x = 41\n")
    t.type("def f(n):\n")
    t.await_text("... ")
    name = "half a li"
    t.type("    return '%s" % name)
    t.await_text(name)
    for _ in range(2):
        t = restart(ckpt, terminals, t)
    t.type("ne'\n\n")
    t.await_text("ne'", ">>> ")
    t.type("print(f(1), x + 1, os.ttyname(0), os.tcgetpgrp(0) == os.getpgrp())\n")
    t.await_text("half a line 42 /dev/pts/", "True")
    t.type("exit()\n")
    t.p.expect(pexpect.EOF)
    t.p.wait()
    assert t.p.exitstatus == 0


SPAWN = """
import os, pty, sys
print("outside", os.ttyname(0), flush=True)
status = pty.spawn(sys.argv[1:])
print("status", status, os.path.exists(os.ttyname(0)), flush=True)
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_spawn_vim(ckpt, terminals):
    """Python's pty.spawn() of vim, with a command begun and text not written yet."""
    vim = shutil.which("vim.basic") or need("vim.tiny")
    path = ckpt.file("poem.txt", "one\ntwo\nthree\n")
    t = launch(ckpt, terminals, [PYTHON, ckpt.file("spawn.py", SPAWN), vim, "-u", "NONE", "-N", "-i", "NONE", path])
    t.await_text("three", "poem.txt")
    t.type("Gofour\rfi")
    t.await_text("fi")
    before = t.settle()
    assert before.splitlines()[:5] == ["one", "two", "three", "four", "fi"]
    for _ in range(2):
        t = restart(ckpt, terminals, t)
        t.type("\x1b")  # to command mode
        t.settle()
        t.type("\x0c")  # ^L: paint the screen
        t.settle()
        assert t.lines()[:5] == before.splitlines()[:5]
        t.type("a")
    t.type("ve\x1b:set number\r")
    t.await_text("5 five")
    t.type("ggdd:wq\r")
    t.await_text("status 0 True")
    t.p.expect(pexpect.EOF)
    with open(path) as f:
        assert f.read() == "two\nthree\nfour\nfive\n"


TICKS = """
import time, sys
n = 0
while True:
    n += 1
    print(sys.argv[1], n, flush=True)
    time.sleep(0.1)
"""


def tmux_run(ckpt, *args):
    return ckpt.uninterrupted([need("tmux"), "-S", ckpt.path("socket"), *args])


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_tmux(ckpt, terminals):
    """tmux with two panes: an interactive Python, and one that prints."""
    ticks = ckpt.file("ticks.py", TICKS)
    t = launch(ckpt, terminals, [need("tmux"), "-S", ckpt.path("socket"), "-f", "/dev/null", "new-session",
                                 "-n", "work", PYTHON + " -q", ";", "split-window", "-h",
                                 "%s %s tick" % (PYTHON, ticks), ";", "select-pane", "-L"])
    t.await_text(">>> ", "tick 3")
    t.type("x = 6\n")
    t.type("x * ")
    t.await_text(">>> x * ")
    for _ in range(2):
        pane = tmux_run(ckpt, "capture-pane", "-p", "-t", ".0")
        ticked = ticks_shown(t)
        t = restart(ckpt, terminals, t)
        t.await_text(">>> x * ", "[0] 0:work*")
        assert tmux_run(ckpt, "capture-pane", "-p", "-t", ".0") == pane
        ckpttest.wait_for(lambda: ticks_shown(t) > ticked + 2, lambda: "ticks:\n" + t.shown())
        assert ticks_shown(t) < ticked + 1000
    t.type("7\n")
    t.await_text("42")
    t.type("exit()\n")
    t.await_text("tick ")
    t.type("\x03")
    t.await_text("[exited]")


class Numbers:
    """Pseudo terminals that take all numbers but one."""

    def __init__(self):
        self.pairs = []

    def leave(self, number):
        """Have the one that is made next have this number."""
        while True:
            pair = os.openpty()
            name = os.ttyname(pair[1])
            if name == "/dev/pts/%d" % number:
                for fd in pair:
                    os.close(fd)
                return
            assert len(self.pairs) < 500, name
            self.pairs.append(pair)

    def close(self):
        for fd in [fd for pair in self.pairs for fd in pair]:
            os.close(fd)


# Its parent gives it the terminal, which is not that of its session; its own has a number.
PAIR = """
import os, pty, sys, time
if os.fork():
    os.wait()
    sys.exit()
os.setsid()
master, slave = pty.openpty()
print("inside", os.ttyname(slave), flush=True)
outside = os.open(os.ttyname(0), os.O_RDWR | os.O_NOCTTY)
while True:
    line = os.read(outside, 100)
    os.write(outside, b"got " + line)
    os.write(master, b"to the inside\\n")
    os.write(outside, os.read(slave, 100))
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_number_of_one_inside(ckpt, terminals):
    """The terminal of the restart has the number of one of the job's own."""
    t = launch(ckpt, terminals, [PYTHON, ckpt.file("pair.py", PAIR)])
    t.await_text("inside")
    number = int(t.shown().split("/dev/pts/")[1].split()[0])
    for round in "abc":
        t.type(round + "\n")
        t.await_text("got " + round, "to the inside")
        numbers = Numbers()
        image = checkpoint(ckpt)
        t.p.wait()
        t.close()
        numbers.leave(number)
        t = terminals([ckpt.installed.bin("ckpt_restart"), image])
        numbers.close()
    t.type("d\n")
    t.await_text("got d", "to the inside")


# Its standard streams are others; it has the terminal as tcsh has.
APART = """
import os
fd = os.dup(0)
name = os.ttyname(fd)
null = os.open("/dev/null", os.O_RDWR)
for n in range(3):
    os.dup2(null, n)
os.write(fd, b"begun\\n")
while True:
    os.write(fd, b"got " + os.read(fd, 100))
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_terminal_that_is_no_standard_stream(ckpt, terminals):
    t = launch(ckpt, terminals, [PYTHON, ckpt.file("apart.py", APART)])
    t.await_text("begun")
    for round in "abc":
        t = restart(ckpt, terminals, t)
        t.type(round + "\n")
        t.await_text("got " + round)


def ticks_shown(t):
    numbers = [line.rpartition("tick ")[2].strip() for line in t.shown().splitlines() if "tick " in line]
    return max([int(n) for n in numbers if n.isdigit()], default=0)


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_bash(ckpt, terminals):
    """An interactive bash with job control: one job stopped, one in the background, one in the foreground."""
    t = launch(ckpt, terminals, [need("script"), "-q", "-c", "/bin/bash --norc -i", "typescript"])
    t.await_text("SHELL> ")
    t.type("cat\n")
    t.type("first\n")
    t.await_text("first")
    t.type("\x1a")
    t.await_text("Stopped")
    t.type("sleep 1000 &\n")
    t.await_text("[2]")
    t.type("cat > out.txt\n")
    t.settle()
    t.type("saved\nhalf")
    t.await_text("half")
    for _ in range(2):
        t.settle()
        t = restart(ckpt, terminals, t)
    t.type(" a line\n\x04")
    t.await_text("SHELL> ")
    t.type("clear; jobs\n")
    t.await_text("[1]+  Stopped                 cat", "[2]-  Running                 sleep 1000 &")
    with open(ckpt.path("out.txt")) as f:
        assert f.read() == "saved\nhalf a line\n"
    t.type("fg\n")
    t.type("again\n")
    t.await_text("again")
    t.type("\x03")
    t.type("kill %2; wait; echo interrupted $?\n")
    t.await_text("interrupted")
    t.type("exit\n")
    t.p.expect(pexpect.EOF)


PEXPECT = """
import pexpect, sys
p = pexpect.spawn(sys.executable, ["-q"], encoding="utf-8", timeout=60)
p.expect(">>> ")
for i in range(int(sys.argv[1])):
    p.sendline("%d * 1001" % i)
    p.expect(r"\\r\\n(?:\\x1b\\S*)?(\\d+)\\r\\n(?:\\x1b\\S*)?>>> ")
    print(i, p.match.group(1), flush=True)
p.sendeof()
p.expect(pexpect.EOF)
p.close()
print("status", p.exitstatus)
"""


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_pexpect(ckpt):
    """A program that types to another and reads its answers, at any moment."""
    ckpt.chain([PYTHON, ckpt.file("expect.py", PEXPECT), "300"], generations=5)
