"""multiprocessing: Manager, Queue, Pipe, Value, Lock, Event, Semaphore, shared_memory between processes."""

import multiprocessing
import struct
import sys
from multiprocessing import shared_memory

WORKERS, ROUNDS = 3, 2500


def worker(n, tasks, results, counter, lock, table, block_name, turn):
    block = shared_memory.SharedMemory(block_name)
    for task in iter(tasks.get, None):
        total = 0
        for k in range(40000):
            total = (total * 17 + task * k) % 99991
        with counter.get_lock():
            counter.value += 1
        with lock:
            was, = struct.unpack_from("q", block.buf, 0)
            struct.pack_into("q", block.buf, 0, was + total)
        table[task] = total
        with turn:
            results.put((task, total))
    block.close()


def main():
    context = multiprocessing.get_context(sys.argv[1])
    with context.Manager() as manager:
        tasks, results = context.Queue(5), context.Queue()
        counter, lock, turn = context.Value("q", 0), context.Lock(), context.Semaphore(2)
        table = manager.dict()
        block = shared_memory.SharedMemory(create=True, size=4096)
        workers = [context.Process(target=worker, args=(n, tasks, results, counter, lock, table,
                                                        block.name, turn)) for n in range(WORKERS)]
        for w in workers:
            w.start()
        waiting, next_task, got = {}, 0, 0
        for n in range(ROUNDS + WORKERS):
            if n < ROUNDS:
                tasks.put(n)
            if n >= WORKERS:
                while next_task not in waiting:
                    task, total = results.get()
                    waiting[task] = total
                print(next_task, waiting.pop(next_task), flush=True)
                next_task += 1
        for w in workers:
            tasks.put(None)
        for w in workers:
            w.join()
            print("exit", w.exitcode)
        print(counter.value, struct.unpack_from("q", block.buf, 0)[0], sum(table.values()), len(table))
        block.close()
        block.unlink()


if __name__ == "__main__":
    main()
