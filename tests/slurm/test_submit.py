"""What a site installs so that a user changes one line only: the filter of sbatch's options, or the module."""

import os
import re
import shutil
import subprocess

import pytest

import slurmtest

MODULES = "/etc/profile.d/modules.sh"

PROGRAM = """import os, signal, sys, time
if os.environ.get("SLURM_RESTART_COUNT"):
    print("again", flush=True)
    sys.exit(0)
signal.signal(signal.SIGUSR1, lambda *a: (print("signalled", flush=True), os._exit(85)))
print("begins", flush=True)
time.sleep(1000)
"""


def test_the_signal_comes_and_the_job_runs_again_without_options(slurm):
    """The script only names ckpt_launch, for the filter: the program handles the signal itself. A limit of a minute
    is as short as they get; SLURM may be early by as much."""
    slurm.file("program.py", PROGRAM)
    job = slurm.submit("# no ckpt_launch here\nsrun python3 program.py", "--time=1")
    other = slurm.submit("srun python3 program.py", "--time=1", name="other")
    job.wait_output("signalled")
    job.wait_completed()
    lines = [line for line in job.output().splitlines() if not line.startswith("srun: ")]
    assert lines == ["begins", "signalled", "again"]
    assert "signalled" not in other.output()


# What a job has, as the controller tells: "scontrol show job" has no signal.
ASKS = [
    ("ckpt", "srun ckpt_launch ./sim", [], {}, "1"),
    ("stays", "srun ckpt_launch ./sim", ["--no-requeue"], {}, "0"),
    ("off", "srun ckpt_launch ./sim", [], {"CKPT_SLURM": "0"}, "0"),
    ("asked", "srun ./own", [], {"CKPT_SLURM": "1"}, "1"),
    ("python", "srun python3 -m ckpt run sim.py", [], {}, "1"),
    ("not", "srun ./sim", [], {}, "0"),
    ("not-requeue", "srun ./sim", ["--requeue"], {}, "1"),
]


@pytest.mark.parametrize("slurm", [{"cluster": "once"}], indirect=True)
def test_jobs_with_ckpt_may_be_requeued_and_others_are_left_alone(slurm):
    """Of a cluster that requeues nothing by itself."""
    for name, script, options, env, requeue in ASKS:
        job = slurm.submit(script, "--hold", *options, name=name, env=env)
        assert job.show()["Requeue"] == requeue, name
    done = slurm.run("sbatch", "--parsable", "--hold", "--wrap=srun ckpt_launch ./sim", "--output=/dev/null")
    job = slurmtest.Job(slurm, done.stdout.strip())
    slurm.jobs.append(job)
    assert job.show()["Requeue"] == "1"


SITE = """dofile("%s/cli_filter.lua")
function slurm_cli_pre_submit(options, offset)
	ckpt_cli_filter(options)
	options["comment"] = "of the site"
	return slurm.SUCCESS
end
return slurm.SUCCESS
"""


@pytest.mark.parametrize("slurm", [{"cluster": "once"}], indirect=True)
def test_a_site_s_own_filter_calls_ours(slurm):
    etc = slurm.mkdir("etc")
    ours = os.path.dirname(slurm.cluster.conf)
    shutil.copy(slurm.cluster.conf, etc)
    slurm.file("etc/cli_filter.lua", SITE % ours)
    for name, script, requeue in (("with", "srun ckpt_launch ./sim", "1"), ("without", "srun ./sim", "0")):
        shown = slurm.submit(script, "--hold", name=name, env={"SLURM_CONF": os.path.join(etc, "slurm.conf")}).show()
        assert (shown["Requeue"], shown["Comment"]) == (requeue, "of the site".split()[0])


@pytest.mark.parametrize("slurm", [{"cluster": "once"}], indirect=True)
def test_no_submission_fails_for_the_filter(slurm):
    """Steps, a signal that there isn't, a script that comes on standard input."""
    job = slurm.submit("# ckpt_launch\nsrun --ntasks=1 true && srun true", env={"CKPT_REQUEST_SIGNAL": "%s;"})
    job.wait_completed()
    # srun itself tells that the first step's end is not known yet.
    assert not [line for line in job.output().splitlines()
                if not re.match(r"srun: (Job \d+ step creation temporarily disabled|Step created for)", line)]
    with open(job.slurm.path("job.sh")) as script:
        done = slurm.run("sbatch", "--parsable", "--hold", "--output=/dev/null", stdin=script)
    slurm.jobs.append(slurmtest.Job(slurm, done.stdout.strip()))


@pytest.mark.skipif(not os.path.exists(MODULES), reason="no environment-modules")
def test_the_module(slurm):
    where = slurm.mkdir("modulefiles")
    shutil.copy(os.path.join(slurm.installed.prefix, "share", "modulefiles", "ckpt"), where)
    show = 'for n in PATH PYTHONPATH MANPATH SBATCH_SIGNAL SBATCH_REQUEUE SBATCH_OPEN_MODE; do echo "$n=${!n-}"; done; echo'

    def modules(commands, **env):
        done = subprocess.run(["bash", "-c", ". %s && module use %s && %s" % (MODULES, where, commands)],
                              env=slurm.env(env), cwd=slurm.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, **slurm.as_user)
        assert (done.returncode, done.stderr) == (0, ""), done
        return [dict(line.split("=", 1) for line in part.splitlines()) for part in done.stdout.strip().split("\n\n")]
    before, loaded, after = modules("%s; module load ckpt; %s; module unload ckpt; %s" % (show, show, show))
    with open(os.path.join(where, "ckpt")) as f:
        prefix = [line.split()[2] for line in f if line.startswith("set prefix ")][0]
    assert loaded["PATH"] == prefix + "/bin:" + before["PATH"]
    assert loaded["PYTHONPATH"] == prefix + "/lib/ckpt/python"
    assert loaded["MANPATH"] in ("", prefix + "/share/man:" + before["MANPATH"])
    assert [loaded["SBATCH_" + n] for n in ("SIGNAL", "REQUEUE", "OPEN_MODE")] == ["USR1@120", "1", "append"]
    assert after == before
    own, = modules("module load ckpt; %s" % show, SBATCH_SIGNAL="USR2@300")
    assert own["SBATCH_SIGNAL"] == "USR2@300" and own["SBATCH_REQUEUE"] == "1"


def test_scripts_are_in_order():
    """What shellcheck finds."""
    where = os.path.join(slurmtest.TREE, "plugins", "slurm")
    names = ["prolog", "epilog", "task_prolog", "leftovers.sh", "ckpt-requeue", "ckpt-gc", "ckpt.sbatch"]
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    for shell, some in (("sh", names[:5]), ("bash", names[5:])):
        done = subprocess.run(["shellcheck", "-s", shell, *some], cwd=where, stdout=subprocess.PIPE, text=True, check=False)
        assert not done.returncode, done.stdout
