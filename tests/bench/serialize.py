"""What saving data from inside the program costs: serialize.py MIB REPEAT; JSON of medians in ms.

The files are not synced: this is the time for which the program stands still.
"""

import json
import pickle
import statistics
import sys
import time

import numpy

try:
    import dill
except ImportError:
    dill = None


def timed(save, repeat):
    took = []
    for _ in range(repeat):
        with open("serialized", "wb") as f:
            start = time.perf_counter()
            save(f)
            f.flush()
            took.append(1e3 * (time.perf_counter() - start))
    return statistics.median(took)


def data(nbytes):
    """A state as programs have it: an array and things around it."""
    a = numpy.sin(numpy.arange(nbytes // 8))
    return {"step": 1, "names": ["u", "v", "h"], "field": a}


def main():
    mib, repeat = int(sys.argv[1]), int(sys.argv[2])
    figures = {}
    for name, nbytes in (("83 KB", 83_000), ("8 MB", 8_000_000), ("%d MiB" % mib, mib << 20)):
        d = data(nbytes)
        times = repeat if nbytes < 1 << 28 else 3
        if dill:
            figures["dill " + name] = timed(lambda f: dill.dump(d, f), times)
        figures["pickle " + name] = timed(lambda f: pickle.dump(d, f, protocol=5), times)
        figures["numpy.save " + name] = timed(lambda f: numpy.save(f, d["field"]), times)
    print(json.dumps(figures))


main()
