"""concurrent.futures.ProcessPoolExecutor, tasks submitted as others end."""

import concurrent.futures
import multiprocessing
import sys


def collatz(n):
    steps = 0
    for start in range(n * 400 + 1, n * 400 + 400):
        while start != 1:
            start = start // 2 if start % 2 == 0 else 3 * start + 1
            steps += 1
    return steps


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=context) as pool:
        running = [pool.submit(collatz, n) for n in range(6)]
        for n in range(150):
            print(n, running.pop(0).result(), flush=True)
            if n + 6 < 150:
                running.append(pool.submit(collatz, n + 6))
