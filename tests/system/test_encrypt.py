"""Encrypted images: readable with their key alone, changed by nobody without it, and the key is nowhere but in
its file."""

import base64
import hashlib
import json
import os
import shutil

import pytest

from ckpttest import processes
from test_bad_input import BOTH, OWN, PYTHON, counter, expected, launch_fails, nothing_partial, one_line, restart_fails, verify

SECRET = b"the-password-of-nobody-"
HOLDER = """
import resource, sys, time
if "no-copy" in sys.argv:  # the kernel grants none, and the program writes its image itself
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
secret = [("the-password-of-" + "nobody-%d" % i).encode() for i in range(2000)]
print("ready", flush=True)
for i in range(100000):
    assert secret[i % 2000].endswith(b"-%d" % (i % 2000))
    print("line", i, flush=True)
    time.sleep(0.01)
"""


def key_file(ckpt, name="key", content=None, mode=0o600):
    return ckpt.file(name, content or os.urandom(32), mode)


def holder(ckpt, *args):
    return [PYTHON, "-B", ckpt.file("holder.py", HOLDER), *args]


def launch(ckpt, key, argv=None, **options):
    job = ckpt.launch(argv or holder(ckpt), ["--encrypt=" + key], **options)
    job.wait_output("line 5\n")
    return job


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, content):
    with open(path, "r+b") as f:
        f.write(content)


@pytest.mark.parametrize("ckpt", [{"compress": "zstd"}, {"compress": "none"}, {"root": True}], indirect=True,
                         ids=["zstd", "none", "root"])
def test_chain(ckpt, programs):
    key, gate = key_file(ckpt), ckpt.path("gate")
    job = ckpt.launch(counter(programs, 200), ["--encrypt=" + key], env={"GATE": gate})
    for line in (20, 50, 80):
        job.wait_output("line %d\n" % line)
        image = ckpt.checkpoint()["image"]
        job.kill()
        job = ckpt.restart(image, job)
    ckpt.file("gate")
    job.wait()
    assert job.output() == expected(200)


FORKS = """
import hashlib, os, sys, time
data = [b"shared %d" % i for i in range(20000)]
def child(n):
    r, w = os.pipe()
    if os.fork():
        return r
    own = [b"own %d %d" % (n, i) for i in range(1000)]
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.005)
    os.write(w, hashlib.sha256(b"".join(data + own)).hexdigest().encode())
    os._exit(0)
pipes = [child(n) for n in range(3)]
print("line 5", flush=True)
for r in pipes:
    print(os.read(r, 100).decode(), flush=True)
"""


def test_several_processes(ckpt):
    """What they share is sealed once, by one of them, and opened by all."""
    key, gate = key_file(ckpt), ckpt.path("gate")
    job = launch(ckpt, key, [PYTHON, "-B", ckpt.file("forks.py", FORKS), gate])
    for _ in range(2):
        result = ckpt.checkpoint()
        assert result["processes"] == 4
        job.kill()
        job = ckpt.restart(result["image"], job)
    ckpt.wait_known(job)
    ckpt.file("gate")
    job.wait()
    shared = b"".join(b"shared %d" % i for i in range(20000))
    own = [b"".join(b"own %d %d" % (n, i) for i in range(1000)) for n in range(3)]
    assert job.output().split()[2:] == [hashlib.sha256(shared + o).hexdigest() for o in own]


def test_variable_is_as_good_as_the_option(ckpt, programs):
    key = key_file(ckpt, content=base64.b64encode(os.urandom(32)) + b"\n")
    for options in ([], ["--encrypt"]):
        job = ckpt.launch(counter(programs, 100000), options, env={"CKPT_KEYFILE": os.path.relpath(key, ckpt.work)})
        job.wait_output("line 5\n")
        image = ckpt.checkpoint()["image"]
        job.kill()
        assert json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)["encrypted"] is True


def test_launch_says_what_is_wrong_with_a_key_file(ckpt):
    def fails(key, *parts):
        launch_fails(ckpt, OWN, ["--ckptdir", ckpt.images, "--encrypt=" + key, "true"], key, *parts)
    fails(ckpt.path("none"), "No such file")
    fails(key_file(ckpt, "open", mode=0o640), "open to others")
    fails(key_file(ckpt, "short", b"x" * 31), "has no key in it")
    fails("/dev/null", "not a regular file")
    launch_fails(ckpt, OWN, ["--ckptdir", ckpt.images, "--encrypt", "true"], "no key file is named", "/dev/urandom")
    if os.getuid() == 0:
        theirs = key_file(ckpt, "theirs", mode=0o644)
        os.chown(theirs, 0, 0)
        fails(theirs, "belongs to another user")


@BOTH
def test_restart_and_inspect_want_the_key(ckpt):
    key, other = key_file(ckpt), key_file(ckpt, "other")
    job = launch(ckpt, key)
    image = ckpt.checkpoint()["image"]
    job.kill()
    moved = key + ".moved"
    os.rename(key, moved)
    for place in (image, ckpt.images):
        restart_fails(ckpt, place, image, key, "can't be opened")
        restart_fails(ckpt, place, image, "the key in %s is not that of this image" % other,
                      options=["--key", other])
    done = ckpt.run("ckpt_inspect", image)
    assert done.returncode == 1 and not done.stdout
    one_line(done.stderr, image, key)
    done = ckpt.run("ckpt_inspect", "--key", other, image)
    assert done.returncode == 1 and not done.stdout
    one_line(done.stderr, image, "the key in %s is not that of this image" % other)
    assert ckpt.run("ckpt_inspect", "--verify", image, env={"CKPT_KEYFILE": moved}).returncode == 0

    # the place that was named at the restart is where the next checkpoint finds the key
    job = ckpt.restart(image, job, ["--key", moved])
    image = ckpt.checkpoint()["image"]
    job.kill()
    job = ckpt.restart(image, job)
    ckpt.checkpoint()
    job.kill()


def test_a_key_that_is_of_no_use_is_refused(ckpt, programs):
    key = key_file(ckpt)
    job = ckpt.launch(counter(programs, 100000))
    job.wait_output("line 5\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    restart_fails(ckpt, image, image, "not encrypted", options=["--key", key])


def test_plain_image_has_no_trace_of_keys(ckpt, programs):
    job = ckpt.launch(counter(programs, 100000))
    job.wait_output("line 5\n")
    content = read(ckpt.checkpoint()["image"])
    job.kill()
    assert content[8:12] == b"\2\0\0\0"
    assert content[20:24] == bytes(4) and content[32:56] == bytes(24)
    assert content[-32:-16] == bytes(16)


def test_unreadable_key_refuses_the_checkpoint(ckpt):
    key = key_file(ckpt)
    job = launch(ckpt, key)
    first = ckpt.checkpoint()["image"]
    for change, undo, part in (
            (lambda: os.rename(key, key + ".away"), lambda: os.rename(key + ".away", key), "can't be opened"),
            (lambda: os.chmod(key, 0o644), lambda: os.chmod(key, 0o600), "open to others")):
        change()
        done = ckpt.command("--checkpoint", expect=4)
        one_line(done.stderr, key, part)
        nothing_partial(ckpt)
        job.wait_growth(20)
        undo()
    second = ckpt.checkpoint()["image"]
    job.kill()
    for image in (first, second):
        verify(ckpt, image)


def test_inspect_shows_all_with_the_key(ckpt):
    key = key_file(ckpt)
    job = launch(ckpt, key)
    images = [ckpt.checkpoint()["image"] for _ in range(2)]
    job.kill()
    views = [[images[0]], ["--stacks", images[0]], ["--environment", images[0]], ["--json", images[0]],
             ["--diff", *images], ["--core", ckpt.path("core"), images[0]], [ckpt.images]]
    for view in views:
        done = ckpt.run("ckpt_inspect", *view)
        assert done.returncode == 0 and not done.stderr, (view, done.stderr)
    assert SECRET in read(ckpt.path("core"))
    assert "encrypted" in ckpt.run("ckpt_inspect", images[0]).stdout
    os.rename(key, key + ".away")
    listing = ckpt.run("ckpt_inspect", ckpt.images)
    assert listing.returncode == 0 and listing.stdout.count("key file") == 2, listing.stdout


def forms(key):
    """What a key looks like."""
    return [key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key).rstrip(b"=")]


def image_keys(key, image):
    """The keys that an image is really sealed with."""
    salt = read(image)[32:48]
    return [hashlib.blake2b(b"", digest_size=32, key=key, salt=salt, person=p).digest()
            for p in (b"ckpt image seal", b"ckpt image mac")]


def memory(pid):
    """All readable memory of a process."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            place, perm = line.split()[:2]
            start, end = (int(n, 16) for n in place.split("-"))
            if perm[0] != "r" or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            while start < end:
                n = min(end - start, 16 << 20)
                try:
                    mem.seek(start)
                    yield mem.read(n)
                except (OSError, ValueError):
                    break
                start += n


def nowhere(ckpt, secrets, images):
    """Nothing of secrets is in a process of the test, in its environment or arguments, or in its files."""
    looked = 0
    for pid, environ in processes():
        if ckpt.mark.encode() not in environ:
            continue
        looked += 1
        places = [environ, read("/proc/%d/cmdline" % pid), read("/proc/%d/comm" % pid), *memory(pid)]
        for secret in secrets:
            assert not any(secret in place for place in places), (pid, read("/proc/%d/cmdline" % pid), secret)
    assert looked >= 2
    for where, _, names in os.walk(ckpt.dir):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.basename(path).startswith("key"):
                assert not any(secret in read(path) for secret in secrets), path
    for image in images:
        assert SECRET not in read(image)


@pytest.mark.skipif(os.getuid() != 0, reason="looks into others' memory")
@pytest.mark.parametrize("in_pause", [False, True], ids=["copy", "in-pause"])
def test_key_is_nowhere(ckpt, in_pause):
    raw = os.urandom(32)
    key = key_file(ckpt, content=raw)
    ckpt.extra_env = {"CKPT_LOG": "debug", "CKPT_LOG_DIR": ckpt.dir}
    job = launch(ckpt, key, holder(ckpt, *["no-copy"] * in_pause))
    nowhere(ckpt, forms(raw), [])
    done = ckpt.command("--checkpoint")
    assert ("written in the pause" in done.stdout) == in_pause, done.stdout
    image = done.stdout.split()[0]
    secrets = forms(raw) + image_keys(raw, image)
    nowhere(ckpt, secrets, [image])
    job.kill()
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    nowhere(ckpt, secrets, [image])
    later = ckpt.checkpoint()["image"]
    job.wait_growth(20)
    secrets += image_keys(raw, later)
    nowhere(ckpt, secrets, [image, later])
    # the memory that was saved has none of it either
    done = ckpt.run("ckpt_inspect", "--core", ckpt.path("core"), later)
    assert done.returncode == 0, done.stderr
    core = read(ckpt.path("core"))
    assert SECRET in core
    assert not any(secret in core for secret in secrets)
    os.unlink(ckpt.path("core"))
    job.kill()
    os.unlink(os.path.join(ckpt.runtime, "ckpt", "coordinator.log"))


def test_plain_image_shows_what_an_encrypted_one_hides(ckpt):
    """Else the tests above would prove nothing."""
    job = ckpt.launch(holder(ckpt), compress="none")
    job.wait_output("line 5\n")
    assert SECRET in read(ckpt.checkpoint()["image"])
    job.kill()


def regions(content):
    """Offsets spread over each part of an image: header, chunks and sections, footer, trailer."""
    footer = int.from_bytes(content[-64:-56], "little")
    places = list(range(0, 64, 3)) + list(range(len(content) - 64, len(content), 3))
    places += list(range(footer, len(content) - 64, 11))
    places += [64 + (footer - 64) * i // 40 for i in range(40)]
    return places


def test_flip_in_every_part_is_refused(ckpt):
    key = key_file(ckpt)
    job = launch(ckpt, key)
    image = ckpt.checkpoint()["image"]
    job.kill()
    content = read(image)
    for at in regions(content):
        changed = bytearray(content[at:at + 1])
        changed[0] ^= 1 << at % 8
        with open(image, "r+b") as f:
            f.seek(at)
            f.write(changed)
        done = ckpt.run("ckpt_inspect", "--verify", image)
        assert done.returncode == 1 and not done.stdout, (at, done.stdout)
        if at % 7 == 0:
            restart_fails(ckpt, image, image)
        with open(image, "r+b") as f:
            f.seek(at)
            f.write(content[at:at + 1])
    verify(ckpt, image)


def test_parts_of_another_generation_are_refused(ckpt):
    """Of one job and one key, and whole: swapped between two images they fit in neither."""
    key = key_file(ckpt)
    job = launch(ckpt, key, compress="none")
    images = [ckpt.checkpoint()["image"] for _ in range(2)]
    job.kill()
    old, new = (read(i) for i in images)
    chunk = (1 << 20) + 41
    for start, end in ((0, 64), (64, 64 + chunk), (64, len(old) // 2), (len(old) // 2, len(old))):
        shutil.copy(images[1], images[1] + ".copy")
        with open(images[1], "r+b") as f:
            f.seek(start)
            f.write(old[start:end])
            f.truncate(len(old) if end == len(old) else len(new))
        restart_fails(ckpt, images[1], images[1])
        write(images[1], new)
        os.truncate(images[1], len(new))
        os.unlink(images[1] + ".copy")
    verify(ckpt, images[1])


LARGE = """
import sys, time
f = open(sys.argv[1], "r+b")
print("line 5", flush=True)
for i in range(100000):
    f.seek(i % 1000 * 16384)
    f.write(b"changed")
    f.flush()
    time.sleep(0.01)
"""


def test_nothing_lies_beside_an_encrypted_image(ckpt):
    """Content of large files is in it, and comes back."""
    key = key_file(ckpt)
    data = ckpt.file("data", SECRET * (20 << 20 >> 4))
    job = launch(ckpt, key, [PYTHON, "-B", ckpt.file("large.py", LARGE), data], compress="none")
    image = ckpt.checkpoint()["image"]
    job.kill()
    assert sorted(n for n in os.listdir(ckpt.images) if not os.path.islink(os.path.join(ckpt.images, n))) == \
        [os.path.basename(image)]
    content = read(image)
    assert len(content) > 20 << 20 and SECRET not in content
    write(data, b"z" * (20 << 20))
    job = ckpt.restart(image, job)
    ckpt.wait_known(job)
    assert read(data).count(SECRET) > 1000 << 10
    job.kill()


def test_child_without_the_variable_is_encrypted_too(ckpt):
    """The job's configuration counts, whatever a child has made of its environment."""
    key = key_file(ckpt)
    child = ckpt.file("child.py", HOLDER)
    parent = ckpt.file("parent.py", "import subprocess, os\n"
                       "env = {k: v for k, v in os.environ.items() if k != 'CKPT_KEYFILE'}\n"
                       "subprocess.run(['%s', '-B', '%s'], env=env)\n" % (PYTHON, child))
    job = launch(ckpt, key, [PYTHON, "-B", parent], compress="none")
    result = ckpt.checkpoint()
    job.kill()
    assert result["processes"] == 2 and SECRET not in read(result["image"])
    job = ckpt.restart(result["image"], job)
    ckpt.checkpoint()
    job.kill()
