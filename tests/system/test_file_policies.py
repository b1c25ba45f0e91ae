"""What becomes of files at a restart: every policy of --files with every kind of file and every change.

One job has a file open for each kind and change. What a policy refuses is tried alone, and undone: a restart
that is refused changes nothing. Then all that it does not refuse happens at once.
"""

import os

import pytest

from test_descriptors import PYTHON, WAIT, let_go, start

SMALL, LARGE = b"0123456789" * 2, b"0123456789" * 7000
OTHER = b"other" * 20000

KINDS = {  # name: content, how the program opens it
    "log": (SMALL, "os.O_WRONLY"),
    "biglog": (LARGE, "os.O_WRONLY"),
    "data": (SMALL, "os.O_RDWR"),
    "input": (SMALL, "os.O_RDONLY"),
}


def grown(path):
    with open(path, "ab") as f:
        f.write(b"later")


def edited(path):
    with open(path, "r+b") as f:
        f.write(b"XYZ")


def anew(path):
    with open(path, "r+b") as f:
        f.truncate(0)
        f.write(b"ne")


def gone(path):
    os.unlink(path)


def replaced(path):
    owner = os.stat(path)
    with open(path + ".new", "wb") as f:
        f.write(OTHER)
    os.chown(path + ".new", owner.st_uid, owner.st_gid)
    os.rename(path + ".new", path)


CHANGES = {f.__name__: f for f in (grown, edited, anew, gone, replaced)}
ANEW, GONE, REPLACED, CHANGED = "has 2 bytes, it had", "is gone", "is another file now", "has changed since"
SAME = "same"    # as at the checkpoint
FOUND = "found"  # as it is at the restart; empty when it is gone


def cut(content):
    return lambda size: content[:size]


# What a policy does to a file: SAME, FOUND, content by size, or the message with which it is refused.
AS_LOG = {"grown": SAME, "edited": FOUND, "anew": ANEW, "gone": GONE, "replaced": REPLACED}
BACK = dict.fromkeys(CHANGES, SAME)
IN_PLACE = {**BACK, "replaced": REPLACED}
CHECKED = {"grown": CHANGED, "edited": CHANGED, "anew": CHANGED, "gone": GONE, "replaced": REPLACED}
LEFT = dict.fromkeys(CHANGES, FOUND)
EXPECTED = {
    "": {"log": BACK, "biglog": AS_LOG, "data": IN_PLACE, "input": CHECKED},
    "truncate": {"log": AS_LOG, "biglog": AS_LOG, "data": AS_LOG, "input": CHECKED},
    "save": {"log": BACK, "biglog": BACK, "data": IN_PLACE, "input": CHECKED},
    "ignore": {"log": LEFT, "biglog": LEFT, "data": LEFT, "input": LEFT},
    "force": {
        "log": BACK,
        "biglog": {"grown": SAME, "edited": FOUND, "anew": FOUND, "gone": FOUND, "replaced": cut(OTHER)},
        "data": BACK,
        "input": {**LEFT, "gone": GONE},
    },
}
# ckpt_restart can't give back what was not saved
LATE = {**EXPECTED, "save": {**EXPECTED["save"], "biglog": AS_LOG}}

PROGRAM = ("""
files = {}
for kind, flags, at in (%s):
    for change in %r:
        name = kind + "-" + change
        files[name] = os.open(name, flags)
        os.lseek(files[name], at, os.SEEK_SET)
""" % (", ".join("(%r, %s, %d)" % (k, v[1], len(v[0]) if "log" in k else 5) for k, v in KINDS.items()), list(CHANGES)),
           """
for name, fd in files.items():
    at = os.lseek(fd, 0, os.SEEK_CUR)
    print(name, at)
""")


def all_files():
    return [(kind, change) for kind in KINDS for change in CHANGES]


def check_refused(ckpt, image, options, path, change, message):
    before, times = open(path, "rb").read(), os.stat(path)
    kept = ckpt.path("kept")  # no name that a rotated log would have
    os.link(path, kept)
    CHANGES[change](path)
    done = ckpt.run("ckpt_restart", *options, image)
    assert done.returncode == 125, (path, done.stderr)
    assert "(%s): %s" % (path, message) in done.stderr, done.stderr
    os.rename(kept, path)
    if os.path.exists(kept):  # two names of one inode
        os.unlink(kept)
    with open(path, "r+b") as f:
        f.truncate(0)
        f.write(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def content_expected(expect, kind, found):
    content = KINDS[kind][0]
    return content if expect == SAME else found if expect == FOUND else expect(len(content))


@pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])
@pytest.mark.parametrize("policy,where", [("", "launch")] + [(p, w) for p in EXPECTED if p
                                                            for w in ("launch", "restart")])
def test_every_policy_with_every_file(ckpt, policy, where):
    options = ["--files", policy + ":" + ckpt.work + "/*"] if policy else []
    table = (EXPECTED if where == "launch" else LATE)[policy]
    for kind, change in all_files():
        ckpt.file(kind + "-" + change, KINDS[kind][0])
    job = start(ckpt, *PROGRAM, options=options if where == "launch" else ())
    image = ckpt.checkpoint()["image"]
    job.kill()
    options = options if where == "restart" else []
    found = {}
    for kind, change in all_files():
        path, expect = ckpt.path(kind + "-" + change), table[kind][change]
        if isinstance(expect, str) and expect not in (SAME, FOUND):
            check_refused(ckpt, image, options, path, change, expect)
    for kind, change in all_files():
        path, expect = ckpt.path(kind + "-" + change), table[kind][change]
        if expect in (SAME, FOUND) or callable(expect):
            CHANGES[change](path)
        found[path] = open(path, "rb").read() if os.path.exists(path) else b""
    let_go(ckpt)
    job = ckpt.restart(image, job, options)
    job.wait()
    for kind, change in all_files():
        path, expect = ckpt.path(kind + "-" + change), table[kind][change]
        wanted = found[path]
        if expect in (SAME, FOUND) or callable(expect):
            wanted = content_expected(expect, kind, found[path])
        assert open(path, "rb").read() == wanted, (kind, change)
    said = open(job.restart_out).read()
    assert ("(--files=force" in said) is False
    if policy == "force":
        for name in ("biglog-anew", "biglog-gone", "biglog-replaced", "data-replaced", "input-edited"):
            assert "(%s): " % ckpt.path(name) in said, said
    else:
        assert said == "", said
    at = dict(line.split() for line in job.output().splitlines() if "-" in line)
    for kind, change in all_files():
        shorter = policy == "force" and kind == "biglog" and change in ("anew", "gone")
        want = {"anew": 2, "gone": 0}[change] if shorter else len(KINDS[kind][0]) if "log" in kind else 5
        assert int(at[kind + "-" + change]) == want


def test_the_last_pattern_that_matches_holds(ckpt):
    for name in ("a.log", "b.log", "c.dat"):
        ckpt.file(name, "1\n")
    job = start(ckpt, "f = [open(n, 'a') for n in ('a.log', 'b.log', 'c.dat')]",
                options=["--files=ignore:*.log", "--files", "truncate:b.*,ignore:" + ckpt.work + "/c*"])
    image = ckpt.checkpoint()["image"]
    job.kill()
    for name in ("a.log", "b.log", "c.dat"):
        open(ckpt.path(name), "a").write("2\n")
    let_go(ckpt)
    job = ckpt.restart(image, job, ["--files=truncate:*.log", "--files=ignore:b.log"])
    job.wait()
    assert [open(ckpt.path(n)).read() for n in ("a.log", "b.log", "c.dat")] == ["1\n", "1\n2\n", "1\n2\n"]


def test_a_refused_restart_leaves_no_file_that_it_has_made(ckpt):
    for name in ("data", "input"):
        ckpt.file(name, "1\n")
    job = start(ckpt, "f = open('data', 'r+'), open('input')")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.unlink(ckpt.path("data"))
    grown(ckpt.path("input"))
    done = ckpt.run("ckpt_restart", image)
    assert done.returncode == 125 and "input" in done.stderr, done.stderr
    assert not os.path.exists(ckpt.path("data"))
    ckpt.file("input", "1\n")
    let_go(ckpt)
    job = ckpt.restart(image, job, ["--files=force"])
    job.wait()
    assert open(ckpt.path("data")).read() == "1\n"


@pytest.mark.parametrize("value", ["keep", "save:", "save,,force", "force:a,", "", "save:" + "x" * 510])
def test_a_wrong_list_is_told(ckpt, value):
    for program in ("ckpt_launch", "ckpt_restart"):
        done = ckpt.run(program, "--files", value, "/bin/true")
        assert done.returncode == 125
        assert "must be truncate, save, ignore or force" in done.stderr, done.stderr


def test_what_is_planted_at_the_path_is_not_followed(ckpt):
    """A FIFO does not block, and a symbolic link is not written through; a reader may follow one."""
    victim = ckpt.file("victim", "mine\n")
    for name in ("log", "data", "input"):
        ckpt.file(name, "1\n")
    job = start(ckpt, "f = open('log', 'a'), open('data', 'r+'), open('input')", "assert f[2].read() == '1\\n'")
    image = ckpt.checkpoint()["image"]
    job.kill()
    for name in ("log", "data", "input"):
        path = ckpt.path(name)
        kept = ckpt.path("kept-" + name)
        os.rename(path, kept)
        os.mkfifo(path)
        done = ckpt.run("ckpt_restart", image)
        assert done.returncode == 125 and "(%s): is no regular file now" % path in done.stderr, done.stderr
        os.unlink(path)
        if name != "input":
            os.symlink(victim, path)
            done = ckpt.run("ckpt_restart", "--files=force", image)
            assert done.returncode == 125 and "(%s): is a symbolic link now" % path in done.stderr, done.stderr
            os.unlink(path)
            os.rename(kept, path)
    os.symlink("kept-input", ckpt.path("input"))
    let_go(ckpt)
    job = ckpt.restart(image, job)
    job.wait()
    assert open(victim).read() == "mine\n"


def test_what_came_after_the_checkpoint_is_listed_and_stays(ckpt):
    """By --verbose, and by nothing else: what is in the job's directories and it had not open."""
    elsewhere = ckpt.mkdir("elsewhere")
    for name in ("log", "closed", "untouched", "input"):
        ckpt.file(name, "1\n")
    job = start(ckpt, "f = open('log', 'a'), open('input'), open(%r, 'w+')" % (elsewhere + "/data"))
    image = ckpt.checkpoint()["image"]
    job.kill()
    for path in (ckpt.path("log"), ckpt.path("closed")):
        open(path, "a").write("2\n")
    new = [ckpt.file("new", "2\n"), elsewhere + "/new"]
    open(new[1], "w").close()
    os.chown(new[1], ckpt.uid, ckpt.gid)
    assert ckpt.run("ckpt_restart", "--files=ignore", "--verbose", image + ".no").returncode == 125
    let_go(ckpt)
    job = ckpt.restart(image, job, ["--verbose"])
    job.wait()
    said = [line for line in open(job.restart_out).read().splitlines() if "/restart-" not in line]  # that one is new
    stays = " since the checkpoint, and stays as it is"
    assert sorted(said) == sorted(
        ["ckpt_restart: %s is new%s" % (p, stays) for p in new + [ckpt.path("go")]] +
        ["ckpt_restart: %s has changed%s" % (ckpt.path("closed"), stays)])
    assert open(ckpt.path("log")).read() == "1\n"
    assert [open(ckpt.path(n)).read() for n in ("closed", "new")] == ["1\n2\n", "2\n"]


def test_files_that_nfs_has_renamed_are_content(ckpt):
    """What is called .nfs… is a deleted file; and a deleted directory's are, too."""
    ckpt.file(".nfs0000000000001234", "still there\n")
    job = start(ckpt, "import shutil; a = open('.nfs0000000000001234', 'r+'); os.mkdir('d'); b = open('d/f', 'w+')\n"
                "b.write('no name'); b.flush(); shutil.rmtree('d')",
                "assert a.read() == 'still there\\n'; b.seek(0); assert b.read() == 'no name'")
    for again in range(2):
        image = ckpt.checkpoint()["image"]
        job.kill()
        if not again:
            os.unlink(ckpt.path(".nfs0000000000001234"))
        else:
            let_go(ckpt)
        job = ckpt.restart(image, job)
    job.wait()
    assert not [n for n in os.listdir(ckpt.work) if n.startswith((".nfs", "d"))]


SQLITE = ("""
import sqlite3
db = sqlite3.connect("data.db", isolation_level=None)
db.execute("pragma journal_mode=%s"); db.execute("pragma cache_size=2")
if not db.execute("select name from sqlite_master").fetchall():
    db.execute("create table t (n integer, text text)")
def fill(first, commit):
    db.execute("begin immediate")
    for n in range(first, first + 300):
        db.execute("insert into t values (?, ?)", (n, "text" * 100))
        db.execute("update t set text = ? where n %% 7 = 0", (str(n) * 60,))
    if commit:
        db.execute("commit")
fill(0, True)
%s
""", """
%s
rows = db.execute("select count(*), sum(n), max(text) from t").fetchall()
assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
db.close()
print(rows)
""")


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
@pytest.mark.parametrize("within", [False, True], ids=["idle", "in-transaction"])
def test_a_later_journal_is_not_played_back(ckpt, mode, within):
    """The run that is killed leaves a hot journal behind; and one that was open then comes back."""
    setup = SQLITE[0] % (mode, "fill(300, False)" if within else "")
    verify = SQLITE[1] % ("db.execute('commit')" if within else "")
    job = start(ckpt, setup, "if os.path.exists('again'):\n    fill(600, True); fill(1000, False)\n    os.kill(os.getpid(), 9)\n" + verify)
    image = ckpt.checkpoint()["image"]
    if within:  # as if it had ended
        job.kill()
        for name in os.listdir(ckpt.work):
            if name.startswith("data.db-"):
                os.unlink(ckpt.path(name))
        let_go(ckpt)
    else:
        ckpt.file("again")
        let_go(ckpt)
        job.wait(check=False)
        assert os.path.getsize(ckpt.path("data.db-journal" if mode != "wal" else "data.db-wal")) > 0
        os.unlink(ckpt.path("again"))
    job = ckpt.restart(image, job, ["--verbose"])
    job.wait()
    n = 600 if within else 300
    assert job.output().splitlines()[1].startswith("[(%d, %d, " % (n, n * (n - 1) // 2)), job.output()
    aside = [name for name in os.listdir(ckpt.work) if ".ckpt-aside-1" in name]
    assert aside == ([] if within or mode == "wal" else ["data.db-journal.ckpt-aside-1"])
    assert len([line for line in open(job.restart_out) if "came after the checkpoint" in line]) == len(aside)
