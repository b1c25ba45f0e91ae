"""Sockets that lead outside of the job, ports that others have taken, and what is refused.

What stays inside the job is tested by the programs tcp_*.c, udp_*.c and netlink_*.c.
"""

import re
import socket
import time

import pytest

PYTHON = "/usr/bin/python3"

PROGRAM = """
import errno, os, select, socket, sys, time
def name(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)
%s
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.005)
%s
print("ok", flush=True)
"""


def start(ckpt, setup, verify="", *argv, options=()):
    job = ckpt.launch([PYTHON, "-c", PROGRAM % (setup, verify), *argv], options)
    job.wait_output("ready\n")
    return job


def refused(ckpt, *texts):
    done = ckpt.command("--checkpoint", expect=4)
    for text in texts:
        assert text in done.stderr, done.stderr
    return done.stderr


@pytest.fixture
def outside():
    """A server outside of any job: its name, and accept()."""
    s = socket.create_server(("127.0.0.1", 0))
    s.settimeout(20)
    yield "127.0.0.1:%d" % s.getsockname()[1], s
    s.close()


CONNECT = """
s = socket.create_connection(name(sys.argv[1]))
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
idle = socket.create_connection(name(sys.argv[1]))
select.select([s], [], [])
poll = select.epoll()
poll.register(idle, select.EPOLLIN | select.EPOLLET)
"""

IS_RESET = """
assert poll.poll(5) and poll.poll(0) == [], "epoll does not wake up once"
assert s.recv(100) == b"came before"
for t in (s, idle):
    try:
        t.recv(1)
        raise SystemExit("not reset")
    except ConnectionResetError:
        pass
    try:
        t.send(b"x")
        raise SystemExit("still sends")
    except BrokenPipeError:
        pass
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
"""


def connected(ckpt, outside, verify=IS_RESET, **kw):
    """A program with two connections to outside, and their other ends."""
    address, server = outside
    job = ckpt.launch([PYTHON, "-c", PROGRAM % (CONNECT, verify), address], **kw)
    ends = [server.accept()[0] for _ in range(2)]
    ends[0].sendall(b"came before")
    job.wait_output("ready\n")
    return job, ends


def test_a_connection_to_outside_is_reset(ckpt, outside):
    job, _ = connected(ckpt, outside)
    image = ckpt.checkpoint()["image"]
    job.kill()
    ckpt.file("go")
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == "ready\nok\n"
    assert "outside the job, will have been reset" in ckpt.run("ckpt_inspect", image).stdout


def test_a_connection_to_outside_goes_on_in_the_original(ckpt, outside):
    job, ends = connected(ckpt, outside, "assert s.recv(100) == b'came before'\ns.sendall(b'and on')")
    ckpt.checkpoint()
    ckpt.file("go")
    assert ends[0].recv(100) == b"and on"
    job.wait()


def test_refuse_at_the_checkpoint(ckpt, outside):
    job, _ = connected(ckpt, outside, "", options=["--tcp=refuse"])
    refused(ckpt, "a connection to %s, outside the job" % outside[0])
    ckpt.file("go")
    job.wait()


def test_refuse_at_the_restart(ckpt, outside):
    job, _ = connected(ckpt, outside)
    image = ckpt.checkpoint()["image"]
    job.kill()
    done = ckpt.run("ckpt_restart", "--tcp=refuse", image)
    assert done.returncode == 125
    assert "connected to %s, outside the job" % outside[0] in done.stderr, done.stderr


def test_a_server_goes_on_listening(ckpt):
    job = ckpt.launch([PYTHON, "-c", PROGRAM % ("""
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
s, _ = l.accept()
""", """
try:
    s.recv(1)
    raise SystemExit("not reset")
except ConnectionResetError:
    pass
t, _ = l.accept()
t.sendall(t.recv(100))
""")])
    job.wait_output("\n")
    port = int(job.output().split()[0])
    first = socket.create_connection(("127.0.0.1", port))
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    first.close()
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    second = socket.create_connection(("127.0.0.1", port))
    ckpt.file("go")
    second.sendall(b"hello")
    assert second.recv(100) == b"hello"
    job.wait()


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM"])
def test_a_port_that_is_taken_is_named(ckpt, kind):
    job = start(ckpt, """
s = socket.socket(socket.AF_INET, socket.SOCK_%s)
s.bind(("127.0.0.1", 0))
if "%s" == "STREAM":
    s.listen()
print(s.getsockname()[1], flush=True)
""" % (kind, kind))
    port = int(job.output().split()[0])
    image = ckpt.checkpoint()["image"]
    job.kill()
    with socket.socket(socket.AF_INET, getattr(socket, "SOCK_" + kind)) as s:
        s.bind(("127.0.0.1", port))
        if kind == "STREAM":
            s.listen()
        done = ckpt.run("ckpt_restart", image)
        assert done.returncode == 125
        assert "port %d is taken (127.0.0.1:%d)" % (port, port) in done.stderr, done.stderr
    ckpt.file("go")
    job = ckpt.restart(image, job)
    job.wait()


def test_of_two_restarts_the_second_is_told_the_port(ckpt):
    job = start(ckpt, """
l = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(l.getsockname())
b, _ = l.accept()
""", "a.sendall(b'x'); assert b.recv(1) == b'x'")
    image = ckpt.checkpoint()["image"]
    job.kill()
    first = ckpt.restart(image, job)
    ckpt.wait_known(first)
    done = ckpt.run("ckpt_restart", image)
    assert done.returncode == 125
    assert re.search(r"port \d+ is taken", done.stderr), done.stderr
    ckpt.file("go")
    first.wait()


SHARED = """
def client(listening):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, 51, (port << 16 | port).to_bytes(4, "little"))  # IP_LOCAL_PORT_RANGE
    s.connect(listening.getsockname())
    return s
port = int(sys.argv[1])
l = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
try:
    clients = [client(x) for x in l]
except OSError as e:
    raise SystemExit("skip" if e.errno == errno.ENOPROTOOPT else e)
accepted = [l[0].accept()[0]]
l[0].close()
clients[2].sendall(b"request")
"""

STILL_SHARED = """
accepted += [x.accept()[0] for x in l[1:]]
assert accepted[2].recv(100) == b"request"
for s, t in zip(clients, accepted):
    assert s.getsockname() == t.getpeername() == ("127.0.0.1", port), (s, t)
    s.sendall(b"ping")
    assert t.recv(100) == b"ping"
"""


@pytest.mark.parametrize("dies", [True, False])
def test_a_port_that_connections_of_others_have_too(ckpt, outside, dies):
    """As all have it that the kernel has chosen a port for: their other ends are different ones."""
    _, server = outside
    others = socket.create_connection(server.getsockname())
    other_end, _ = server.accept()
    port = others.getsockname()[1]
    job = ckpt.launch([PYTHON, "-c", PROGRAM % (SHARED, STILL_SHARED), str(port)])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    if dies:
        job.kill()
        job = ckpt.restart(image, job)
    ckpt.file("go")
    job.wait()
    assert job.output() == "ready\nok\n", job.story()
    others.sendall(b"and on")
    assert other_end.recv(100) == b"and on"
    others.close()


LONG_QUEUE = """
l = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(l.getsockname())
b, _ = l.accept()
b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 20)
b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
block = bytes(range(251)) * 1000
sent = 0
a.setblocking(False)
while select.select([], [a], [], 0.5)[1]:
    sent += a.send(block[sent % 251:])
print(sent, flush=True)
"""

ALL_OF_IT = """
a.setblocking(True)
a.shutdown(socket.SHUT_WR)
got = b"".join(iter(lambda: b.recv(1 << 20), b""))
assert len(got) == sent and got == (block * (sent // len(block) + 1))[:sent], (len(got), sent)
assert "memfd:ckpt" not in open("/proc/self/maps").read()
"""


def restarted(ckpt, job, image):
    """The job killed and restarted; the coordinator knows it."""
    job.kill()
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    return job


def ends_well(ckpt, job):
    ckpt.file("go")
    job.wait()
    assert job.output().endswith("ready\nok\n"), job.story()


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True)
def test_a_long_queue_is_put_back(ckpt):
    job = start(ckpt, LONG_QUEUE, ALL_OF_IT)
    for _ in range(3):
        ckpt.checkpoint()  # it is taken out, and put back
        job = restarted(ckpt, job, ckpt.checkpoint()["image"])
    ends_well(ckpt, job)


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True)
def test_a_queue_as_long_as_can_be(ckpt):
    """The kernel gives a buffer that nobody without privileges may ask for: what is in it could not be put back."""
    job = start(ckpt, LONG_QUEUE.replace("1 << 20)", "1 << 30)"), ALL_OF_IT)
    if ckpt.root:
        job = restarted(ckpt, job, ckpt.checkpoint()["image"])
    else:
        assert "more than net.ipv4.tcp_rmem lets it take again" in ckpt.command("--checkpoint", expect=4).stderr
    ends_well(ckpt, job)


ALWAYS_FULL = """
import array, fcntl, termios, threading
l = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(l.getsockname())
b, _ = l.accept()
block = bytes(range(251)) * 100
sent, over = 0, False

def fill():
    global sent
    while not over:
        sent += a.send(block[sent % 251:])
    a.shutdown(socket.SHUT_WR)

def held():
    n = array.array("i", [0])
    total = 0
    for s, what in (b, termios.FIONREAD), (a, termios.TIOCOUTQ):
        fcntl.ioctl(s, what, n)
        total += n[0]
    return total

writer = threading.Thread(target=fill)
writer.start()
while not held() or select.select([], [a], [], 0.5)[1]:
    pass
"""

NO_MORE_OF_IT = """
over = True
last = held()
got = b"".join(iter(lambda: b.recv(1 << 20), b""))
writer.join()
assert len(got) == sent and got == (block * (sent // len(block) + 1))[:sent], (len(got), sent)
assert last < 20e6, last  # at most 8 MiB wait longer in it than is needed, and 4 MiB are at the other end
assert "memfd:ckpt" not in open("/proc/self/maps").read()
"""


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True)
def test_a_queue_that_is_always_full_does_not_grow(ckpt):
    job = start(ckpt, ALWAYS_FULL, NO_MORE_OF_IT)
    for _ in range(3):
        for _ in range(4):
            image = ckpt.checkpoint()["image"]
            time.sleep(0.1)  # it is filled again
        job = restarted(ckpt, job, image)
    ends_well(ckpt, job)


def test_a_connection_with_the_outside_as_standard_stream(ckpt, outside):
    address, server = outside
    s = socket.create_connection(server.getsockname())
    server.accept()
    job = ckpt.launch([PYTHON, "-c", PROGRAM % ("", "")], stdin=s.fileno())
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    ckpt.file("go")
    ckpt.restart(image, job).wait()


def test_datagrams_of_outside_senders_are_lost(ckpt):
    job = start(ckpt, """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
""", """
got = [s.recv(100)]
assert got == [b"from one who left"], got
""")
    name = ("127.0.0.1", int(job.output().split()[0]))
    stays = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stays.sendto(b"from one who stays", name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leaves:
        leaves.sendto(b"from one who left", name)
    image = ckpt.checkpoint()["image"]
    job.kill()
    ckpt.file("go")
    job = ckpt.restart(image, job)
    job.wait()
    assert "1 datagrams that waited in it are lost" in job.errors()
    stays.close()


REFUSED = {
    "ping": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)", "(ICMP)"),
    "crypto": ("socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0)", "AF_ALG"),
    "vsock": ("socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", "(vsock)"),
    "multipath": ("socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)", "Multipath TCP"),
    "udplite": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)", "only TCP and UDP"),
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_can_not_be_restored_is_named(ckpt, kind):
    make, text = REFUSED[kind]
    job = ckpt.launch([PYTHON, "-c", PROGRAM % ("""
try:
    s = %s
except OSError:
    print("none")
""" % make, "")])
    job.wait_output("ready\n")
    if "none" in job.output():
        pytest.skip("no such sockets here")
    refused(ckpt, "(socket:[", text)
    ckpt.file("go")
    job.wait()


@pytest.mark.parametrize("ckpt", [{"root": True}], indirect=True)
@pytest.mark.parametrize("make, text", [
    ("socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)", "raw sockets"),
    ("socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)", "packet sockets"),
])
def test_raw_sockets_are_named(ckpt, make, text):
    job = start(ckpt, "s = " + make)
    refused(ckpt, text)
    ckpt.file("go")
    job.wait()
