"""A held traceback, the frames in it, and their locals; they are looked at again and again."""
import sys
import traceback

from common import held, step


def fail(depth, label):
    local = "local %d of %s" % (depth, label)
    if depth == 0:
        raise ValueError(local)
    try:
        fail(depth - 1, label)
    except ValueError as e:
        if depth % 3 == 0:
            raise RuntimeError("at %d" % depth) from e
        raise


def catch(label):
    try:
        fail(12, label)
    except Exception:
        return sys.exc_info()


def main():
    kept = [catch("number %d" % i) for i in range(3)]
    here = sys._getframe()
    held(kept[0])
    for i in range(350):
        kind, error, tb = kept[i % 3]
        names = []
        while tb:
            names.append("%s:%d" % (tb.tb_frame.f_locals.get("local", "-"), tb.tb_lineno))
            tb = tb.tb_next
        text = "".join(traceback.format_exception(kind, error, kept[i % 3][2]))
        step(i, here.f_locals["i"], names[-1], len(names), text.count("line"), repr(error.__cause__))
        if i % 50 == 49:
            kept[i % 3] = catch("number %d" % i)


main()
