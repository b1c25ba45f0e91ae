"""Python programs of many processes, checkpointed under load, killed, restarted, and their output compared."""

import os

import pytest

DEBIAN = "/usr/bin/python3"
METHODS = ["fork", "spawn", "forkserver"]


def chain(ckpt, programs, script, *args, **options):
    ckpt.chain([DEBIAN, "-B", os.path.join(programs, "progs", script + ".py"), *args], limit=120, **options)


@pytest.mark.parametrize("method", METHODS)
def test_pool(ckpt, programs, method):
    chain(ckpt, programs, "pool", method)


@pytest.mark.parametrize("method", METHODS)
def test_objects(ckpt, programs, method):
    chain(ckpt, programs, "mp_objects", method)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_futures(ckpt, programs, method):
    chain(ckpt, programs, "futures_processes", method)


def test_pipeline(ckpt, programs):
    chain(ckpt, programs, "pipeline")


def test_asyncio(ckpt, programs):
    chain(ckpt, programs, "aio_processes")
