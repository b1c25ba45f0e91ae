"""libckpt's functions (ckpt_checkpoint(3)), which are there when the program was launched under ckpt."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Optional

DONE, RESTARTED = 0, 1
_KEEP, _NO_WAIT = 1, 2


class Info(ctypes.Structure):
    """struct ckpt_info."""

    _fields_ = [("size", ctypes.c_size_t), ("path", ctypes.c_char * 4096), ("bytes", ctypes.c_uint64),
                ("pause_ns", ctypes.c_uint64), ("total_ns", ctypes.c_uint64), ("error", ctypes.c_char * 1024)]


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("path", ctypes.c_char_p), ("keep", ctypes.c_uint),
                ("flags", ctypes.c_uint)]


_dll = ctypes.CDLL(None, use_errno=True)
_there = hasattr(_dll, "ckpt_checkpoint_with")
if _there:
    _dll.ckpt_checkpoint_with.argtypes = [ctypes.POINTER(_Options), ctypes.POINTER(Info)]
    _dll.ckpt_generation.restype = ctypes.c_ulong
    _dll.ckpt_restarts.restype = ctypes.c_uint
    _dll.ckpt_interval.argtypes = [ctypes.c_uint]
    _dll.ckpt_become.argtypes = [ctypes.c_char_p]


def is_enabled() -> bool:
    return _there and bool(_dll.ckpt_is_enabled())


def checkpoint(path: Optional[bytes], keep: Optional[int], wait: bool, info: Info) -> int:
    """0; 1 in the restarted program; or -errno, with the reason in info.error."""
    options = _Options(ctypes.sizeof(_Options), path, keep or 0,
                       (_KEEP if keep is not None else 0) | (0 if wait else _NO_WAIT))
    info.size = ctypes.sizeof(Info)
    got = int(_dll.ckpt_checkpoint_with(ctypes.byref(options), ctypes.byref(info)))
    return -ctypes.get_errno() if got < 0 else got


def generation() -> int:
    return int(_dll.ckpt_generation()) if _there else 0


def restarts() -> int:
    return int(_dll.ckpt_restarts()) if _there else 0


def disable() -> None:
    if _there:
        _dll.ckpt_disable()


def enable() -> None:
    if _there:
        _dll.ckpt_enable()


def interval(seconds: int) -> None:
    if _dll.ckpt_interval(seconds) < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


def become(path: str) -> str:
    """End, and be what is in that image; returns only with the reason why not."""
    _dll.ckpt_become(os.fsencode(path))
    err = ctypes.get_errno()
    if err == errno.EPERM:
        return "only the process that ckpt_launch became can be replaced, not one that it has started"
    return os.strerror(err)


def announce(signo: int) -> float:
    """For how many seconds a checkpoint waits for the program."""
    return max(int(_dll.ckpt_announce(signo)), 0) / 1000


def announced() -> int:
    return int(_dll.ckpt_announced())


def proceed() -> None:
    _dll.ckpt_proceed()
