"""python -m ckpt run PROGRAM ARGUMENTS..., python -m ckpt restore IMAGE"""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, NoReturn, Optional

from ._programs import program

_LAUNCH_OPTIONS = ("ckptdir", "name", "keep", "interval", "compress", "timeout", "tcp", "ignore")


def _become(name: str, args: List[str]) -> NoReturn:
    path = program(name)
    if path is None:
        sys.exit("python -m ckpt: %s is neither beside this package nor in PATH" % name)
    os.execv(path, [path, *args])


def _run(args: argparse.Namespace) -> NoReturn:
    options = [arg for o in _LAUNCH_OPTIONS if getattr(args, o) for arg in ("--" + o, getattr(args, o))]
    what = ["-m", args.module] if args.module else []
    if not what and not args.program:
        sys.exit("python -m ckpt run: which program?")
    _become("ckpt_launch", [*options, sys.executable, *what, *args.program])


def _restore(args: argparse.Namespace) -> NoReturn:
    _become("ckpt_restart", [*args.options, args.image])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ckpt", description="Python programs under ckpt.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a program so that it can be checkpointed")
    for option in _LAUNCH_OPTIONS:
        run.add_argument("--" + option, help="as of ckpt_launch(1)")
    run.add_argument("-m", dest="module", help="run a module, like python -m")
    run.add_argument("program", nargs=argparse.REMAINDER, help="a script and its arguments")
    run.set_defaults(do=_run)
    restore = commands.add_parser("restore", help="go on from an image")
    restore.add_argument("image", help="an image, or a directory with images")
    restore.set_defaults(do=_restore)
    return parser


def main(argv: Optional[List[str]] = None) -> NoReturn:
    args, options = _parser().parse_known_args(argv)
    if options and args.command != "restore":
        sys.exit("python -m ckpt %s: unknown option %s" % (args.command, options[0]))
    args.options = options  # ckpt_restart's own
    args.do(args)
    raise AssertionError("not reached")


if __name__ == "__main__":
    main()
