"""Eight running threads with thread-local data, locks, conditions, a queue; all with state of their own."""
import queue
import threading

from common import held, noise, step

local = threading.local()
lock = threading.RLock()
turn = threading.Condition()
THREADS, ROUNDS = 8, 50
current = 0
work = queue.Queue()


def worker(me, results):
    global current
    local.numbers = noise(me)
    local.total = 0
    for k in range(ROUNDS):
        for _ in range(1000):
            local.total += next(local.numbers) % 1000
        work.put((me, local.total))
        with turn:
            turn.wait_for(lambda: current == me)
            with lock, lock:
                step(k, threading.current_thread().name, local.total)
            current = (me + 1) % THREADS
            turn.notify_all()
    results[me] = local.total


def main():
    results = {}
    local.total = "main's"
    threads = [threading.Thread(target=worker, args=(i, results), name="worker %d" % i)
               for i in range(THREADS)]
    for t in threads:
        t.start()
    held((threads, local))
    for t in threads:
        t.join()
    step(local.total, sorted(results.items()))
    step(sum(work.get()[1] for _ in range(THREADS * ROUNDS)), work.empty())


main()
