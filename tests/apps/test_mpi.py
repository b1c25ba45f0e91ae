"""MPI: the heat equation in several ranks on one host, with mpirun inside the job, checkpointed under load,
killed and restarted. Every bit of the plate is that of an uninterrupted run."""

import os
import shutil

import pytest

DEBIAN = "/usr/bin/python3"
MPICH = "/usr/lib/x86_64-linux-gnu/libmpich.so.12"


def need(program):
    path = shutil.which(program)
    if not path:
        pytest.skip(program + " is not installed")
    return path


def heat(ckpt, programs, mpirun, ranks, env):
    env["HWLOC_COMPONENTS"] = "-gl"  # hwloc would ask whatever X server the host has
    script = os.path.join(programs, "progs", "heat_mpi.py")
    # mpirun removes its directory at its end
    ckpt.chain([*mpirun, "-n", str(ranks), DEBIAN, "-B", script], env=env, limit=120, at_once=True)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("transport", ["vader", "tcp"])
def test_open_mpi(ckpt, programs, transport, ranks):
    """vader: shared memory.

    tcp is not among them: one restart in six finds a port of the killed job still taken.
    """
    options = {"pml": "ob1", "btl": transport + ",self", "mpi_yield_when_idle": "1",
               "btl_tcp_if_include": "lo", "oob_tcp_if_include": "lo"}
    env = {"OMPI_MCA_" + name: value for name, value in options.items()}
    heat(ckpt, programs, [need("mpirun.openmpi"), "--oversubscribe"], ranks, env)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("transport", ["posix", "tcp"])
def test_mpich(ckpt, programs, pypi, transport, ranks):
    """Debian's mpi4py is for Open MPI alone; PyPI's is for both, and looks for a libmpi.so.12.

    posix: shared memory. UCX has its TCP listen at an address of the network, where a port may be taken.
    """
    if not os.path.exists(MPICH):
        pytest.skip("MPICH is not installed")
    os.symlink(MPICH, os.path.join(ckpt.mkdir("lib"), "libmpi.so.12"))
    env = {"PYTHONPATH": pypi, "LD_LIBRARY_PATH": os.path.join(ckpt.dir, "lib"), "MPI4PY_MPIABI": "mpich",
           "UCX_TLS": "%s,self" % transport}
    heat(ckpt, programs, [need("mpirun.mpich")], ranks, env)
