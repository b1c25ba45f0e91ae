"""mmap objects, anonymous, of a file and of one deleted since, and memoryviews of them and of others."""
import mmap
import os
import sys

from common import held, noise, step


def main():
    anonymous = mmap.mmap(-1, 1 << 20)
    with open("mapped.data", "w+b") as f:
        f.truncate(1 << 20)
        shared = mmap.mmap(f.fileno(), 1 << 20)
        private = mmap.mmap(f.fileno(), 1 << 20, access=mmap.ACCESS_COPY)
    with open("deleted.data", "w+b") as f:
        f.truncate(1 << 16)
        deleted = mmap.mmap(f.fileno(), 1 << 16)
        os.unlink("deleted.data")
    array = bytearray(1 << 16)
    views = [memoryview(anonymous)[5000:6000], memoryview(array)[::3], memoryview(shared).cast("I")]
    held(views[0] if sys.argv[1:] == ["dill"] else None)
    numbers = noise(11)
    for i in range(400):
        at = next(numbers) % 60000
        for m in (anonymous, shared, private, deleted, array):
            m[at] = i % 256
        views[0][i] = i % 251
        views[1][i] = i % 241
        views[2][i * 7] = at * 1000
        shared.seek(at)
        step(i, at, sum(anonymous[:65536]), sum(private[:65536:5]), sum(deleted[::3]), sum(views[1][:500]),
             shared.read_byte(), views[2][at // 4], anonymous.find(bytes([i % 256])))
    del views
    shared.flush()
    with open("mapped.data", "rb") as f:
        step(sum(f.read()))


main()
