"""Other ways to do the same: CRIU, a core of gdb, zstd."""

import contextlib
import os
import shutil
import struct
import subprocess
import time

CRIU = os.environ.get("CRIU", "criu")


def run(argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)


# ---- zstd ----


def zstd(path):
    """`zstd -1 -T2` of a file, made durable: (seconds, bytes), None without zstd."""
    if not shutil.which("zstd"):
        return None
    packed = path + ".zst"
    start = time.perf_counter()
    done = run(["zstd", "-1", "-T2", "-q", "-f", path, "-o", packed])
    if done.returncode:
        raise RuntimeError("zstd: " + done.stdout)
    fd = os.open(packed, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
    took = time.perf_counter() - start
    size = os.path.getsize(packed)
    os.unlink(packed)
    return took, size


# ---- gdb ----


def core(pid, path):
    """A core of a running program; its path, None when gdb is not there or may not."""
    if not shutil.which("gcore"):
        return None
    run(["gcore", "-o", path, str(pid)])
    made = "%s.%d" % (path, pid)
    return made if os.path.exists(made) else None


# ---- CRIU ----


def criu_missing():
    """Why CRIU can't be measured here; None when it can."""
    if not shutil.which(CRIU):
        return "CRIU is not installed"
    if os.getuid() != 0:
        return "CRIU needs root"
    done = run([CRIU, "check"])
    if done.returncode == 0:
        return None
    version = run([CRIU, "--version"]).stdout.split("\n")[0].replace("Version: ", "")
    reasons = [line for line in done.stdout.splitlines() if "exited, status" not in line]
    return "CRIU %s does not work here: %s" % (version, reasons[0] if reasons else "criu check fails")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def message(data):
    """Fields of a protobuf message of numbers and messages, by number."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        fields[key >> 3] = value
    return fields


def criu_frozen_ms(where):
    """From stats-dump: two magic numbers, a length, StatsEntry { dump = 1 { frozen_time = 2 (us) } }."""
    with open(os.path.join(where, "stats-dump"), "rb") as f:
        data = f.read()
    (size,) = struct.unpack_from("<I", data, 8)
    return message(message(data[12 : 12 + size])[1])[2] / 1e3


def criu_dump(pid, where, *options):
    """Dump to an empty directory; how long the program stood still, in ms."""
    os.mkdir(where)
    done = run([CRIU, "dump", "-t", str(pid), "-D", where, "-v0", "--shell-job", *options])
    if done.returncode:
        raise RuntimeError("criu dump: " + done.stdout[-500:])
    return criu_frozen_ms(where)


def criu_restore(where, out):
    """Restore a program that writes to the file `out`; seconds until it grows."""
    size = os.path.getsize(out)
    start = time.perf_counter()
    p = subprocess.Popen([CRIU, "restore", "-D", where, "-v0", "--shell-job"], start_new_session=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    while os.path.getsize(out) <= size:
        if p.poll() is not None:
            raise RuntimeError("criu restore: status %d" % p.returncode)
        time.sleep(0.0002)
    took = time.perf_counter() - start
    with contextlib.suppress(OSError):
        os.killpg(p.pid, 9)
    return took, p
