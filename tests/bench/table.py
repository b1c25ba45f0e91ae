"""Figures as text: what was measured, beside its peers, with ratios and targets."""

import statistics


class Figure:
    """One table: entries of one unit, the first of them ours."""

    def __init__(self, title, unit="ms"):
        self.title = title
        self.unit = unit
        self.entries = []
        self.notes = []

    def add(self, label, value, target=None, peer=False):
        """A value; target: at most this much. A peer's is shown as a multiple of our first one."""
        self.entries.append((label, value, target, peer))

    def note(self, text):
        """A line below: a peer that can't be measured here, a circumstance."""
        self.notes.append(text)

    def reached(self):
        return [value <= target for _, value, target, _ in self.entries if target is not None]

    def lines(self):
        yield self.title
        ours = None
        for label, value, target, peer in self.entries:
            ratio = verdict = ""
            if peer and ours:
                ratio = "%.3g x" % (value / ours)
            elif ours is None:
                ours = value
            if target is not None:
                verdict = "at most %s: %s" % (amount(target, self.unit), judge(value, target))
            line = "  %-50s %11s %9s  %s" % (label, amount(value, self.unit), ratio, verdict)
            yield line.rstrip()
        for text in self.notes:
            yield "  (%s)" % text


def judge(value, target):
    return "reached" if value <= target else "missed by %.0f %%" % (100 * (value / target - 1))


def amount(value, unit):
    if unit == "ms":
        digits = 2 if value < 100 else 0
        return "%.*f ms" % (digits, value)
    if unit == "bytes":
        return "%.1f MB" % (value / 1e6)
    if unit == "us":
        return "%.1f us" % value
    if unit == "times":
        return "%.3f" % value
    return "%d" % value


def median(values):
    return statistics.median(values)


def spread(values):
    """Half the distance of the quartiles, as a share of the median."""
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / statistics.median(values)
