"""ctypes: pointers into memory of C, structures that point to each other, callbacks called by C."""
import ctypes

from common import held, noise, step


class Node(ctypes.Structure):
    pass


Node._fields_ = [("value", ctypes.c_long), ("next", ctypes.POINTER(Node))]

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_long), ctypes.POINTER(ctypes.c_long))
calls = 0


@COMPARE
def compare(a, b):
    global calls
    calls += 1
    if calls % 200 == 0:
        step("in the callback", calls, a[0], b[0])  # checkpoints inside of qsort
    return (a[0] > b[0]) - (a[0] < b[0])


def main():
    memory = ctypes.cast(libc.malloc(8 * 1000), ctypes.POINTER(ctypes.c_long))
    numbers = noise(23)
    head = ctypes.POINTER(Node)()
    nodes = []
    for i in range(60):
        for k in range(1000):
            memory[k] = next(numbers) % 100000
        if i == 3:
            held((memory, compare))
        libc.qsort(memory, ctypes.c_size_t(50 + i), ctypes.c_size_t(8), compare)
        nodes.append(Node(memory[i], head))
        head = ctypes.pointer(nodes[-1])
        at, total, length = head, 0, 0
        while at:
            total += at.contents.value
            at = at.contents.next
            length += 1
        step(i, memory[0], memory[25], total, length, calls)


main()
