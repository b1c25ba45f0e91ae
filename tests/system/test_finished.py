"""CKPT_FINISHED: a file that is made when the job's first process ends with status 0."""

import os
import signal
import stat

import pytest

from test_descriptors import PYTHON

BOTH = pytest.mark.parametrize("ckpt", [{}, {"root": True}], indirect=True, ids=["user", "root"])
GOOD = ["main", "exit", "_exit", "_Exit", "quick_exit", "last-thread", "fork", "vfork"]
BAD = ["main 1", "exit 3", "_exit 1", "_Exit 255", "quick_exit 1", "fork 1", "vfork 1", "abort"]
SCRIPTS = {
    "import sys; sys.exit()": True,
    "import os; os._exit(0)": True,
    "pass": True,
    "import os; os.execv('/bin/true', ['true'])": True,
    "import sys; sys.exit('no')": False,
    "import os; os._exit(2)": False,
    "raise ValueError": False,
    "import os; os.fork() or os._exit(0); os.wait(); os._exit(1)": False,
    "import subprocess; subprocess.run(['true']); raise SystemExit(1)": False,
    "import os; os.kill(os.getpid(), 9)": False,
}


def is_made(ckpt):
    path = ckpt.path("finished")
    if not os.path.exists(path):
        return False
    st = os.stat(path)
    assert (st.st_size, stat.S_IMODE(st.st_mode), st.st_uid) == (0, 0o600, ckpt.uid)
    os.unlink(path)
    return True


def env(ckpt):
    return {"CKPT_FINISHED": ckpt.path("finished")}


@BOTH
def test_every_way_to_end(ckpt, programs):
    for how in GOOD + BAD:
        job = ckpt.launch([os.path.join(programs, "system", "finished_ends"), *how.split()], env=env(ckpt))
        job.wait(check=False)
        assert is_made(ckpt) == (how in GOOD), how


def test_every_way_to_end_of_python_and_shells(ckpt):
    programs = [([PYTHON, "-c", source], good) for source, good in SCRIPTS.items()]
    for shell in "sh", "bash":
        programs += [([shell, "-c", "true"], True), ([shell, "-c", "exit 0"], True), ([shell, "-c", "(exit 0); exit 7"], False),
                     ([shell, "-c", "kill -9 $$"], False), ([shell, "-c", "exec true"], True)]
    for argv, good in programs:
        ckpt.launch(argv, env=env(ckpt)).wait(check=False)
        assert is_made(ckpt) == good, argv


@BOTH
@pytest.mark.parametrize("how", ["main", "_exit", "quick_exit", "main 1", "fork 1"])
def test_after_restarts(ckpt, programs, how):
    """Twice restarted; from another place, too, which is where the file is then."""
    program = [os.path.join(programs, "system", "finished_ends"), *how.split()]
    job = ckpt.launch(program, env={**env(ckpt), "CKPT_TEST_GO": ckpt.path("go")})
    job.wait_output("ready\n")
    for _ in range(2):
        image = ckpt.checkpoint()["image"]
        job.kill()
        assert not is_made(ckpt)
        job = ckpt.restart(image, job)
        ckpt.wait_known(job)
    ckpt.file("go")
    job.wait(int(how.partition(" ")[2] or 0))
    assert is_made(ckpt) == ("1" not in how)


def test_it_moves_with_the_job(ckpt, programs):
    ckpt.mkdir("old")
    job = ckpt.launch([os.path.join(programs, "system", "finished_ends"), "exit"],
                      env={"CKPT_FINISHED": ckpt.dir + "/old/finished", "CKPT_TEST_GO": ckpt.path("go")})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    os.rename(ckpt.dir + "/old", ckpt.dir + "/new")
    ckpt.file("go")
    job = ckpt.restart(image, job, ["--map-path", "%s/old=%s/new" % (ckpt.dir, ckpt.dir)])
    job.wait()
    assert os.listdir(ckpt.dir + "/new") == ["finished"]


def test_not_by_a_signal_nor_by_a_checkpoint_that_ends_it(ckpt, programs):
    for end in (lambda job: job.signal(signal.SIGTERM), lambda job: ckpt.checkpoint("--kill")):
        job = ckpt.launch([os.path.join(programs, "system", "finished_ends"), "exit"],
                          env={**env(ckpt), "CKPT_TEST_GO": ckpt.path("go")})
        job.wait_output("ready\n")
        end(job)
        job.wait(check=False)
        assert not is_made(ckpt)


def test_a_job_inside_of_a_job_has_nothing_to_say(ckpt):
    launch = ckpt.installed.bin("ckpt_launch")
    ckpt.launch(["sh", "-c", launch + " true; exit 1"], env=env(ckpt)).wait(1)
    assert not is_made(ckpt)


def test_where_it_is_wanted_it_has_to_be_said_clearly(ckpt):
    done = ckpt.run("ckpt_launch", "true", env={"CKPT_FINISHED": "finished"})
    assert done.returncode == 125 and done.stderr == "ckpt_launch: CKPT_FINISHED=finished: must be an absolute path\n"


def test_a_place_that_is_not_there_harms_nobody(ckpt):
    job = ckpt.launch(["sh", "-c", "echo well"], env={"CKPT_FINISHED": "/nowhere/at/all"})
    job.wait()
    assert (job.output(), job.errors()) == ("well\n", "")
