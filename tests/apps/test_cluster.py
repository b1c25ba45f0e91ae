"""Clusters of Python processes on one host, checkpointed under load, killed, restarted, and their output compared."""

import os

DEBIAN = "/usr/bin/python3"


def test_joblib_with_loky(ckpt, programs, pypi):
    """Killed by the checkpoint: loky removes its directories and semaphores at its end."""
    argv = [DEBIAN, "-B", os.path.join(programs, "progs", "loky_sums.py")]
    ckpt.chain(argv, env={"PYTHONPATH": pypi, "OPENBLAS_NUM_THREADS": "1"}, limit=120, at_once=True)


def test_dask_cluster(ckpt, programs, pypi):
    argv = [DEBIAN, "-B", os.path.join(programs, "progs", "dask_cluster.py")]
    ckpt.chain(argv, env={"PYTHONPATH": pypi, "DASK_TEMPORARY_DIRECTORY": ckpt.work}, limit=120, at_once=True)
