"""Coroutines in mid-flight, run by a scheduler of our own, with asynchronous generators and contexts."""
import types

from common import held, noise, step


@types.coroutine
def switch(value):
    return (yield value)


class Resource:
    def __init__(self, name):
        self.name = name

    async def __aenter__(self):
        await switch("enter " + self.name)
        return self

    async def __aexit__(self, *_):
        await switch("leave " + self.name)


async def numbers(n):
    for x in noise(n):
        await switch(None)
        yield x % 100


async def worker(name):
    total = 0
    for k in range(20):
        async with Resource("%s-%d" % (name, k)):
            async for x in numbers(k):
                total += x
                if total % 5 == 0:
                    break
        got = await switch("%s total %d" % (name, total))
        total += got
    return total


def main():
    running = {name: worker(name) for name in "abcd"}
    sent = dict.fromkeys(running)
    turn = 0
    while running:
        name = list(running)[turn % len(running)]
        turn += 1
        try:
            what = running[name].send(sent[name])
            sent[name] = turn % 7
        except StopIteration as end:
            step(name, "returns", end.value)
            del running[name]
            continue
        if what:
            step(turn, what)
        if turn == 5:
            held(running["c"])


main()
