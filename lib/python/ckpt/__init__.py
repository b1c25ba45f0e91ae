"""Checkpoints of this very program, as ckpt makes them.

A program under ``ckpt_launch`` can be saved without knowing of it. This package is for those that know
best when, or that have something outside to put in order before and after.

>>> import ckpt
>>> for step in range(10000):
...     advance()
...     if step % 100 == 99:
...         ckpt.checkpoint()

Nothing here runs while the program runs: no thread, no timer, no open file. Everything goes to
libckpt, which is in the process already; without it :func:`is_enabled` is false.
"""

from . import _environ
from ._api import (Checkpoint, checkpoint, critical, every, generation, is_enabled, save_workspace)
from ._errors import CheckpointError, Error, NotLaunchedError
from ._hooks import after, before, on_restart

__all__ = ["Checkpoint", "CheckpointError", "Error", "NotLaunchedError", "after", "before", "checkpoint",
           "critical", "every", "generation", "is_enabled", "on_restart", "save_workspace"]

_environ.refresh()


def load_ipython_extension(ipython: object) -> None:
    """What ``%load_ext ckpt`` calls."""
    from . import _ipython
    _ipython.load(ipython)


def unload_ipython_extension(ipython: object) -> None:
    """What ``%unload_ext ckpt`` calls."""
    from . import _ipython
    _ipython.unload(ipython)
