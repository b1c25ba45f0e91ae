"""Files that a program opens, changes and closes again: where --files names them, what it does to them after the
checkpoint is undone, too. Others stay as they are.
"""

import json
import os

import pytest

from test_contents import MIB, Program

PYTHON = "/usr/bin/python3"
BOTH = pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True, ids=["user", "root"])

# Everything is opened anew in each step. Counted at the end: a step twice, or none, is seen in each of them.
STEPS = """
import hashlib, os, shutil, sqlite3, time
shutil.rmtree("results", ignore_errors=True)
os.mkdir("results")
for name in ("large.log", "steps.db"):
    if os.path.exists(name):
        os.unlink(name)
shutil.copyfile("empty", "state")
for i in range(150):
    with open("results/steps.csv", "a") as f:
        print(i, file=f)
    with open("large.log", "a") as f:
        print(str(i) * 5000, file=f)
    with open("state", "r+b") as f:
        sofar = int(f.read() or b"0")
        f.seek(0)
        f.write(b"%d" % (sofar + i))
    db = sqlite3.connect("steps.db")
    db.execute("create table if not exists steps (i)")
    db.execute("insert into steps values (?)", (i,))
    db.commit()
    db.close()
    print(i, flush=True)
    time.sleep(0.01)
with sqlite3.connect("steps.db") as db:
    print(db.execute("select count(*), sum(i) from steps").fetchone(), db.execute("pragma integrity_check").fetchone())
with open("results/steps.csv") as csv, open("large.log") as log, open("state") as state:
    print(hashlib.sha1(csv.read().encode()).hexdigest(), len(log.read()), state.read())
"""


@BOTH
def test_python_that_opens_for_each_step(ckpt):
    ckpt.file("empty", "")
    ckpt.chain([PYTHON, "-c", STEPS], options=["--files=truncate:*.csv,truncate:large.log,save:state", "--files=save:*.db"])


SHELL = """
rm -f own.log command.log subshell.log
for i in $(seq 150); do
	echo "step $i" >> own.log
	/bin/echo "step $i" >> command.log
	( seq $i | tail -n 1 >> subshell.log )
	echo $i
done
cat own.log command.log subshell.log | sha1sum
"""


@BOTH
def test_shell_that_appends(ckpt):
    """What commands write to their child opens for them, and has gone."""
    ckpt.chain(["/bin/bash", "-c", SHELL], options=["--files=truncate:*.log"])


@BOTH
def test_c_functions(ckpt, programs):
    """open(2) under all its names, and streams: a program of two steps, of which the second is made twice."""
    job = ckpt.launch([os.path.join(programs, "system", "closed_files")], ["--files=save:by-*"],
                      env={"CKPT_TEST_GO": ckpt.path("go")})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    names = {os.path.basename(f["name"]) for p in json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)["processes"]
             for f in p["closed_files"]}
    ckpt.file("go")
    job.wait()
    with open(ckpt.path("names")) as f:
        assert names == set(f.read().split())
    os.unlink(ckpt.path("go"))
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    ckpt.file("go")
    job.wait()
    assert job.output() == "ready\nok\n", job.story()


def write(name, mode, text):
    return "with open(%r, %r) as f: f.write(%r)" % (name, mode, text)


def content(ckpt, name):
    with open(ckpt.path(name)) as f:
        return f.read()


@BOTH
def test_what_is_left_and_what_is_told(ckpt):
    ckpt.file("kept", "kept\n")
    ckpt.file("large", bytes(17 * MIB))
    p = Program(ckpt, write("log", "a", "before\n"), write("other", "a", "before\n"), write("replaced", "a", "before\n"),
                write("removed", "a", "before\n"), write("anew", "w", "before\n"), write("kept", "r+", "KEPT"),
                write("large", "r+", "before"), write("shorter", "a", "before\n"),
                options=["--files=save,truncate:log,truncate:shorter,save:re*,save:anew,save:kept,save:la*"])
    image = p.checkpoint()[0]
    for code in (write("log", "a", "after\n"), write("other", "a", "after\n"), write("new", "w", "after\n"),
                 "os.rename('new', 'replaced')", "os.unlink('removed')", write("anew", "w", "after\n"),
                 write("large", "r+", "AFTER!"), write("shorter", "w", "")):
        p.ask(code)
    p.kill()
    kept = os.stat(ckpt.path("kept")).st_ctime_ns
    p.restart(image)
    assert content(ckpt, "log") == content(ckpt, "removed") == content(ckpt, "anew") == "before\n"
    assert content(ckpt, "other") == "before\nafter\n", "a policy for all files names none"
    assert content(ckpt, "replaced") == "after\n"
    assert os.stat(ckpt.path("kept")).st_ctime_ns == kept, "what has not changed is not touched"
    assert content(ckpt, "large")[:7] == "before\0"
    assert sorted(p.job.errors().splitlines()) == [
        "ckpt_restart: file %s: is another file since the checkpoint, and stays as it is" % ckpt.path("replaced"),
        "ckpt_restart: file %s: has 0 bytes, it had 7 at the checkpoint, and stays as it is" % ckpt.path("shorter")]
    p.kill()
    os.unlink(ckpt.path("shorter"))
    os.unlink(ckpt.path("replaced"))
    p.restart(image, ["--files=ignore:anew"])
    assert p.job.errors() == "", p.job.story()
    assert content(ckpt, "replaced") == "before\n"
    p.ask(write("log", "a", "again\n"))
    second = p.checkpoint()[0]
    p.ask(write("log", "a", "and again\n"))
    p.ask(write("anew", "w", "after\n"))
    p.kill()
    p.restart(second, ["--files=ignore:anew"])
    assert content(ckpt, "log") == "before\nagain\n"
    assert content(ckpt, "anew") == "after\n"
    p.kill()


@BOTH
def test_moved(ckpt):
    """The job's directory has another name: there they are looked for, now and at later checkpoints."""
    os.mkdir(ckpt.path("old"))
    os.chown(ckpt.path("old"), ckpt.uid, -1)
    p = Program(ckpt, write("old/log", "a", "before\n"), options=["--files=truncate:log"])
    image = p.checkpoint()[0]
    p.ask(write("old/log", "a", "after\n"))
    p.kill()
    os.rename(ckpt.path("old"), ckpt.path("new"))
    p.restart(image, ["--map-path", "%s=%s" % (ckpt.path("old"), ckpt.path("new"))])
    assert content(ckpt, "new/log") == "before\n"
    second = p.checkpoint()[0]
    p.ask(write("new/log", "a", "after\n"))
    p.kill()
    p.restart(second)
    assert content(ckpt, "new/log") == "before\n"
    p.kill()


@BOTH
def test_not_the_kernels_switches(ckpt):
    """Files of /proc are none, though they look so."""
    p = Program(ckpt, write("/proc/self/oom_score_adj", "r+", "500"), options=["--files=save:*adj"])
    image = p.checkpoint()[0]
    told = json.loads(ckpt.run("ckpt_inspect", "--json", image).stdout)
    assert [f["name"] for f in told["processes"][0]["closed_files"]] == []
    p.kill()
