"""Jobs of many processes that share a terminal with whoever restarts them."""

import contextlib
import json
import os
import signal

import pytest

from ckpttest import wait_for

USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]


def members(ckpt):
    """Pids of the job's processes, as we see them."""
    answer = ckpt.command("--list", "--json", expect=None)
    jobs = json.loads(answer.stdout)["jobs"] if answer.returncode == 0 else []
    return [m["pid"] for job in jobs for m in job["members"]]


def checkpoint(ckpt):
    return json.loads(ckpt.command("--checkpoint", "--json").stdout)["jobs"][0]["image"]


def kill_job(ckpt):
    """kill -9 of all processes of the job; returns how many there were."""
    pids = members(ckpt)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not members(ckpt), "the job to end")
    return len(pids)


def restart_typed(ckpt, sh, image, n):
    """Type ckpt_restart, and wait until all n processes are known."""
    sh.say("ckpt_restart " + image)
    wait_for(lambda: len(members(ckpt)) == n, lambda: "%d processes: %s" % (n, sh.p.before))


# ---- a shell with job control of its own ----

READER = 'while read l; do echo "got $l"; done | cat'


def shell_set_up(ckpt, sh):
    sh.say("ckpt_launch --ckptdir %s --name it /bin/bash --norc --noediting -i" % ckpt.images)
    sh.expect("\nSHELL> ")
    sh.say("PS1='JOB> '")
    sh.expect("\nJOB> ")
    sh.say("sleep 1000 &")
    sh.expect("\nJOB> ")
    sh.say("sleep 2000 | cat &")
    sh.expect("\nJOB> ")
    sh.say("cat -u")
    sh.say("first")
    sh.expect("first\r\nfirst\r\n")
    stop(sh, "cat -u", "JOB")
    read_lines(sh, READER, "hello")


def stop(sh, what, prompt):
    sh.p.send("\x1a")  # Ctrl-Z
    sh.expect("Stopped +" + what)
    sh.expect("\n%s> " % prompt)


def read_lines(sh, command, line):
    if command:
        sh.say(command)
    sh.say(line)
    sh.expect("\ngot " + line)


def jobs_are(sh, running, stopped):
    sh.say("jobs")
    sh.expect("\nJOB> ")
    for line in running:
        assert "Running                 " + line in sh.p.before, sh.p.before
    for line in stopped:
        assert "Stopped                 " + line in sh.p.before, sh.p.before


def shell_exercise(sh):
    """What a user does with jobs, ending as it began."""
    sh.p.send("\x03")  # Ctrl-C
    sh.expect("\nJOB> ")
    jobs_are(sh, ["sleep 1000 &", "sleep 2000 | cat &"], ["cat -u"])
    sh.say("kill %?1000; wait %?1000; sleep 1000 &")
    sh.expect("Terminated +sleep 1000")
    sh.expect("\nJOB> ")
    sh.say("fg '%?cat -u'")
    sh.say("second")
    sh.expect("second\r\nsecond\r\n")
    stop(sh, "cat -u", "JOB")
    sh.say("sh -c 'echo on; exec sleep 100'")
    sh.expect("\non")
    stop(sh, "sh -c", "JOB")
    sh.say("bg; kill %sh; wait %sh")
    sh.expect("Terminated +sh -c")
    sh.expect("\nJOB> ")
    sh.say("suspend")
    sh.expect("Stopped +ckpt_restart")
    sh.expect("\nSHELL> ")
    sh.say("fg")
    sh.say("echo; echo back $((1 + 1))")
    sh.expect("\nback 2")
    sh.expect("\nJOB> ")
    read_lines(sh, READER, "hello")


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_interactive_shell(ckpt, shells):
    """Its foreground pipeline goes on to read, its background jobs run, its stopped one is stopped."""
    sh = shells()
    shell_set_up(ckpt, sh)
    image = checkpoint(ckpt)
    for _ in range(2):
        read_lines(sh, None, "more")
        n = kill_job(ckpt)
        sh = shells()
        restart_typed(ckpt, sh, image, n)
        read_lines(sh, None, "again")
        shell_exercise(sh)
        image = checkpoint(ckpt)
    sh.p.send("\x04")  # Ctrl-D, to the reader
    sh.expect("\nJOB> ")
    sh.say("fg '%?cat -u'")
    sh.say("third")
    sh.expect("third\r\nthird\r\n")
    sh.p.send("\x03")
    sh.expect("\nJOB> ")
    sh.say("kill %?1000 %?2000; exit 5")
    sh.expect("\nSHELL> ")
    sh.say("echo status $?")
    sh.expect("status 5")


# ---- several processes in the foreground ----

GROUP = """
import os, signal, sys, time
def run(name, first):
    n = 0
    try:
        while True:
            n += 1
            print(name, n, os.getpgrp() == first and os.tcgetpgrp(0) == first, flush=True)
            time.sleep(0.05)
    except KeyboardInterrupt:
        print(name, "interrupted", flush=True)
first = os.getpgrp()
child = os.fork()
run("parent" if child else "child", first)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) + 3)
"""


def both_tick(sh):
    for name in "parent", "child", "parent", "child":
        sh.expect(name + r" \d+ True\r\n")


def group_exercise(sh):
    both_tick(sh)
    stop(sh, "ckpt_", "SHELL")
    sh.say("fg")
    both_tick(sh)


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_what_is_typed_goes_to_all_in_the_foreground(ckpt, shells):
    ckpt.file("group.py", GROUP)
    sh = shells()
    sh.say("ckpt_launch --ckptdir %s --name it /usr/bin/python3 group.py" % ckpt.images)
    group_exercise(sh)
    image = checkpoint(ckpt)
    n = kill_job(ckpt)
    sh = shells()
    restart_typed(ckpt, sh, image, n)
    group_exercise(sh)
    sh.p.send("\x03")
    sh.expect("(parent|child) interrupted")
    sh.expect("(parent|child) interrupted")
    sh.expect("\nSHELL> ")
    sh.say("echo status $?")
    sh.expect("status 3")


# ---- full screen ----

SCREEN = """
import curses
def main(screen):
    n = 0
    while True:
        screen.erase()
        screen.addstr(0, 0, "painted %d size %d %d." % (n, *screen.getmaxyx()))
        screen.refresh()
        key = screen.getch()
        n += key == ord("n")
        if key == ord("q"):
            return
curses.wrapper(main)
print("left")
"""


@pytest.mark.parametrize("size", [(30, 100), (24, 80)])
def test_full_screen_is_painted_anew(ckpt, shells, size):
    """Also on a terminal of the same size: it shows something else."""
    ckpt.extra_env["TERM"] = "xterm"
    ckpt.file("screen.py", SCREEN)
    sh = shells()
    sh.say("ckpt_launch --ckptdir %s --name it /usr/bin/python3 screen.py" % ckpt.images)
    sh.expect("painted 0 size 24 80")
    sh.p.send("n")
    image = checkpoint(ckpt)
    n = kill_job(ckpt)
    sh = shells(size=size)
    restart_typed(ckpt, sh, image, n)
    sh.expect("painted 1 size %d %d" % size)
    sh.p.send("q")
    sh.expect("left")
    sh.expect("SHELL> ")


# ---- the end ----

def test_status_when_the_first_has_ended(ckpt):
    """Whoever waits is not told the end of a process that it did not start."""
    job = ckpt.launch(["/bin/sh", "-c", "(sleep 1000; sleep 1000) & (sleep 1000 & wait; exit 7) & exit 0"])
    job.wait(0)
    wait_for(lambda: len(members(ckpt)) == 4, "the daemons")
    image = checkpoint(ckpt)
    assert kill_job(ckpt) == 4
    job = ckpt.restart(image, job)
    wait_for(lambda: len(members(ckpt)) == 4, lambda: "the daemons: " + job.story())

    def end_sleepers():
        for pid in members(ckpt):
            with contextlib.suppress(OSError), open("/proc/%d/comm" % pid) as f:
                if f.read() == "sleep\n":
                    os.kill(pid, signal.SIGTERM)
        return not job.running()
    wait_for(end_sleepers, job.story)
    job.wait(0)
