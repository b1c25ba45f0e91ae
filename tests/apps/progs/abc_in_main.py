"""Abstract base classes defined in __main__, with registered classes and instances, some made late."""
import abc

from common import held, step


class Shape(abc.ABC):
    made = 0

    def __init__(self, size):
        self.size = size
        Shape.made += 1

    @abc.abstractmethod
    def area(self):
        ...

    @classmethod
    def __subclasshook__(cls, other):
        return True if cls is Shape and hasattr(other, "area") else NotImplemented


class Square(Shape):
    def area(self):
        return self.size ** 2


class Foreign:
    def area(self):
        return 1


class Sequence(abc.ABC):
    pass


Sequence.register(range)


def main():
    shapes = [Square(i) for i in range(5)]
    kinds = [Square]
    held(shapes)
    for i in range(400):
        if i % 20 == 19:
            base = kinds[-1]
            kinds.append(abc.ABCMeta("Square%d" % i, (base,),
                                     {"area": lambda self, n=i, b=base: n + b.area(self)}))
        shapes.append(kinds[i % len(kinds)](i % 7))
        try:
            Shape(1)
        except TypeError:
            refused = True
        step(i, len(kinds), sum(s.area() for s in shapes), Shape.made, refused,
             isinstance(Foreign(), Shape), isinstance(range(3), Sequence), isinstance(3, Sequence))


main()
