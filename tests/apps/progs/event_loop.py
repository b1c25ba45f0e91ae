"""A running asyncio loop: timers, tasks, queues, locks, a timeout, a pipe that it watches, a thread."""
import asyncio
import os

from common import held, step


async def ticker(name, period, out):
    for i in range(40):
        await asyncio.sleep(period)
        await out.put("%s %d" % (name, i))
    await out.put(None)


async def never(name):
    try:
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.4)
    except asyncio.TimeoutError:
        return name + " timed out"


def reader(fd, loop):
    future = loop.create_future()

    def ready():
        loop.remove_reader(fd)
        future.set_result(os.read(fd, 100))
    loop.add_reader(fd, ready)
    return future


async def main():
    loop = asyncio.get_running_loop()
    outs = [asyncio.Queue(maxsize=2) for _ in range(4)]
    tasks = [asyncio.create_task(ticker("task %d" % i, 0.005 + 0.004 * i, out))
             for i, out in enumerate(outs)]
    late = [asyncio.create_task(never("waiter %d" % i)) for i in range(3)]
    r, w = os.pipe()
    fired = []
    loop.call_later(0.9, fired.append, "the late call")
    lines = 0
    open_outs = list(outs)
    while open_outs:
        for out in list(open_outs):
            line = await out.get()
            if line is None:
                open_outs.remove(out)
                continue
            lines += 1
            step(lines, line)
            if lines == 10:
                held(loop)
            if lines % 10 == 0:
                os.write(w, b"message %d" % lines)
                step(await reader(r, loop))
            if lines % 25 == 0:
                step(await loop.run_in_executor(None, sum, range(lines * 1000)))
    for task in late:
        step(await task)
    await asyncio.gather(*tasks)
    while not fired:
        await asyncio.sleep(0.01)
    step(fired)


asyncio.run(main())
