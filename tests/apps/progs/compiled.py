"""Code compiled by Numba while the program runs, called by it and by threads of its own."""
import numpy
import numba

from common import held, step


@numba.njit
def collatz(n):
    longest = 0
    for i in range(1, n):
        x, length = i, 0
        while x != 1:
            x = x // 2 if x % 2 == 0 else 3 * x + 1
            length += 1
        longest = max(longest, length)
    return longest


@numba.njit(parallel=True)
def spread(a):
    b = numpy.empty_like(a)
    for i in numba.prange(a.size):
        b[i] = a[i] * 0.5 + a[(i + 1) % a.size] * 0.5
    return b


@numba.cfunc("float64(float64)")
def twice(x):
    return 2 * x


def main():
    a = numpy.arange(1000.0) % 17
    held(twice.ctypes)
    for i in range(250):
        a = spread(a)
        if i == 120:
            late = numba.njit(lambda x: x * x + 1)
        step(i, collatz(500 + i), "%.12f" % a[i], twice.ctypes(float(i)),
             late(i) if i >= 120 else None)


main()
