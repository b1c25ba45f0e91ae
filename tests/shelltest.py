"""A user at a terminal: an interactive shell on a pseudo terminal, typed to and read from."""

import os

import pexpect

import ckpttest


class Shell:
    """An interactive bash on a pty of its own, as the test's user."""

    def __init__(self, ckpt, size=(24, 80)):
        def become():
            if ckpt.as_user:
                os.setgroups([])
                os.setgid(ckpt.gid)
                os.setuid(ckpt.uid)
        self.p = pexpect.spawn("/bin/bash", ["--norc", "--noediting", "-i"], cwd=ckpt.work,
                               env=ckpt.env({"PS1": "SHELL> ", "PATH": "/usr/bin:/bin:" +
                                             os.path.join(ckpt.installed.prefix, "bin")}),
                               preexec_fn=become, dimensions=size, timeout=ckpttest.LIMIT, encoding="utf-8")
        self.expect("SHELL> ")
        self.say("set +m; set -m")
        self.expect("SHELL> ")

    def say(self, line):
        self.p.sendline(line)

    def expect(self, what):
        try:
            self.p.expect(what)
        except (pexpect.TIMEOUT, pexpect.EOF):
            raise ckpttest.Failure("%r did not come, but %r" % (what, self.p.before)) from None

    def ticks(self):
        for _ in range(3):
            self.expect(r"tick \d+ True True\r\n")
