"""What can go wrong, and what to do about it."""

from __future__ import annotations

import shlex


class Error(RuntimeError):
    """Any failure of this package."""


class CheckpointError(Error):
    """A checkpoint was refused or failed; the message says why, and the program goes on."""


class NotLaunchedError(Error):
    """The program does not run under ckpt; the message has the command by which it would."""

    def __init__(self, what: str = "a checkpoint") -> None:
        super().__init__("%s needs a program that was launched under ckpt: ckpt_launch %s" % (
            what, shlex.join(command_line())))


def command_line() -> list[str]:
    """The command that this process was started with."""
    with open("/proc/self/cmdline", "rb") as f:
        return [arg.decode(errors="surrogateescape") for arg in f.read().split(b"\0")[:-1]]
