"""The heat equation on a rod, in rows of a plate shared out among the ranks of MPI, with halo exchange.

	heat_mpi.py [STEPS]

Rank 0 prints the sum and a checksum of all the plate's bits every five steps, so that one bit lost or one
halo of the wrong step shows; and then all rest a little.
"""

import hashlib
import sys
import time

import numpy as np
from mpi4py import MPI

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
ROWS, COLUMNS = 64, 512

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
up = rank - 1 if rank > 0 else MPI.PROC_NULL
down = rank + 1 if rank < size - 1 else MPI.PROC_NULL

mine = ROWS // size
u = np.zeros((mine + 2, COLUMNS))
u[1:-1] = np.random.default_rng(5).random((ROWS, COLUMNS))[rank * mine:(rank + 1) * mine]

for step in range(STEPS):
    # by turns both kinds: what is sent at once, and what waits for the receiver
    if step % 2:
        requests = [comm.Irecv(u[0], up, step), comm.Irecv(u[-1], down, step),
                    comm.Isend(u[1].copy(), up, step), comm.Isend(u[-2].copy(), down, step)]
        MPI.Request.Waitall(requests)
    else:
        comm.Sendrecv(u[1], up, step, u[-1], down, step)
        comm.Sendrecv(u[-2], down, step, u[0], up, step)
    u[1:-1, 1:-1] += 0.2 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1])
    if step % 5 == 0:
        total = comm.allreduce(float(u[1:-1].sum()))
        plate = comm.gather(u[1:-1].copy())  # larger than what is sent at once
        if rank == 0:
            digest = hashlib.sha1(np.concatenate(plate).tobytes()).hexdigest()
            print(step, repr(total), digest, flush=True)
        time.sleep(0.03)

if rank == 0:
    print("done", size, flush=True)
