"""The functions that a program calls."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Iterator, Optional, Union

from . import _environ, _hooks, _lib
from ._errors import CheckpointError, NotLaunchedError

Path = Union[str, "os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What became of a checkpoint.

    Attributes
    ----------
    restarted : bool
        False in the program that went on, true in the one that was restarted from the image.
    path : str
        The image.
    bytes : int or None
        Its size; None when that is not known: after a restart, and with ``wait=False``.
    pause : float or None
        Seconds for which the program stood still; None after a restart.
    """

    restarted: bool
    path: str
    bytes: Optional[int] = None
    pause: Optional[float] = None


def _reason(err: int, info: _lib.Info) -> str:
    if info.error:
        return str(info.error.decode(errors="replace"))
    return os.strerror(err)


def checkpoint(path: Optional[Path] = None, *, keep: Optional[int] = None, wait: bool = True) -> Checkpoint:
    """Save this program, with all processes of its job.

    Returns twice: in the program, and again in each that is restarted from the image.

    Parameters
    ----------
    path : path-like, optional
        The image's name. It replaces a file of that name, and is never removed by ckpt. Without it the image is
        the job's next generation, in the directory that ``ckpt_launch`` was given.
    keep : int, optional
        How many generations to keep when this one is there, 0 for all; the job's own number when left out.
    wait : bool, default True
        Whether to return when the image is on disk. Else at once when the program goes on: then a failure while
        the image is written is not told.

    Returns
    -------
    Checkpoint

    Raises
    ------
    NotLaunchedError
        The program does not run under ckpt.
    CheckpointError
        It was refused or failed. The program is as it was.
    """
    if not _lib.is_enabled():
        raise NotLaunchedError
    if keep is not None and not 0 <= keep < 1 << 31:
        raise ValueError("keep is %r: a number of generations, or 0 for all" % (keep,))
    if _hooks.in_section():
        raise CheckpointError("no checkpoint can be made inside of ckpt.critical()")
    name = None if path is None else os.fsencode(os.path.abspath(path))
    info = _lib.Info()
    got = _hooks.run(lambda: _lib.checkpoint(name, keep, wait, info))
    _environ.refresh()
    if got < 0:
        raise CheckpointError(_reason(-got, info))
    restarted = got == _lib.RESTARTED
    return Checkpoint(restarted, os.fsdecode(info.path), info.bytes if wait and not restarted else None,
                      None if restarted else info.pause_ns / 1e9)


def save_workspace(path: Path) -> Checkpoint:
    """Save the whole session to a file, to be gone on with by ``python -m ckpt restore PATH``.

    What dill.dump_session() does for what can be pickled, for all there is: threads, generators, open files.

    Parameters
    ----------
    path : path-like
        The file. It replaces one of that name.

    Returns
    -------
    Checkpoint
    """
    return checkpoint(path)


def is_enabled() -> bool:
    """Whether this process can be checkpointed: whether it was launched under ckpt."""
    _environ.refresh()
    return _lib.is_enabled()


def generation() -> int:
    """The number of the newest image of this program: restarted from it, or made last; 0 when there is none.

    Images with a name of their own (``checkpoint(path)``) are not counted.
    """
    _environ.refresh()
    return _lib.generation()


def every(seconds: Optional[float]) -> None:
    """Have a checkpoint made every so many seconds from now on, by the coordinator.

    Parameters
    ----------
    seconds : float or None
        At least 1; 0 or None for no more.

    Raises
    ------
    NotLaunchedError
        The program does not run under ckpt.
    CheckpointError
        There is no coordinator, and none could be started.
    """
    if not _lib.is_enabled():
        raise NotLaunchedError("an interval")
    if seconds and not 1 <= seconds < 1 << 31:
        raise ValueError("every(%r): must be at least a second" % (seconds,))
    try:
        _lib.interval(round(seconds or 0))
    except OSError as e:
        raise CheckpointError("the coordinator does not take the interval: %s" % e.strerror) from None


@contextlib.contextmanager
def critical() -> Iterator[None]:
    """A section in which no checkpoint is made, for a ``with`` statement.

    One that is asked for meanwhile is made at its end, or called off by the job's time limit. Sections nest. Not
    launched under ckpt it does nothing.
    """
    _hooks.enter()
    try:
        yield
    finally:
        _hooks.leave()
