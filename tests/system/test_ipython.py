"""IPython's magics, typed at a terminal: %checkpoint, %checkpoints, %rollback, %autocheckpoint."""

import os
import signal
import sqlite3

import pytest

import ckpttest
import pythontest
import screentest

PYTHON = "/usr/bin/python3"
USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]


class Session(screentest.Screen):
    """IPython under ckpt_launch, started from a shell."""

    def __init__(self, ckpt, *options):
        ckpt.extra_env.update(pythontest.environment(ckpt, TERM="xterm"))
        super().__init__(ckpt)
        self.ckpt = ckpt
        self.number = 0
        self.enter("%s --ckptdir %s %s %s -m IPython --no-banner --no-confirm-exit --no-autoindent" % (
            ckpt.installed.bin("ckpt_launch"), ckpt.images, " ".join(options), PYTHON))
        self.prompt(1)

    def enter(self, line):
        """Type a line on an empty screen, which IPython clears itself."""
        if self.number:
            self.p.send("\x0c")
            ckpttest.wait_for(self.is_clear, lambda: "\n".join(self.lines()))
        else:
            self.clear()
        self.p.send(line + "\r")

    def is_clear(self):
        self.read()
        first, *rest = self.lines()
        return first == "In [%d]:" % self.number and not any(rest)

    def prompt(self, number):
        self.expect(r"In \[%d\]: $" % number)
        self.number = number

    def cell(self, line):
        """Type a line, wait for the next prompt; what was printed."""
        self.enter(line)
        self.prompt(self.number + 1)
        return "\n".join(self.lines())

    def pid(self):
        """The session's, as it sees itself."""
        self.enter("import os; print('pid', os.getpid())")
        pid = int(self.expect(r"^pid (\d+)")[1])
        self.prompt(self.number + 1)
        return pid

    def back_to(self, number, name):
        """After a %rollback: the session asks for In[number]."""
        self.expect("This is the session as it was at %s" % name)
        self.prompt(number)

    def leave(self, status=0):
        self.enter("exit")
        self.expect("SHELL> $")
        self.number = 0
        self.enter("echo status $?")
        self.expect("status %d" % status)


@pytest.fixture
def sessions(ckpt):
    made = []

    def make(*options):
        made.append(Session(ckpt, *options))
        return made[-1]
    yield make
    for s in made:
        s.p.close(force=True)


def supervisors(ckpt):
    """Those ckpt_restart that are the shell's children or below, of this test."""
    return [pid for pid, environ in ckpttest.processes()
            if ckpt.mark.encode() in environ and ckpttest.comm(pid) == "ckpt_restart"
            and ckpttest.comm(ckpttest.proc_stat(pid)[1]) == "bash"]


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_rollback(ckpt, sessions):
    """What no pickle has: a generator in the middle, an open file's position, a lambda."""
    s = sessions()
    s.cell("%load_ext ckpt")
    s.cell("x = [1, 2, 3]; squares = (i * i for i in range(100)); next(squares), next(squares)")
    s.cell("log = open('log', 'w'); log.write('before'); log.flush()")
    assert "Saved as first" in s.cell("%checkpoint first")
    assert "Out[5]: 4" in s.cell("next(squares)")
    s.cell("x.append(4); log.write('after'); log.flush(); y = lambda: 7")
    assert "Saved as second" in s.cell("%checkpoint second")
    table = s.cell("%checkpoints").splitlines()
    rows = [line.split() for line in table if line.startswith(("first", "second"))]
    assert [(r[0], r[2], r[4]) for r in rows] == [("first", "s", "MB"), ("second", "s", "MB")]
    assert "log = open('log', 'w')" in "\n".join(table) and "x.append(4)" in "\n".join(table)
    s.enter("%rollback first")
    s.back_to(5, "first")
    assert "Out[5]: (4, [1, 2, 3])" in s.cell("next(squares), x")
    assert "NameError" in s.cell("y")
    s.enter("%rollback second")  # a session that is ahead
    s.back_to(8, "second")
    assert "Out[8]: (9, [1, 2, 3, 4], 7)" in s.cell("next(squares), x, y()")
    assert "Out[9]: 4" in s.cell("Out[5]")
    s.leave()
    with open(ckpt.path("log")) as f:
        assert f.read() == "beforeafter"


def test_rollbacks_do_not_nest(ckpt, sessions):
    """One ckpt_restart, the shell's child with the pid of the first session, however often."""
    s = sessions()
    s.cell("%load_ext ckpt")
    s.cell("import os")
    first = s.pid()
    s.cell("%checkpoint here")
    for _ in range(36):  # more than user namespaces nest
        s.enter("%rollback here")
        s.back_to(5, "here")
        assert supervisors(ckpt) == [first]
    assert s.pid() == first
    s.leave()


def test_terminal_after_rollback(ckpt, sessions):
    """Completion, history by the arrow, editing in the line, Ctrl-C, Ctrl-Z and fg, another size, a pager's raw mode."""
    s = sessions()
    s.cell("%load_ext ckpt")
    s.cell("variable_with_a_name = 'value'; import os, time, termios, tty")
    s.cell("%checkpoint here")
    s.enter("%rollback here")
    s.back_to(4, "here")
    s.p.send("variable_w\t")
    s.expect("variable_with_a_name")
    s.p.send("\r")
    s.expect(r"Out\[4\]: 'value'")
    s.prompt(5)
    s.p.send("\x1b[A")  # up
    s.expect(r"In \[5\]: variable_with_a_name")
    s.p.send("\x01[\x05, 1]\r")  # to the beginning, to the end
    s.expect(r"Out\[5\]: \['value', 1\]")
    s.prompt(6)
    s.enter("print('now'); time.sleep(1000)")
    s.expect("^now $")  # the terminal is not raw any more
    s.p.send("\x03")
    s.expect("KeyboardInterrupt")
    s.prompt(7)
    s.enter("import signal; os.kill(os.getpid(), signal.SIGTSTP); 'continued'")
    s.expect("Stopped")
    s.number = 0
    s.enter("fg")
    s.expect(r"Out\[7\]: 'continued'")
    s.prompt(8)
    s.enter("old = termios.tcgetattr(0); tty.setcbreak(0); print('key?'); os.read(0, 1)")
    s.expect(r"^key\?")
    s.p.send("q")
    s.expect(r"Out\[8\]: b'q'")
    s.prompt(9)
    s.cell("termios.tcsetattr(0, termios.TCSANOW, old)")
    assert "columns=100, lines=40" in s.cell("os.get_terminal_size()")
    s.leave()


def history(ckpt):
    """Source lines in IPython's database."""
    db = sqlite3.connect("file:%s?mode=ro" % ckpt.path(".ipython/profile_default/history.sqlite"), uri=True)
    try:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        return [row[0] for row in db.execute("select source_raw from history order by session, line")]
    finally:
        db.close()


def test_history_database(ckpt, sessions):
    """Nothing that was entered is lost from it, in this session or in another one meanwhile."""
    s = sessions()
    s.cell("%load_ext ckpt")
    s.cell("'one'")
    s.cell("%checkpoint here")
    s.cell("'two'")
    other = screentest.Screen(ckpt)
    other.p.send("%s -m IPython --no-banner --no-confirm-exit\r" % PYTHON)
    other.expect(r"In \[1\]: $")
    other.p.send("'of another session'\r")
    other.expect(r"In \[2\]: $")
    s.enter("%rollback here")
    s.back_to(4, "here")
    s.cell("'three'")
    other.p.send("exit\r")
    other.expect("SHELL> $")
    other.p.close(force=True)
    assert "In [5]" in "\n".join(s.lines())
    s.cell("%history -g three")
    s.leave()
    lines = history(ckpt)
    for entered in ("'one'", "'two'", "%rollback here", "'three'", "'of another session'"):
        assert lines.count(entered) == 1, lines


def test_killed_and_restarted_from_the_shell(ckpt, sessions):
    s = sessions()
    s.cell("%load_ext ckpt")
    s.cell("x = iter(range(5)); next(x)")
    s.cell("%checkpoint here")
    for _ in range(2):
        pid = s.pid()
        outer = [p for p, environ in ckpttest.processes()
                 if ckpt.mark.encode() in environ and ckpttest.proc_inner_pid(p) == pid
                 and not ckpttest.comm(p).startswith(("ckpt_", "bash"))]
        os.kill(outer[-1], signal.SIGKILL)
        s.expect("SHELL> $")
        s.clear()
        s.number = 0
        # It was killed in its prompt, the terminal raw; the answer to where the cursor is may have come since.
        s.p.send("\nstty sane; echo is sane $((1 + 1))\n")
        s.expect("is sane 2")  # not just the prompt of before
        (directory,) = [f for f in os.listdir(ckpt.images) if f.endswith(".session")]
        s.enter("%s -m ckpt restore %s" % (PYTHON, os.path.join(ckpt.images, directory, "here.ckpt")))
        s.back_to(4, "here")
        assert "Out[4]: 1" in s.cell("next(x)")
    assert "here" in s.cell("%checkpoints")
    s.leave()


def test_autocheckpoint_and_numbers(ckpt, sessions):
    """Taken while the session waits in its prompt, the terminal raw; the state comes back, and the line being typed."""
    s = sessions("--keep", "0")
    s.cell("%load_ext ckpt")
    s.cell("x = iter(range(5)); next(x)")
    s.cell("%autocheckpoint 1")

    def taken():
        s.read()
        return [f for f in os.listdir(ckpt.images) if f.endswith(".00001.ckpt")]
    ckpttest.wait_for(taken, "a checkpoint by itself")
    assert "No checkpoints by themselves" in s.cell("%autocheckpoint off")
    assert "Out[5]: 1" in s.cell("next(x)")
    s.cell("%checkpoint")
    rows = [line.split() for line in s.cell("%checkpoints").splitlines() if line[:1].isdigit()]
    assert rows[0][0] == "1" and rows[0][5:] == ["x", "=", "iter(range(5));", "next(x)"]
    assert rows[-1][5:] == ["next(x)"]
    s.enter("%rollback 1")
    s.expect(r"In \[4\]: $")
    s.number = 4
    assert "Out[4]: 1" in s.cell("next(x)")
    s.cell("%autocheckpoint off")
    s.leave()


def test_refusals(ckpt, sessions):
    s = sessions()
    s.cell("%load_ext ckpt")
    assert "there is none of that name" in s.cell("%rollback nowhere")
    assert "a name is letters" in s.cell("%checkpoint ../x")
    assert "%autocheckpoint 10m" in s.cell("%autocheckpoint soon")
    s.cell("%checkpoint here")
    (directory,) = [f for f in os.listdir(ckpt.images) if f.endswith(".session")]
    path = os.path.join(ckpt.images, directory, "here.ckpt")
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        f.write(b"damaged")
    assert "not what was written" in s.cell("%rollback here")  # verified first; the session is still there
    assert "Out[7]: 2" in s.cell("1 + 1")
    s.leave()


def test_not_launched(ckpt, sessions):
    ckpt.extra_env.update(pythontest.environment(ckpt, TERM="xterm"))
    s = screentest.Screen(ckpt)
    s.p.send("%s -m IPython --no-banner --no-confirm-exit\r" % PYTHON)
    s.expect(r"In \[1\]: $")
    s.clear()
    s.p.send("%load_ext ckpt\r")
    s.expect("saving this session needs a program that was launched under ckpt: ckpt_launch %s -m IP" % PYTHON)
    s.expect(r"In \[2\]: $")
    s.p.send("exit\r")
    s.expect("SHELL> $")
    s.p.close(force=True)
