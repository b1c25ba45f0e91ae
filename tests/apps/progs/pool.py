"""multiprocessing.Pool: results of many tasks come in order, each once."""

import multiprocessing
import sys


def work(n):
    total = 0
    for k in range(60000):
        total = (total * 31 + n * k) % 1000003
    return total


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(3) as pool:
        for n, result in enumerate(pool.imap(work, range(300))):
            print(n, result, flush=True)
