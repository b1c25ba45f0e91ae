"""os.environ of a restarted program.

It is a copy that Python has made at its start. ``ckpt_restart --env`` changes what libc has, and so what programs that
are started get; the copy is brought up to date by whatever of this package runs first after the restart: a hook's
turn, or a function that the program calls.
"""

from __future__ import annotations

import ctypes
import os
from typing import Dict

from . import _lib

_restarts = 0  # when it was done last


def _of_libc() -> Dict[str, str]:
    entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found: Dict[str, str] = {}
    i = 0
    while entries and entries[i] is not None:
        name, equals, value = entries[i].partition(b"=")
        if name and equals:
            found.setdefault(os.fsdecode(name), os.fsdecode(value))
        i += 1
    return found


def refresh() -> None:
    """After a restart, once: os.environ has what libc has."""
    global _restarts
    now = _lib.restarts()
    if now == _restarts:
        return
    _restarts = now
    found = _of_libc()
    for name in set(os.environ) - set(found):
        del os.environ[name]
    for name, value in found.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
