"""ckpt_restart --env: variables that take the place of the program's."""

import os

import pytest

import pythontest
from test_descriptors import PYTHON, WAIT, let_go

BOTH = pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])
BEFORE = {"G_A": "1", "G_B": "old", "G_GONE": "gone", "G_KEPT": "kept", "G_KEPT_TOO": "x=y"}
AFTER = {"G_A": "a much longer value than it was before", "G_B": "", "G_NEW": "new = 1", "G_OTHER": "not meant"}
OPTIONS = ["--env", "G_A*", "--env=G_B", "--env", "G_GONE", "--env", "G_N?W"]
# As started, and as the program has changed it.
SHOWN = {"G_A": AFTER["G_A"], "G_B": "", "G_NEW": "new = 1", "G_KEPT": "kept", "G_KEPT_TOO": "x=y"}
OWN = {**SHOWN, "G_OWN": "own", "G_PUT": "put"}


def launch(ckpt, programs, *args):
    go = ckpt.path("go")
    job = ckpt.launch([os.path.join(programs, "system", "env_graft"), *args], env={**BEFORE, "CKPT_TEST_GO": go})
    job.wait_output("ready\n")
    return job


def lines(job, word):
    """{name: value} of the output's lines that begin with it; each name once."""
    found = [line[len(word) + 1:].split("=", 1) for line in job.output().splitlines() if line.startswith(word + " ")]
    assert len(found) == len(dict(found)), found
    return dict(found)


@BOTH
@pytest.mark.parametrize("kind", ["alone", "tree"])
def test_variables_are_other_ones(ckpt, programs, kind):
    """In every process, whichever way it looks; what is not meant stays."""
    job = launch(ckpt, programs, kind)
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    job = ckpt.restart(image, job, OPTIONS, env=AFTER)
    job.wait()
    assert job.output().endswith("ok\n"), job.story()
    for who in ["alone"] if kind == "alone" else ["parent", "second"]:
        assert lines(job, who + " environ") == OWN
        assert lines(job, who + " shown") == SHOWN
    assert open(job.restart_out).read() == ""


@BOTH
def test_a_chain_has_what_came_last(ckpt, programs):
    job = launch(ckpt, programs, "tree")
    for n in range(4):
        image = ckpt.checkpoint()["image"]
        job.kill()
        job = ckpt.restart(image, job, ["--env=G_A", "--env=G_%d" % n, "--env=G_%d" % (n - 1)],
                           env={"G_A": "run %d" % n, "G_%d" % n: "only now"})
        ckpt.wait_known(job)
    let_go(ckpt)
    job.wait()
    expected = {**BEFORE, "G_A": "run 3", "G_3": "only now"}
    for who in "parent", "second":
        assert lines(job, who + " shown") == expected
        assert lines(job, who + " environ") == {**expected, "G_OWN": "own", "G_PUT": "put"}


def test_a_restart_without_it_has_what_was_there(ckpt, programs):
    job = launch(ckpt, programs, "alone")
    for options in (OPTIONS, [], ["--env=X_*"]):
        image = ckpt.checkpoint()["image"]
        job.kill()
        job = ckpt.restart(image, job, options, env=AFTER if options is OPTIONS else {"G_A": "wrong", "G_NEW": "wrong"})
        ckpt.wait_known(job)
    let_go(ckpt)
    job.wait()
    assert lines(job, "alone environ") == OWN and lines(job, "alone shown") == SHOWN


def test_an_emptied_environment_stays_empty(ckpt, programs):
    job = launch(ckpt, programs, "cleared")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    job = ckpt.restart(image, job, OPTIONS, env=AFTER)
    job.wait()
    assert lines(job, "cleared environ") == {} and job.output().endswith("ok\n")


@pytest.mark.parametrize("option, reason", [
    ("", "must be the name"), ("A=B", "must be the name"), ("A,B", "must be the name"), ("X" * 3000, "there are too many"),
    ("BIG", "longer than 65536 bytes")])
def test_a_wrong_one_is_told(ckpt, programs, option, reason):
    job = launch(ckpt, programs, "alone")
    image = ckpt.checkpoint()["image"]
    job.kill()
    done = ckpt.run("ckpt_restart", "--env", option, image, env={"BIG": "x" * 70000})
    assert done.returncode == 125 and len(done.stderr.splitlines()) == 1, done
    assert done.stderr.startswith("ckpt_restart: --env") and reason in done.stderr


def test_much_of_it(ckpt, programs):
    job = launch(ckpt, programs, "alone")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    many = {"G_A%d" % i: "x" * 50 for i in range(1000)}
    job = ckpt.restart(image, job, ["--env=G_A*"], env=many)
    job.wait()
    assert lines(job, "alone shown") == {**{k: v for k, v in BEFORE.items() if k != "G_A"}, **many}


SOURCE = WAIT % ("%s", """
print(os.popen("echo $G_A $G_GONE").read().strip())
%s
print(os.environ.get("G_A"), os.environ.get("G_NEW"), os.environ.get("G_GONE"), os.environ["G_KEPT"])
os.environ["G_A"] = "set"; print(os.popen("echo $G_A $G_NEW").read().strip())
""")
EXPECTED = [AFTER["G_A"], AFTER["G_A"] + " new = 1 None kept", "set new = 1"]


@pytest.mark.parametrize("before, after", [
    ("import ckpt", "ckpt.is_enabled()"), ("import ckpt; ckpt.after(print)", "time.sleep(0.01)"), ("", "import ckpt")],
    ids=["imported", "hooks", "later"])
def test_python_has_it_in_os_environ(ckpt, before, after):
    job = ckpt.launch([PYTHON, "-c", SOURCE % (before, after)], env={**BEFORE, **pythontest.environment(ckpt)})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    let_go(ckpt)
    job = ckpt.restart(image, job, OPTIONS, env=AFTER)
    job.wait()
    assert job.output().splitlines()[1:-1] == EXPECTED, job.story()
