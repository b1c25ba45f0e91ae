"""Functions that the program wants to be called around checkpoints.

They run in the main thread, between two of its bytecodes. When somebody else asks for a checkpoint libckpt
sends the main thread a signal (ckpt_announce() in ckpt_checkpoint(3)) and waits; Python calls our handler at
the next safe point, and that lets the checkpoint go on. If the main thread comes to none in time, being deep in
compiled code, the checkpoint is made without hooks, and a line says so afterwards.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any, Callable, List, Optional, TypeVar

from . import _environ, _lib

Hook = TypeVar("Hook", bound=Callable[[], Any])

_log = logging.getLogger("ckpt")


class _Errand:
    """What another thread wants done in the main one; whoever claims it does it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._claim = threading.Lock()
        self._done = threading.Event()
        self._error: Optional[BaseException] = None
        self._result: Any = None

    def claim(self) -> bool:
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        if not self.claim():
            return
        try:
            self._result = self._work()
        except BaseException as e:  # raised again where it was asked for
            self._error = e
        self._done.set()

    def result(self, limit: float) -> Any:
        """Wait; raises TimeoutError when the main thread has not even begun in time."""
        if not self._done.wait(limit) and self.claim():
            raise TimeoutError
        self._done.wait()
        if self._error:
            raise self._error
        return self._result


class _State:
    """All there is, for the whole process. Only the main thread changes it, but for errands."""

    def __init__(self) -> None:
        self.before: List[Callable[[], Any]] = []
        self.after: List[Callable[[], Any]] = []
        self.on_restart: List[Callable[[], Any]] = []
        self.errands: List[_Errand] = []
        self.signo = 0  # 0: no hook yet
        self.limit = 0.0
        self.busy = False  # hooks run, or a checkpoint is made
        self.waiting = False  # the signal came in one of those
        self.restarts = _lib.restarts()


_state = _State()


class _Sections(threading.local):
    depth = 0  # of critical sections in this thread


_sections = _Sections()


def _in_main() -> bool:
    return threading.current_thread() is threading.main_thread()


# ---- registering


def _free_signal() -> int:
    """The highest that nobody has taken: the program, or libckpt, of whose handlers Python knows nothing."""
    with open("/proc/self/status") as f:
        caught = int(next(line for line in f if line.startswith("SigCgt:")).split()[1], 16)
    for n in range(signal.SIGRTMAX, signal.SIGRTMIN, -1):
        if signal.getsignal(n) == signal.SIG_DFL and not caught >> n - 1 & 1:
            return int(n)
    raise RuntimeError("no real-time signal is free for hooks")


def _install() -> None:
    if _state.signo or not _lib.is_enabled():
        return
    if not _in_main():
        raise RuntimeError("the first hook must be registered in the main thread")
    signo = _free_signal()
    signal.signal(signo, _on_signal)
    os.register_at_fork(after_in_child=_in_child)
    _state.signo = signo
    _state.limit = _lib.announce(signo)


def _register(hooks: List[Callable[[], Any]], hook: Hook) -> Hook:
    _install()
    hooks.append(hook)
    return hook


def before(hook: Hook) -> Hook:
    """Have a function called before each checkpoint; a decorator.

    Parameters
    ----------
    hook : callable
        Takes no arguments. Those registered last are called first.

    Returns
    -------
    callable
        The function itself.

    Notes
    -----
    Hooks run in the main thread at a safe point, whoever asks for the checkpoint. An exception in one is
    logged (logger ``ckpt``), and the checkpoint goes on. A checkpoint that somebody else asks for waits half of
    the job's time limit (``ckpt_launch --timeout``) for the main thread to come, and is then made without.
    Not launched under ckpt, nothing is ever called.
    """
    return _register(_state.before, hook)


def after(hook: Hook) -> Hook:
    """Have a function called after each checkpoint, in the program that goes on; a decorator.

    Parameters
    ----------
    hook : callable
        Takes no arguments. It is also called when the checkpoint has failed, for what was done before is to be
        undone then, too.

    Returns
    -------
    callable
        The function itself.
    """
    return _register(_state.after, hook)


def on_restart(hook: Hook) -> Hook:
    """Have a function called in the program that was restarted, instead of those of :func:`after`; a decorator.

    Parameters
    ----------
    hook : callable
        Takes no arguments.

    Returns
    -------
    callable
        The function itself.
    """
    return _register(_state.on_restart, hook)


def remove(hook: Callable[[], Any]) -> None:
    """Forget a hook."""
    for hooks in (_state.before, _state.after, _state.on_restart):
        if hook in hooks:
            hooks.remove(hook)


# ---- running


def _call(hooks: List[Callable[[], Any]], what: str) -> None:
    """What ends a program (KeyboardInterrupt, SystemExit) does so when all have been called."""
    ending: Optional[BaseException] = None
    for hook in hooks:
        try:
            hook()
        except Exception:
            _log.exception("hook %s (%s) failed; the checkpoint goes on", getattr(hook, "__qualname__", hook), what)
        except BaseException as e:
            ending = e
    if ending:
        raise ending


def _came_back() -> None:
    if _lib.restarts() == _state.restarts:
        _call(list(_state.after), "after")
        return
    _state.restarts = _lib.restarts()
    _environ.refresh()
    _call(list(_state.on_restart), "on_restart")


def _around(work: Callable[[], Any]) -> Any:
    """The hooks, and the checkpoint between them. Main thread."""
    _state.busy = True
    try:
        try:
            _call(_state.before[::-1], "before")
        finally:
            try:
                result = work()
            finally:
                _came_back()
        return result
    finally:
        _state.busy = False


def _serve() -> None:
    """The signal has come, and this is a safe point."""
    while _state.errands:
        _state.errands.pop(0).run()
    waits = _lib.announced()
    if waits > 0:
        _around(_lib.proceed)
    elif waits < 0:
        _lib.announce(_state.signo)
        _log.warning("checkpoint %d was made without its hooks: the main thread did not come to a safe point "
                     "within %g s", _lib.generation(), _state.limit)
    if _lib.restarts() != _state.restarts:
        _came_back()


def _on_signal(signum: int, frame: object) -> None:
    if _state.busy:
        return
    _state.waiting = _sections.depth > 0
    if not _state.waiting:
        _serve()


def _in_child() -> None:
    """Python has forgotten signals that came to a child before it knew that it is one."""
    if _state.signo and not _state.busy:
        _on_signal(_state.signo, None)


def _alone(work: Callable[[], Any]) -> Any:
    """The checkpoint is ours, so nobody is to be told of another one meanwhile."""
    if not _state.signo:
        return work()
    _lib.announce(0)
    try:
        return work()
    finally:
        _lib.announce(_state.signo)


def run(work: Callable[[], Any]) -> Any:
    """Make a checkpoint by work(), with hooks, from whatever thread."""
    if not _state.signo:
        return work()
    if _in_main():
        if _state.busy:
            raise RuntimeError("a hook can't ask for a checkpoint")
        return _around(lambda: _alone(work))
    errand = _Errand(lambda: _around(lambda: _alone(work)))
    _state.errands.append(errand)
    signal.pthread_kill(threading.main_thread().ident or 0, _state.signo)
    try:
        return errand.result(_state.limit)
    except TimeoutError:
        _log.warning("a checkpoint is made without its hooks: the main thread did not come to a safe point within "
                     "%g s", _state.limit)
        return _alone(work)


# ---- critical sections


def in_section() -> bool:
    return _sections.depth > 0


def enter() -> None:
    _sections.depth += 1
    _lib.disable()


def leave() -> None:
    _lib.enable()
    _sections.depth -= 1
    if _in_main() and _state.waiting and not _sections.depth:
        _state.waiting = False
        _serve()
