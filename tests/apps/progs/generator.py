"""Generators in mid-flight, one of which delegates to another, with a finally clause to come."""
from common import held, noise, step


def inner(n):
    total = 0
    try:
        for x in noise(n):
            got = yield x % 1000 + total
            total += got or 0
            if total > 4000:
                return total
    finally:
        step("inner", n, "ends at", total)


def outer():
    for n in range(1000):
        result = yield from inner(n)
        yield -result


def main():
    g = outer()
    squares = (x * x for x in noise(5))
    value = next(g)
    held(g)
    for i in range(400):
        value = g.send(value % 97)
        step(i, value, next(squares) % 1000)
    g.close()


main()
