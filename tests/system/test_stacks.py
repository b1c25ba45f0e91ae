"""ckpt_inspect --stacks and --core: what the threads were doing, as gdb sees it, and memory byte for byte."""

import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess

import pytest

CHAIN = ["innermost", "recursive", "recursive", "recursive", "recursive", "main"]
OTHER = ["innermost", "other_thread"]


@pytest.fixture
def image(ckpt, programs):
    job = ckpt.launch([os.path.join(programs, "apps", "deep_calls")])
    job.wait_output("ready\n")
    result = ckpt.checkpoint()
    job.kill()
    return dict(result, pid=job.pid, program=os.path.join(programs, "apps", "deep_calls"))


def gdb(image, core, *commands):
    if not shutil.which("gdb"):
        pytest.skip("gdb is not installed")
    argv = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off"]
    for c in commands:
        argv += ["-ex", c]
    done = subprocess.run([*argv, image["program"], core], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout
    assert "warning: Section" not in done.stdout and "is truncated" not in done.stdout, done.stdout
    return done.stdout


def inspect(ckpt, *args, status=0, **popen):
    done = ckpt.run("ckpt_inspect", *args, **popen)
    assert done.returncode == status, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == (status != 0), done.stderr
    return done.stdout if status == 0 else done.stderr


def within(wanted, functions):
    """The wanted functions, in that order and side by side."""
    return any(functions[i:i + len(wanted)] == wanted for i in range(len(functions)))


def distinct(pcs):
    """Calls that the compiler has inlined are frames of their own for gdb, with the same address."""
    numbers = [int(p, 16) for p in pcs]
    return [p for i, p in enumerate(numbers) if i == 0 or p != numbers[i - 1]]


def core_of(ckpt, image):
    core = ckpt.path("core")
    inspect(ckpt, "--core", core, image["image"])
    return core


def test_stacks_name_functions_of_all_threads(ckpt, image):
    report = json.loads(inspect(ckpt, "--stacks", "--json", image["image"]))
    threads = report["processes"][0]["threads"]
    stacks = [[f["function"] for f in t["stack"]] for t in threads]
    main = next(s for t, s in zip(threads, stacks) if t["tid"] == image["pid"])
    other = next(s for t, s in zip(threads, stacks) if t["tid"] != image["pid"])
    assert len(threads) == 2
    assert within(CHAIN, main), main
    assert within(OTHER, other), other
    assert main[-1] == "_start"
    frame = next(f for f in threads[0]["stack"] if f["function"] == "innermost")
    assert os.path.samefile(frame["object"], image["program"]) and frame["offset"] > 0


def test_stacks_for_people(ckpt, image):
    text = inspect(ckpt, "--stacks", image["image"])
    assert "process %d (deep_calls)" % image["pid"] in text
    assert text.count(" thread ") == 2
    functions = re.findall(r"#\d+ +0x[0-9a-f]{16} (\w+)", text)
    assert within(CHAIN, functions) and within(OTHER, functions)


def test_gdb_sees_the_same_stacks(ckpt, image):
    text = inspect(ckpt, "--stacks", "--json", image["image"])
    ours = {t["tid"]: [f["pc"] for f in t["stack"]] for t in json.loads(text)["processes"][0]["threads"]}
    out = gdb(image, core_of(ckpt, image), "set backtrace past-main on", "set backtrace past-entry on",
              "thread apply all backtrace -frame-info location-and-address")
    assert within(CHAIN, re.findall(r"^#\d+ .*? (\w+) \(", out, re.M)), out
    for tid, pcs in ours.items():
        part = re.search(r"\(LWP %d\)\):\n(.*?)(\n\n|\Z)" % tid, out, re.S).group(1)
        assert distinct(re.findall(r"^#\d+ +(0x[0-9a-f]+)", part, re.M)) == distinct(pcs), out


def test_gdb_sees_registers_and_memory(ckpt, image):
    out = gdb(image, core_of(ckpt, image), "thread 1", "info threads", "frame function innermost",
              "print ((double *)&heat)[999]", "print ((double *)&heat)[1]", "info auxv", "info proc mappings")
    assert "LWP %d" % image["pid"] in out
    assert "= 499.5" in out and "= 0.5" in out
    assert "AT_ENTRY" in out and "libckpt.so" in out and "deep_calls" in out


@pytest.fixture
def guarded(ckpt, programs):
    """Its second thread has a stack in the middle of an area with guard pages all over it."""
    program = os.path.join(programs, "apps", "deep_calls")
    job = ckpt.launch([program, "guard"])
    job.wait_output("ready\n")
    if "guard pages" not in job.output():
        pytest.skip("this kernel has no MADV_GUARD_INSTALL")
    result = ckpt.checkpoint()
    job.kill()
    return dict(result, pid=job.pid, program=program)


def test_stacks_between_guard_pages(ckpt, guarded):
    [process] = json.loads(inspect(ckpt, "--stacks", "--json", guarded["image"]))["processes"]
    assert sum("guard" in area["flags"] for area in process["memory"]) >= 3
    other = next(t for t in process["threads"] if t["tid"] != guarded["pid"])
    assert within(OTHER, [f["function"] for f in other["stack"]]), other
    out = gdb(guarded, core_of(ckpt, guarded), "thread 2", "frame function innermost", "print/x cookie",
              "print *(int *)between_guards")
    assert "= 0x1122334455667788" in out and "= 4711" in out, out


def test_core_is_private_and_whole(ckpt, image):
    core = core_of(ckpt, image)
    status = os.stat(core)
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 < status.st_size  # holes where nothing was written
    nowhere = ckpt.path("no/such/core")
    assert inspect(ckpt, "--core", nowhere, image["image"], status=1) == (
        "ckpt_inspect: cannot open %s: No such file or directory\n" % nowhere)
    assert "it has no process 1" in inspect(ckpt, "--core", core, "--pid", "1", image["image"], status=1)
    assert "must be a process id" in inspect(ckpt, "--core", core, "--pid", "1x", image["image"], status=2)


MAPPED = """
import mmap, os, sys, time
maps = []
for name, size in ("small", 1 << 20), ("large", 24 << 20), ("same", 1 << 20):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, size)
    maps.append(mmap.mmap(fd, size))
    maps[-1][5000:5012] = name.ljust(12).encode()
    maps[-1][size - 9000:size - 8990] = b"0123456789"
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
maps[1][10 << 20] = 1
print("changed", flush=True)
time.sleep(600)
"""


def segments(core):
    """Of an ELF core: address, size, place in the file."""
    with open(core, "rb") as f:
        head = f.read(64)
        [at] = struct.unpack_from("<Q", head, 32)
        size, n = struct.unpack_from("<HH", head, 54)
        f.seek(at)
        for _ in range(n):
            kind, _, place, address, _, filled, _, _ = struct.unpack("<IIQQQQQQ", f.read(size))
            if kind == 1:
                yield address, filled, place


def test_mapped_files_that_have_changed_since(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", MAPPED])
    job.wait_output("ready\n")
    first = ckpt.checkpoint()["image"]
    ckpt.file("go")
    job.wait_output("changed\n")
    second = ckpt.checkpoint()["image"]
    job.kill()
    for name in "small", "large":
        with open(ckpt.path(name), "r+b") as f:
            f.write(b"another " * 100000)
    core = ckpt.path("core")
    inspect(ckpt, "--core", core, first)
    places = {address: (filled, place) for address, filled, place in segments(core)}
    [process] = json.loads(inspect(ckpt, "--json", first))["processes"]
    areas = {os.path.basename(a["name"]): a for a in process["memory"] if "s" in a["permissions"]}
    with open(core, "rb") as f:
        for name in "small", "large", "same":
            filled, place = places[int(areas[name]["start"], 16)]
            assert filled == int(areas[name]["end"], 16) - int(areas[name]["start"], 16)
            f.seek(place)
            content = f.read(filled)
            wanted = bytearray(filled)
            wanted[5000:5012] = name.ljust(12).encode()
            wanted[filled - 9000:filled - 8990] = b"0123456789"
            assert content == wanted, name
    assert os.stat(core).st_blocks * 512 < 24 << 20
    [process] = json.loads(inspect(ckpt, "--diff", "--json", first, second))["processes"]
    changes = {os.path.basename(a["name"]): a["changed"] for a in process["memory"] if "s" in a["permissions"]}
    assert [changes[name] for name in ("small", "large", "same")] == [0, 1, 0]
    listed = json.loads(inspect(ckpt, "--json", ckpt.images))["images"]
    assert [g["beside"] for g in listed] == [2 << 20, 3 << 20]
    assert json.loads(inspect(ckpt, "--json", second))["beside"] == 3 << 20
    assert "  files      2.1 MB beside the image\n" in inspect(ckpt, first)
    assert " 2.1 MB " in inspect(ckpt, ckpt.images).splitlines()[1]
    shutil.rmtree(first + ".files")
    os.unlink(core)
    text = inspect(ckpt, "--core", core, first, status=1)
    assert re.fullmatch(r"ckpt_inspect: .*: damaged: content of .*/large: .*\n", text), text
    assert not os.path.exists(core)


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def test_core_that_can_not_be_written(ckpt, image):
    core = ckpt.path("core")
    assert "File too large" in inspect(ckpt, "--core", core, image["image"], status=1, preexec_fn=small_files)
    assert not os.path.exists(core)
    os.symlink("/dev/null", core)
    assert "no regular file" in inspect(ckpt, "--core", core, image["image"], status=1)
    assert os.path.exists(core)
