"""A user at a screen: an interactive shell on a pseudo terminal, behind which a terminal is emulated."""

import re
import time

import pexpect
import pyte

import ckpttest
import shelltest


class Screen(shelltest.Shell):
    """What is read is what stands on the screen, not what was sent to it."""

    def __init__(self, ckpt, size=(40, 100)):
        self.screen = pyte.Screen(size[1], size[0])
        self.stream = pyte.Stream(self.screen)
        super().__init__(ckpt, size)

    def read(self):
        """Take what has come; a program that asks where the cursor is gets an answer."""
        try:
            data = self.p.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return
        self.stream.feed(data)
        for _ in range(data.count("\x1b[6n")):
            self.p.send("\x1b[%d;%dR" % (self.screen.cursor.y + 1, self.screen.cursor.x + 1))

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def expect(self, what, limit=ckpttest.LIMIT):
        """Wait until a line, which ends with one blank, fits; the match."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for line in self.lines():
                match = re.search(what, line + " ")
                if match:
                    return match
            try:
                self.read()
            except pexpect.EOF:
                break
        raise ckpttest.Failure("%r did not come, but\n%s" % (what, "\n".join(filter(None, self.lines()))))

    def clear(self):
        """Forget what stands there."""
        self.screen.reset()
