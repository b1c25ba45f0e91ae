"""Greenlets: C stacks that are copied in and out of the heap, switched to and fro."""
import greenlet

from common import held, noise, step


def player(name, depth, others):
    if depth:
        return player(name, depth - 1, others)
    total = 0
    for x in noise(len(name) * 7 + ord(name[-1])):
        total = (total + x) % 10007
        got = others[x % len(others)].switch((name, total))
        total += got[1]
    return total


def main():
    players = []
    hub = greenlet.getcurrent()

    def pick(name, total):
        return hub.switch((name, total))
    players += [greenlet.greenlet(lambda n="player %d" % i, d=i * 5: player(n, d, [hub]))
                for i in range(6)]
    message = ("hub", 1)
    for i in range(400):
        message = players[i * 7 % 6].switch(*(() if not players[i * 7 % 6] else (message,)))
        if i == 20:
            held(players[0])
        step(i, message)


main()
