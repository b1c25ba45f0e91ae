"""An executor with work queued, futures with callbacks, and tasks that add tasks."""
import concurrent.futures
import hashlib
import threading
import time

from common import held, step


def work(i):
    digest = b"%d" % i
    for _ in range(300):
        digest = hashlib.sha256(digest).digest()
    time.sleep(0.005)
    return i, digest.hex()[:16]


def main():
    called, lock = [], threading.Lock()

    def callback(future):
        with lock:
            called.append(future.result()[0])
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(work, i) for i in range(300)]
        for f in futures:
            f.add_done_callback(callback)
        held(executor)
        for f in futures[:150]:
            step(f.result())
        futures += [executor.submit(work, i) for i in range(300, 350)]
        step("cancelled", futures[349].cancel())
        for f in futures[150:349]:
            step(f.result())
    step(len(called), sum(called))


main()
