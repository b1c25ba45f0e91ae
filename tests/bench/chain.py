"""`make chain`: a NumPy program through many generations of checkpoint, kill -9 and restart; draws what grew.

	chain.py CYCLES PICTURE

That the program's output is that of an uninterrupted run is checked at the end, before anything is drawn. Ctrl-C: no
more generations, that is the end.
"""

import os
import shutil
import signal
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import ckpttest  # noqa: E402
from chaintest import Chain  # noqa: E402

PANELS = [
    ("image, MB", [("bytes", 1e6, "size of the image")]),
    ("number", [("areas", 1, "areas of memory"), ("descriptors", 1, "descriptors"), ("threads", 1, "threads")]),
    ("ms", [("total_ms", 1, "checkpoint, until it is durable"), ("restart_ms", 1, "restart, until it prints"),
            ("other_ms", 1, "for comparison: start of Python, without ckpt")]),
    ("ms", [("pause_ms", 1, "pause")]),
]


def median(values, width=25):
    """Of each and its neighbours: on a machine that does other things as well, single values say little."""
    half = width // 2
    return [sorted(values[max(0, i - half):i + half + 1])[len(values[max(0, i - half):i + half + 1]) // 2]
            for i in range(len(values))]


def draw(rows, steps, path):
    figure, axes = plt.subplots(len(PANELS), 1, sharex=True, figsize=(9, 10), constrained_layout=True)
    for axis, (label, lines) in zip(axes, PANELS):
        for key, unit, name in lines:
            values = [row[key] / unit for row in rows]
            (line,) = axis.plot(range(1, len(rows) + 1), median(values), label=name)
            if label == "ms":
                axis.plot(range(1, len(rows) + 1), values, ".", markersize=1.5, alpha=0.4, color=line.get_color())
                axis.set_yscale("log")
            else:
                axis.set_ylim(0, None)
        axis.set_ylabel(label)
        axis.legend(loc="best")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, max(row["bytes"] for row in rows) / 1e6 * 1.2)
    axes[0].set_title("%d generations of checkpoint, kill -9, restart; %d steps of Python with NumPy, same result"
                      % (len(rows), steps))
    axes[-1].set_xlabel("generation (dots: each; lines: medians of 25)")
    figure.savefig(path, dpi=90)


def run(chain, cycles):
    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    while len(chain.rows) < cycles and not stop:
        row = chain.cycle()
        if len(chain.rows) % 50 == 0:
            print(len(chain.rows), " ".join("%s=%g" % item for item in sorted(row.items())), flush=True)


def main():
    cycles, path = int(sys.argv[1]), sys.argv[2]
    installed, top = ckpttest.install()
    ckpt = ckpttest.Ckpt(installed)
    programs = os.path.join(ckpt.dir, "programs")
    shutil.copytree(os.path.join(ckpttest.TREE, "tests/apps/progs"), os.path.join(programs, "progs"))
    try:
        chain = Chain(ckpt, programs)
        run(chain, cycles)
        draw(chain.rows, chain.finish(), path)
    finally:
        left = ckpt.stop()
        ckpt.remove()
        if top:
            shutil.rmtree(top, ignore_errors=True)
    print("\n".join(left))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
