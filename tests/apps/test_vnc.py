"""A desktop with nobody at it: an X server with a window manager and windows of Python, looked at over VNC."""

import contextlib
import os
import re
import socket
import struct

import pytest

import ckpttest

WIDTH, HEIGHT = 560, 400
# each window, and what of the screen is in it: left, top, right, bottom
WINDOWS = {"counter": (20, 40, 200, 150), "plot": (240, 40, 540, 300),
           "sysv": (20, 200, 200, 260), "fd": (20, 290, 200, 350)}
X_SOCKETS = "/tmp/.X11-unix"
RAW = 0
NEEDED = ["/usr/bin/Xtigervnc", "/usr/bin/twm"]

TWMRC = """
NoGrabServer
RandomPlacement
TitleFont "fixed"
MenuFont "fixed"
IconFont "fixed"
IconManagerFont "fixed"
"""

SESSION = """
set -e
umask 077
mkfifo display
Xtigervnc -displayfd 5 -geometry %(width)dx%(height)d -depth 24 -interface 127.0.0.1 -rfbport %(port)d \\
	-SecurityTypes None 5<> display > server.log 2>&1 &
server=$!
read number < display
rm display
export DISPLAY=:$number
echo display $number
twm -f twmrc > twm.log 2>&1 &
manager=$!
/usr/bin/python3 -B %(progs)s/x_counter.py control > counter.log 2>&1 &
counter=$!
/usr/bin/python3 -B %(progs)s/x_plot.py control > plot.log 2>&1 &
plot=$!
/usr/bin/python3 -B %(progs)s/x_shm.py control sysv > sysv.log 2>&1 &
sysv=$!
/usr/bin/python3 -B %(progs)s/x_shm.py control fd > fd.log 2>&1 &
wait $!
wait $counter
wait $plot
wait $sysv
kill $manager $server
wait $server
echo down
"""


class Viewer:
    """As much of a VNC client (RFC 6143) as it takes to ask for a picture."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), ckpttest.LIMIT)
        assert self.read(12).startswith(b"RFB 003.")
        self.s.sendall(b"RFB 003.008\n")
        assert b"\1" in self.read(self.read(1)[0])  # ways to authenticate: none is one of them
        self.s.sendall(b"\1")
        assert self.read(4) == bytes(4)
        self.s.sendall(b"\1")  # others may look too
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(struct.unpack(">I", self.read(4))[0])
        # 32 bits a pixel, of which 24 count; no encoding but the plain one
        self.s.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.s.sendall(struct.pack(">BxHi", 2, 1, RAW))

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            more = self.s.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the server is gone")
            data += more
        return bytes(data)

    def picture(self):
        """All that is on the screen now, as bytes."""
        self.s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        screen = bytearray(4 * self.width * self.height)
        missing = self.width * self.height
        while missing > 0:
            kind, = self.read(1)
            assert kind == 0, "message %d" % kind
            for _ in range(struct.unpack(">xH", self.read(3))[0]):
                x, y, w, h, encoding = struct.unpack(">HHHHi", self.read(12))
                assert encoding == RAW
                for row in range(y, y + h):
                    at = 4 * (row * self.width + x)
                    screen[at:at + 4 * w] = self.read(4 * w)
                missing -= w * h
        return bytes(screen)

    def close(self):
        self.s.close()


class Session:
    """The job that runs the desktop."""

    def __init__(self, ckpt, programs):
        self.ckpt = ckpt
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        ckpt.file("twmrc", TWMRC)
        self.say("go")
        script = ckpt.file("session.sh", SESSION % {
            "width": WIDTH, "height": HEIGHT, "port": self.port, "progs": os.path.join(programs, "progs")})
        self.job = ckpt.launch(["/bin/bash", script])
        self.job.wait_output("\n")
        self.socket = "%s/X%d" % (X_SOCKETS, int(self.job.output().split()[1]))

    def say(self, what):
        """Tell the windows; they see the old word or the new one, never half of it."""
        self.ckpt.file("control.new", what)
        os.rename(self.ckpt.path("control.new"), self.ckpt.path("control"))

    def log(self, name):
        with contextlib.suppress(FileNotFoundError), open(self.ckpt.path(name + ".log")) as f:
            return f.read()
        return ""

    def logs(self):
        return "".join("\n--- %s\n%s" % (n, self.log(n)[-1000:]) for n in ("server", "twm", *WINDOWS))

    def wait_more(self, pattern, had=None):
        """Wait until each window has said more lines like pattern than it had."""
        had = had or {}
        for name in WINDOWS:
            def more():
                assert self.job.running(), self.job.story() + self.logs()
                return len(re.findall(pattern, self.log(name), re.M)) > had.get(name, 0)
            ckpttest.wait_for(more, lambda: name + ": " + self.job.story() + self.logs())

    def said(self, pattern):
        return {name: len(re.findall(pattern, self.log(name), re.M)) for name in WINDOWS}

    def run(self):
        """Let both windows show some numbers more."""
        self.say("go")
        for _ in range(3):
            self.wait_more(r"^(frame |shown )?\d+$", self.said(r"^(frame |shown )?\d+$"))

    def pause(self):
        """Have both stand still, with all they have drawn on the screen."""
        had = self.said("^still")
        self.say("pause")
        self.wait_more("^still", had)

    def restart(self, image):
        self.job = self.ckpt.restart(image, self.job)
        self.ckpt.wait_known(self.job)

    def check_numbers(self):
        """No number was lost and none came twice."""
        for name in WINDOWS:
            numbers = re.findall(r"^(?:frame |shown )?(\d+)$", self.log(name), re.M)
            assert numbers == [str(n) for n in range(1, len(numbers) + 1)], self.logs()


def part(picture, window):
    """What of the picture is in one window."""
    left, top, right, bottom = WINDOWS[window]
    return [picture[4 * (WIDTH * y + left):4 * (WIDTH * y + right)] for y in range(top, bottom)]


@pytest.fixture
def desktop(ckpt, programs):
    """A session, of which no socket stays whatever happens."""
    if not all(map(os.path.exists, NEEDED)):
        pytest.skip("no X server or window manager here")
    had_sockets = os.path.exists(X_SOCKETS)
    session = Session(ckpt, programs)
    yield session
    if session.job.running():
        session.job.kill_all()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(session.socket)
    if not had_sockets:
        with contextlib.suppress(OSError):
            os.rmdir(X_SOCKETS)


def test_desktop_over_vnc(ckpt, desktop):
    for _ in range(2):
        desktop.run()
        desktop.pause()
        viewer = Viewer(desktop.port)
        before = viewer.picture()
        image = ckpt.checkpoint()["image"]
        assert viewer.picture() == before  # the viewer is outside of the job and notices nothing
        desktop.job.kill()
        with pytest.raises(ConnectionError):
            viewer.picture()
        viewer.close()
        desktop.restart(image)
        viewer = Viewer(desktop.port)
        assert viewer.picture() == before, desktop.logs()
        desktop.run()
        desktop.pause()
        after = viewer.picture()
        for window in WINDOWS:
            assert part(after, window) != part(before, window), window + desktop.logs()
        viewer.close()
    desktop.run()
    viewer = Viewer(desktop.port)
    viewer.picture()
    image = ckpt.checkpoint()["image"]  # while all of them draw
    desktop.job.kill()
    viewer.close()
    desktop.restart(image)
    desktop.run()
    desktop.check_numbers()
    desktop.say("end")
    desktop.job.wait()
    desktop.job.wait_output("down\n")
    assert not os.path.exists(desktop.socket)
