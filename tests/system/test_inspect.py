"""ckpt_inspect: what it says of an image, and of files that are none or damaged."""

import json
import os
import signal

import pytest

PROGRAM = """
import os, time
data = bytearray(os.urandom(1 << 20)) * 4
log = open("log", "a")
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def image(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", PROGRAM])
    job.wait_output("ready\n")
    result = ckpt.checkpoint()
    result["pid"] = job.pid
    return result


TREE = """
import os, signal, time
data = bytearray(os.urandom(4 << 20))
log = open("log", "a")
ready, told = os.pipe()
for i in range(2):
    if os.fork() == 0:
        own = bytearray(os.urandom(1 << 20))
        os.write(told, b"x")
        while True:
            signal.pause()
dead = os.fork()
if dead == 0:
    os._exit(3)
os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
os.read(ready, 1)
os.read(ready, 1)
print("ready", flush=True)
while True:
    signal.pause()
"""


def write(ckpt, name, data):
    return ckpt.file(name, data)


def refused(done, path, text):
    """One line that names the file, and status 1."""
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("ckpt_inspect: ")
    assert path in lines[0] and text in lines[0]


def test_json_tells_what_is_in_an_image(ckpt, image):
    done = ckpt.run("ckpt_inspect", "--json", "--verify", image["image"])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["image"] == image["image"]
    assert report["bytes"] == image["bytes"] == os.path.getsize(image["image"])
    assert report["verified"] is True
    assert report["job"]["id"] == image["job"]
    [process] = report["processes"]
    assert process["pid"] == image["pid"]
    assert process["uid"] == ckpt.uid
    assert process["command"] == ["/usr/bin/python3", "-c", PROGRAM]
    assert process["directory"] == ckpt.work
    assert [t["tid"] for t in process["threads"]] == [image["pid"]]


def test_json_tells_what_memory_takes(ckpt, image):
    report = json.loads(ckpt.run("ckpt_inspect", "--json", image["image"]).stdout)
    assert report["verified"] is False
    memory = report["processes"][0]["memory"]
    ends = 0
    for area in memory:
        start, end = int(area["start"], 16), int(area["end"], 16)
        assert ends <= start < end or "guard" in area["flags"]
        assert 0 <= area["stored"] <= area["saved"] + 1 <= end - start + 1
        ends = max(end, ends)
    names = [area["name"] for area in memory]
    assert "[heap]" in names and "[stack]" in names and "[vdso]" in names
    saved = sum(part["saved"] for part in memory + report["processes"][0]["objects"])
    assert saved == report["raw_bytes"] > 4 << 20
    assert sum(area["stored"] for area in memory) <= report["bytes"]


def test_json_tells_what_is_open(ckpt, image):
    report = json.loads(ckpt.run("ckpt_inspect", "--json", image["image"]).stdout)
    by_fd = {d["fd"]: d for d in report["processes"][0]["descriptors"]}
    assert set(by_fd) == {0, 1, 2, 3}
    assert by_fd[0]["name"] == "/dev/null" and by_fd[0]["access"] == "rw"
    assert by_fd[3]["name"] == ckpt.path("log") and by_fd[3]["access"] == "w"
    assert by_fd[3]["cloexec"] is True and by_fd[3]["kind"] == "regular"
    assert by_fd[0]["restart"] is None


FILES = """
import os, tempfile, time
log = open("log", "a")
log.write("x" * 100)
log.flush()
read = open("read")
place = open("place", "w+b")
place.write(bytes(1 << 20))
place.seek(4096)
left = open("left", "r+b")
gone = tempfile.TemporaryFile(dir=".")
gone.write(b"y" * 1000)
gone.flush()
pipe = os.pipe()
print("ready", flush=True)
time.sleep(600)
"""


def test_what_becomes_of_files(ckpt):
    ckpt.file("read", "to be read")
    ckpt.file("left", "it is")
    job = ckpt.launch(["/usr/bin/python3", "-c", FILES], options=["--files=ignore:left"])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    report = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
    files = {d["fd"]: d for d in report["processes"][0]["descriptors"]}
    wanted = [(3, "cut back", "by use", 100), (4, "checked", "by use", 10), (5, "put back", "by use", 1 << 20),
              (6, "left as it is", "ignore", 5), (7, "made anew", "by use", 1000), (8, None, "by use", 0)]
    assert [(fd, files[fd]["restart"], files[fd]["policy"], files[fd]["size"]) for fd, *_ in wanted] == wanted
    text = ckpt.run("ckpt_inspect", image).stdout.split("\n  descriptors\n")[1].split("\n\n")[0]
    head, *lines = text.splitlines()
    column, what = head.index("AT A RESTART"), head.index("WHAT")
    for line, (fd, restart, policy, size) in zip(lines[3:], wanted):
        assert line.split()[0] == str(fd) and line[column:what].strip() == (restart or "-")
        assert line[what - 1] == " " and line[what] != " "
        assert ("(--files=ignore)" in line) == (policy == "ignore")
        assert line[:column].split()[4] == str(size)


def test_json_tells_what_processes_have_in_common(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", TREE])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    done = ckpt.run("ckpt_inspect", "--json", "--verify", image)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    first, *children = report["processes"]
    assert len(children) == 2 and first["pid"] == job.pid and first["parent"] == -1
    # each byte that is in the image was written for one of them
    assert sum(p["saved"] for p in report["processes"]) == report["raw_bytes"]
    # what the parent has is there once, and besides only what the children have of their own; who has written
    # it is not said: text of files is written by whoever comes to it first
    whole = sum(a["saved"] for a in first["memory"])
    assert whole > 4 << 20
    assert 2 << 20 <= report["raw_bytes"] - whole < 8 << 20
    for p in children:
        assert p["parent"] == 0 and p["ppid"] == job.pid
        assert p["saved"] >= 1 << 20 and p["shared"] > 4 << 20
        assert sum(a["saved"] for a in p["memory"]) == p["saved"] + p["shared"]
        # open files that came from the parent are known by the same numbers
        assert [(d["file"], d["name"]) for d in p["descriptors"]] == \
            [(d["file"], d["name"]) for d in first["descriptors"]]
        assert p["children"] == []
    [dead] = first["children"]
    assert dead["state"] == "ended with status 3"
    text = ckpt.run("ckpt_inspect", image).stdout
    for p in report["processes"]:
        assert "process %d " % p["pid"] in text
    assert "processes  3" in text and dead["state"] in text
    for p in children:
        os.kill(p["pid"], signal.SIGKILL)


def test_text_names_the_same_things(ckpt, image):
    done = ckpt.run("ckpt_inspect", image["image"])
    assert done.returncode == 0, done.stderr
    for text in (image["image"], image["job"], "process %d " % image["pid"], "[heap]",
                 ckpt.path("log"), "/usr/bin/python3 -c"):
        assert text in done.stdout
    # the program's newlines do not make lines of their own
    assert "\\012import os" in done.stdout


def test_damage_is_told(ckpt, image):
    with open(image["image"], "rb") as f:
        good = f.read()
    bad = bytearray(good)
    bad[1000] ^= 1
    path = write(ckpt, "flipped.ckpt", bytes(bad))
    refused(ckpt.run("ckpt_inspect", "--verify", path), path, "damaged: chunk")
    path = write(ckpt, "short.ckpt", good[:-1])
    refused(ckpt.run("ckpt_inspect", path), path, "truncated")
    path = write(ckpt, "tail.ckpt", good[:-100] + bytes([good[-100] ^ 1]) + good[-99:])
    refused(ckpt.run("ckpt_inspect", path), path, "damaged")


def test_what_is_no_image_is_refused(ckpt):
    refused(ckpt.run("ckpt_inspect", "nothing"), "nothing", "No such file")
    refused(ckpt.run("ckpt_inspect", "--core", "core", "/"), "/", "not a regular file")
    refused(ckpt.run("ckpt_inspect", write(ckpt, "text", "hello")), "text", "not an image")
    refused(ckpt.run("ckpt_inspect", write(ckpt, "empty", "")), "empty", "not an image")
    os.mkfifo(ckpt.path("fifo"))
    os.chmod(ckpt.path("fifo"), 0o666)
    refused(ckpt.run("ckpt_inspect", "fifo"), "fifo", "not a regular file")


@pytest.mark.parametrize("args", [[], ["a", "b"], ["--what", "a"]])
def test_wrong_use_is_status_2(ckpt, args):
    done = ckpt.run("ckpt_inspect", *args)
    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1


GENERATIONS = """
import os, signal
def deeper(n):
    if n and os.fork() == 0:
        return deeper(n - 1)
    if n == 0:
        print("ready", flush=True)
    while True:
        signal.pause()
deeper(3)
"""


def test_processes_are_shown_as_a_tree(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", GENERATIONS])
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    text = ckpt.run("ckpt_inspect", image).stdout
    table = text.split("\nprocesses\n")[1].split("\n\n")[0].splitlines()[1:]
    rows = [(int(l.split()[0]), int(l.split()[1]), len(l) - len(l.rstrip().split()[-1])) for l in table]
    assert len(rows) == 4
    for (pid, _, column), (_, parent, deeper) in zip(rows, rows[1:]):
        assert parent == pid and deeper == column + 2, text


def test_environment_hides_secrets(ckpt):
    env = {"MY_TOKEN": "geheim1", "DATABASE": "postgres://me:geheim2@host/db", "PLAIN": "http://host/a:b@c",
           "EMPTY": ""}
    job = ckpt.launch(["/usr/bin/python3", "-c", "print('ready', flush=True); import time; time.sleep(600)"], env=env)
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    assert "environment" not in ckpt.run("ckpt_inspect", image).stdout
    text = ckpt.run("ckpt_inspect", "--environment", image).stdout
    assert "  PLAIN=http://host/a:b@c\n" in text and "  EMPTY=\n" in text
    assert "  MY_TOKEN=(hidden)\n" in text and "  DATABASE=(hidden)\n" in text and "geheim" not in text
    report = json.loads(ckpt.run("ckpt_inspect", "--environment", "--json", image).stdout)
    assert report["processes"][0]["environment"]["MY_TOKEN"] == "(hidden)"
    report = json.loads(ckpt.run("ckpt_inspect", "--secrets", "--json", image).stdout)
    found = report["processes"][0]["environment"]
    assert {k: found[k] for k in env} == env


def test_generations_of_a_directory(ckpt):
    job = ckpt.launch(["/usr/bin/python3", "-c", PROGRAM])
    job.wait_output("ready\n")
    ckpt.checkpoint()
    ckpt.checkpoint()
    job.kill()
    with open(os.path.join(ckpt.images, "broken\033.ckpt"), "wb") as f:
        f.write(b"CKPTIMG\n" + bytes(100))
    report = json.loads(ckpt.run("ckpt_inspect", "--json", ckpt.images).stdout)
    good = [g for g in report["images"] if not g["problem"]]
    assert [g["job"]["generation"] for g in good] == [1, 2]
    assert [g["bytes"] for g in good] == [os.path.getsize(os.path.join(ckpt.images, g["file"])) for g in good]
    assert all(g["processes"] == 1 and g["job"]["pause_ms"] > 0 for g in good)
    assert [g["file"] for g in report["images"] if g["problem"]] == ["broken\033.ckpt"]
    lines = ckpt.run("ckpt_inspect", ckpt.images).stdout.splitlines()
    assert len(lines) == 4 and lines[0].split()[0] == "JOB"
    assert lines[1].endswith(".00001.ckpt") and lines[2].endswith(".00002.ckpt")
    assert lines[3].startswith("broken\\033.ckpt: ")
    empty = ckpt.mkdir("empty")
    assert len(ckpt.run("ckpt_inspect", empty).stdout.splitlines()) == 1
