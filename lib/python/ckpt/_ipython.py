"""Magics for IPython: a session that is saved under a name, and becomes what it was.

The history database is closed while a checkpoint is made: it is no part of the session, which goes on with what all
sessions have written there meanwhile.
"""

from __future__ import annotations

import atexit
import glob
import json
import os
import re
import subprocess
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from . import _api, _hooks, _lib
from ._errors import CheckpointError, NotLaunchedError
from ._programs import program

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class _Saved(NamedTuple):
    """A checkpoint of this session."""

    name: str
    path: str
    input: str


# ---- where they are


def _stem() -> str:
    """Of the images of this job, without the generation."""
    return os.path.join(os.environ["CKPT_DIR"], "%s-%s" % (os.environ["CKPT_NAME"], os.environ["CKPT_JOB"]))


def _directory() -> str:
    """Of images with names, and of what the session was doing at each."""
    return _stem() + ".session"


def _note(name: str) -> str:
    return os.path.join(_directory(), name + ".json")


def _image(name: str) -> str:
    if name.isdigit():
        return "%s.%05d.ckpt" % (_stem(), int(name))
    return os.path.join(_directory(), name + ".ckpt")


def _write_note(name: str, text: str) -> None:
    os.makedirs(_directory(), mode=0o700, exist_ok=True)
    with open(_note(name), "w", encoding="utf-8") as f:
        json.dump({"input": text}, f)


def _read_note(name: str) -> str:
    try:
        with open(_note(name), encoding="utf-8") as f:
            return str(json.load(f)["input"])
    except (OSError, ValueError, KeyError):
        return ""


def _saved() -> Iterator[_Saved]:
    """Those that are there; notes of generations that have been removed go, too."""
    images: List[str] = glob.glob(glob.escape(_directory()) + "/*.ckpt")
    names: Dict[str, str] = {os.path.basename(path)[:-5]: path for path in images}
    for path in glob.glob(glob.escape(_stem()) + ".*.ckpt"):
        names[str(int(path.split(".")[-2]))] = path
    for note in glob.glob(glob.escape(_directory()) + "/*.json"):
        if os.path.basename(note)[:-5] not in names:
            os.unlink(note)
    for name, path in names.items():
        yield _Saved(name, path, _read_note(name))


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return "%d %s" % (seconds // size, unit)
    return "%d s" % max(seconds, 0)


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return "%.3g %s" % (n, unit)
        n /= 1000
    return "%.3g TB" % n


# ---- the history database


class _History:
    """Closes the shell's history before a checkpoint and opens it behind."""

    def __init__(self, shell: Any) -> None:
        self._manager = shell.history_manager
        self._thread: Optional[type] = None
        self._closed = False

    def close(self) -> None:
        manager = self._manager
        if not manager.enabled or str(manager.hist_file) == ":memory:":
            return
        manager.writeout_cache()
        thread = manager.save_thread
        if thread is not None:
            thread.stop()
            atexit.unregister(thread.stop)
            self._thread = type(thread)
        manager.db.close()
        self._closed = True

    def open(self) -> None:
        manager = self._manager
        if not self._closed:
            return
        self._closed = False
        manager.init_db()
        if self._thread is not None:
            manager.save_flag.clear()
            manager.save_thread = self._thread(manager)
            manager.save_thread.start()

    def open_again(self) -> None:
        """In the restarted session: the lines to come are other ones than those that came then."""
        if self._closed:
            self.open()
            self._manager.new_session()


# ---- magics


@magics_class
class _Magics(Magics):
    """%checkpoint, %checkpoints, %rollback, %autocheckpoint."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._history = _History(shell)
        self._generation = _lib.generation()
        _hooks.before(self._history.close)
        _hooks.after(self._after)
        _hooks.on_restart(self._history.open_again)

    def remove(self) -> None:
        for hook in (self._history.close, self._after, self._history.open_again):
            _hooks.remove(hook)

    def _after(self) -> None:
        self._history.open()
        if _lib.generation() != self._generation:  # also those that others have asked for
            self._generation = _lib.generation()
            _write_note(str(self._generation), self._last_input())

    def _last_input(self) -> str:
        """What was entered before the magic that runs now."""
        lines = list(self.shell.history_manager.input_hist_raw)
        while lines and re.match(r"\s*%?(checkpoint|autocheckpoint)\b", lines[-1]):
            lines.pop()
        return lines[-1] if lines else ""

    @line_magic
    def checkpoint(self, line: str) -> None:
        """Save this session: %checkpoint [name].

        Without a name it gets the next number, and is removed when newer ones take its place
        (ckpt_launch --keep).
        """
        name = line.strip()
        if name and (not re.fullmatch(r"[\w.+-]+", name) or name.isdigit() or name.startswith(".")):
            raise UsageError("%%checkpoint %s: a name is letters, digits, '.', '-', '_' and '+'; "
                             "not digits only" % name)
        if not _lib.is_enabled():
            raise UsageError(str(NotLaunchedError()))
        try:
            if name:
                _write_note(name, self._last_input())
            done = _api.checkpoint(_image(name) if name else None)
        except CheckpointError as e:
            raise UsageError("no checkpoint: %s" % e) from None
        name = name or str(_lib.generation())
        if done.restarted:
            print("This is the session as it was at %s." % name)
        else:
            print("Saved as %s, %s; %%rollback %s comes back to it." % (name, _size(done.bytes or 0), name))

    @line_magic
    def checkpoints(self, line: str) -> None:
        """List the checkpoints of this session: name, age, size, last input."""
        if not _lib.is_enabled():
            raise UsageError(str(NotLaunchedError()))
        found = [(os.stat(s.path), s) for s in _saved()]
        if not found:
            print("There are none yet; %checkpoint NAME makes one.")
            return
        width = max(4, *(len(s.name) for _, s in found))
        print("%-*s  %8s  %8s  %s" % (width, "name", "age", "size", "last input"))
        for st, s in sorted(found, key=lambda each: each[0].st_mtime):
            first = s.input.strip().splitlines() or [""]
            print("%-*s  %8s  %8s  %s" % (width, s.name, _age(time.time() - st.st_mtime), _size(st.st_size),
                                          first[0][:60] + (" ..." if len(first) > 1 else "")))

    @line_magic
    def rollback(self, line: str) -> None:
        """Become a saved session, on the same terminal: %rollback NAME. What is here now is lost."""
        name = line.strip()
        if not _lib.is_enabled():
            raise UsageError(str(NotLaunchedError("%rollback")))
        path = next((s.path for s in _saved() if s.name == name), None)
        if path is None:
            raise UsageError("%%rollback %s: there is none of that name; %%checkpoints lists them" % name)
        self._verify(name, path)
        self._history.close()
        error = _lib.become(os.path.abspath(path))
        self._history.open()
        raise UsageError("%%rollback %s: %s" % (name, error))

    @staticmethod
    def _verify(name: str, path: str) -> None:
        inspect = program("ckpt_inspect")
        if inspect is None:
            raise UsageError("%%rollback %s: ckpt_inspect is not there, which is to verify the image" % name)
        done = subprocess.run([inspect, "--verify", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode:
            raise UsageError("%%rollback %s: %s" % (name, done.stderr.strip()))

    @line_magic
    def autocheckpoint(self, line: str) -> None:
        """Save this session every so often: %autocheckpoint 10m (or 90, 2h, 1d), %autocheckpoint off."""
        match = re.fullmatch(r"(\d+)([smhd]?)", line.strip())
        if not match and line.strip() != "off":
            raise UsageError("%autocheckpoint 10m, or 90, 2h, 1d; %autocheckpoint off")
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        try:
            _api.every(seconds)
        except (CheckpointError, NotLaunchedError, ValueError) as e:
            raise UsageError(str(e)) from None
        print("A checkpoint every %s." % line.strip() if seconds else "No checkpoints by themselves any more.")


_loaded: List[_Magics] = []


def load(ipython: Any) -> None:
    if not _lib.is_enabled():
        print(NotLaunchedError("saving this session"))
    if not _loaded:
        _loaded.append(_Magics(ipython))
        ipython.register_magics(_loaded[0])


def unload(ipython: Any) -> None:
    if _loaded:
        _loaded.pop().remove()
