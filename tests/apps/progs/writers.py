"""Writes a file with a library, step by step, and says so: writers.py KIND STEPS

Every step changes what an earlier one has written, so that a file which is not as it was at the checkpoint ends up
different: counters in it are read and written back. The end is the same for every run.
"""
import sys
import time

import numpy as np

kind, steps = sys.argv[1], int(sys.argv[2])


def values(step, n=500):
    return np.sin(np.arange(n) * 0.1 + step)


def each_step():
    """What is between two steps happens in the middle of one, for a checkpoint."""
    for step in range(steps):
        yield step
        print("step", step, flush=True)
        time.sleep(0.004)


def h5py_writer():
    import h5py
    with h5py.File("data.h5", "w") as f:
        grown = f.create_dataset("grown", (0, 500), maxshape=(None, 500), chunks=(4, 500), compression="gzip")
        counter = f.create_dataset("counter", (10,), dtype="i8")
        for step in each_step():
            grown.resize(step + 1, axis=0)
            grown[step] = values(step)
            counter[step % 10] = counter[step % 10] + step
            time.sleep(0.002)
            f.attrs["steps"] = f.attrs.get("steps", 0) + 1
            f.require_group("group-%d" % (step % 7)).attrs["last"] = step
            if step % 5 == 0:
                f.flush()


def netcdf_writer(form):
    import netCDF4
    with netCDF4.Dataset("data.nc", "w", format=form) as f:
        f.createDimension("time", None)
        f.createDimension("x", 500)
        grown = f.createVariable("grown", "f8", ("time", "x"))
        total = f.createVariable("total", "f8", ("x",))
        total[:] = 0
        for step in each_step():
            grown[step] = values(step)
            time.sleep(0.002)
            total[:] = total[:] + grown[step]
            if step % 5 == 0:
                f.sync()


def zarr_writer():
    import zarr
    f = zarr.open_group("data.zarr", "w")
    grown = f.create_dataset("grown", shape=(0, 500), chunks=(4, 500), dtype="f8")
    for step in each_step():
        grown.append(values(step)[None])
        time.sleep(0.002)


def sqlite_writer(mode):
    import sqlite3
    db = sqlite3.connect("data.db", isolation_level=None)
    db.execute("pragma journal_mode=" + mode)
    db.execute("pragma cache_size=5")  # pages go to the file in the middle of a transaction
    db.execute("create table rows (step integer, n integer, text text)")
    db.execute("create table counters (name text primary key, n integer)")
    db.execute("insert into counters values ('rows', 0)")
    for step in each_step():
        db.execute("begin")
        for n in range(40):
            db.execute("insert into rows values (?, ?, ?)", (step, n, "%d " % step * 50))
            if n == 20:
                time.sleep(0.003)
            db.execute("update counters set n = n + 1 where name = 'rows'")
        if step % 3 == 2:
            db.execute("delete from rows where step = ?", (step - 2,))
        db.execute("rollback" if step % 10 == 9 else "commit")
    db.close()


def parquet_writer():
    import pyarrow
    import pyarrow.parquet
    schema = pyarrow.schema([("step", pyarrow.int64()), ("value", pyarrow.float64())])
    with pyarrow.parquet.ParquetWriter("data.parquet", schema) as w:
        for step in each_step():
            w.write_table(pyarrow.table([np.full(500, step), values(step)], schema=schema))


def memmap_writer():
    a = np.memmap("data.raw", dtype="f8", mode="w+", shape=(steps + 1, 500))
    for step in each_step():
        a[step + 1] = a[step] + values(step)
        time.sleep(0.002)
        a[0] += 1
        if step % 5 == 0:
            a.flush()
    a.flush()


WRITERS = {
    "h5py": h5py_writer, "zarr": zarr_writer, "parquet": parquet_writer, "memmap": memmap_writer,
    "netcdf3": lambda: netcdf_writer("NETCDF3_64BIT_OFFSET"), "netcdf4": lambda: netcdf_writer("NETCDF4"),
    **{"sqlite-" + mode: lambda mode=mode: sqlite_writer(mode) for mode in ("delete", "truncate", "wal", "memory")},
}
WRITERS[kind]()
print("end", flush=True)
