"""The programs of this directory side by side: python3 compare.py [--size N] [--steps N] [--plot FILE.png]

Each saves itself every 100th step, to the disk (fsync). For each: a normal step, one that saves, how much longer that
takes, the longest of all, the bytes of what is saved, and how many lines of heat.py had to change.
"""

import argparse
import difflib
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
METHODS = ["pickle", "dill", "cloudpickle", "numpy", "ckpt"]


def changed_lines(method):
    """Lines of heat.py that are others, or more, in the program that saves itself; without its heading."""
    texts = []
    for name in ("heat.py", "heat_%s.py" % method):
        with open(os.path.join(HERE, name), encoding="utf-8") as f:
            texts.append(f.read().splitlines()[1:])
    return sum(line.startswith("+") for line in difflib.ndiff(*texts))


def run(method, size, steps, where):
    """Time of each step, the program's output, and the bytes of what it has saved last."""
    os.mkdir(where)
    times = os.path.join(where, "times.npy")
    command = [sys.executable, os.path.join(HERE, "heat_%s.py" % method), str(size), str(steps)]
    if method == "ckpt":
        command = ["ckpt_launch", "--ckptdir", where, *command]
    done = subprocess.run(command, cwd=where, env={**os.environ, "TIMES": times}, stdout=subprocess.PIPE, text=True,
                          check=True)
    while glob.glob(where + "/*.part"):  # ckpt's last one is still being written
        time.sleep(0.01)
    saved = max(glob.glob(where + "/heat.state") + glob.glob(where + "/*.ckpt"), key=os.path.getmtime)
    return np.load(times), done.stdout, os.path.getsize(saved)


def row(method, took, saved):
    saves = took[:, 0] % 100 == 99
    normal, saving = np.median(took[~saves, 1]), np.median(took[saves, 1])
    return "%-12s %10.2f %10.2f %8.1f %10.2f %10.1f %8d" % (
        method, normal * 1e3, saving * 1e3, saving / normal, took[:, 1].max() * 1e3, saved / 1e6, changed_lines(method))


def plot(results, path):
    """Time of each step, and beside it how it is spread, each method in its own row."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker
    figure, axes = pyplot.subplots(len(results), 2, figsize=(10, 1.9 * len(results)), sharex="col", sharey=True,
                                   gridspec_kw={"width_ratios": [4, 1]}, squeeze=False)
    for (method, took), (left, right) in zip(results.items(), axes):
        saves = took[:, 0] % 100 == 99
        left.plot(took[~saves, 0], took[~saves, 1] * 1e3, ".", ms=3, color="#7a7a7a", label="normal step")
        left.plot(took[saves, 0], took[saves, 1] * 1e3, "o", ms=5, color="#c23b22", label="step that saves")
        left.set_yscale("log")
        left.set_ylabel(method + "\nms")
        left.grid(alpha=0.3)
        left.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        left.yaxis.set_minor_formatter(ticker.NullFormatter())
        right.boxplot([took[~saves, 1] * 1e3, took[saves, 1] * 1e3], widths=0.6)
        right.grid(alpha=0.3)
    axes[-1, 1].set_xticks([1, 2], ["normal", "saves"])
    axes[0, 0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, frameon=False, fontsize=9)
    axes[0, 0].set_title("Time of each step", loc="left")
    axes[0, 1].set_title("Spread")
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--plot", help="a PNG file")
    parser.add_argument("--dir", help="where to save to; a temporary directory")
    args = parser.parse_args()
    top = tempfile.mkdtemp(prefix="heat-", dir=args.dir)
    results, outputs = {}, set()
    print("%-12s %10s %10s %8s %10s %10s %8s" % ("", "normal ms", "saving ms", "ratio", "worst ms", "saved MB", "lines"))
    try:
        for method in METHODS:
            took, output, saved = run(method, args.size, args.steps, os.path.join(top, method))
            results[method] = took
            outputs.add(output)
            print(row(method, took, saved), flush=True)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    if len(outputs) != 1:
        sys.exit("the results differ: %s" % outputs)
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
