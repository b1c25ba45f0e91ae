"""Context variables: values per context, tokens to reset them, contexts run again and again."""
import contextvars

from common import held, noise, step

number = contextvars.ContextVar("number", default=0)
trail = contextvars.ContextVar("trail", default=())


def visit(x):
    tokens.append((contextvars.copy_context(), trail.set((trail.get() + (x,))[-6:])))
    number.set(number.get() + x)
    return number.get(), trail.get()


tokens = []


def main():
    contexts = [contextvars.copy_context() for _ in range(5)]
    numbers = noise(19)
    held(contexts[0])
    for i in range(400):
        x = next(numbers) % 100
        c = contexts[x % 5]
        step(i, c.run(visit, x), number.get(), c[number], len(c))
        if i % 25 == 24:
            contexts[i % 5] = tokens[i // 2][0]


main()
