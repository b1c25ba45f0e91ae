"""Where ckpt's programs are."""

from __future__ import annotations

import os
import shutil
from typing import Optional

# From this package: as installed (lib/ckpt/python/ckpt and bin), and in the tree (lib/python/ckpt and build/bin).
_BESIDE = ("../../../../bin", "../../../build/bin")


def program(name: str) -> Optional[str]:
    """The path of one of ckpt's programs, that which belongs to this package before those in PATH; or None."""
    here = os.path.dirname(os.path.abspath(__file__))
    for where in _BESIDE:
        path = os.path.normpath(os.path.join(here, where, name))
        if os.access(path, os.X_OK):
            return path
    return shutil.which(name)
