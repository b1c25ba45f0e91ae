"""A program on a terminal, restarted on another one: its signals, its stop and its line of input."""

import json
import os
import signal

import pytest

PROGRAM = """
import os, sys, time
def ids():
    return os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0)
first = ids()
n = 0
while True:
    try:
        n += 1
        print("tick", n, ids() == first, os.getpgrp() == os.tcgetpgrp(0), flush=True)
        time.sleep(0.02)
        if n % 50 == 0:
            print("line", repr(input("? ")), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""

USERS = [pytest.param({"root": False}, id="user"), pytest.param({"root": True}, id="root")]


def exercise(sh):
    """What a user does to a program in the foreground."""
    sh.ticks()
    sh.p.sendintr()
    sh.expect("interrupted")
    sh.ticks()
    sh.p.send("\x1a")  # Ctrl-Z
    sh.expect("Stopped")
    sh.expect("SHELL> ")
    sh.say("fg")
    sh.ticks()
    sh.expect(r"\? ")
    sh.say("hello")
    sh.expect("line 'hello'")
    sh.ticks()


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_job_control(ckpt, shells):
    ckpt.file("program.py", PROGRAM)
    sh = shells()
    sh.say("ckpt_launch --ckptdir %s --name it /usr/bin/python3 program.py" % ckpt.images)
    exercise(sh)
    image = json.loads(ckpt.command("--checkpoint", "--json").stdout)["jobs"][0]["image"]
    sh.ticks()
    sh.p.send("\x1c")  # Ctrl-\
    sh.expect("SHELL> ")
    for _ in range(2):
        sh = shells()
        sh.say("ckpt_restart " + image)
        exercise(sh)
        image = json.loads(ckpt.command("--checkpoint", "--json").stdout)["jobs"][0]["image"]
        sh.ticks()
        sh.p.send("\x1c")
        sh.expect("SHELL> ")
        sh.say("echo status $?")
        sh.expect("status %d" % (128 + signal.SIGQUIT))


@pytest.mark.parametrize("ckpt", USERS, indirect=True)
def test_restart_in_background(ckpt, shells):
    """`ckpt_restart image &`: it runs on, and comes to the foreground with fg."""
    ckpt.file("program.py", PROGRAM)
    sh = shells()
    sh.say("ckpt_launch --ckptdir %s --name it /usr/bin/python3 program.py" % ckpt.images)
    sh.ticks()
    image = json.loads(ckpt.command("--checkpoint", "--json").stdout)["jobs"][0]["image"]
    sh.p.send("\x1c")
    sh.expect("SHELL> ")
    sh.say("ckpt_restart %s &" % image)
    sh.expect(r"tick \d+ True False\r\n")
    sh.say("fg")
    sh.expect(r"\? ")
    sh.say("hello")
    sh.expect("line 'hello'")
    sh.ticks()
    sh.p.send("\x1c")
    sh.expect("SHELL> ")
