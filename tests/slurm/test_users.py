"""What doc/slurm/USERS tells a user to do: ckpt.sbatch, copied, with ckpt in the home directory and nothing installed; one
line of the script where the site has installed plugins/slurm; without a script; and at a site that sends no signal."""

import os
import subprocess

import pytest

import slurmtest
from ckpttest import wait_for

SIM = """import time
x = 0.5
for step in range(1, 81):
    for _ in range(1000):
        x = 3.7 * x * (1 - x)
    print(step, x, flush=True)
    time.sleep(0.1)
"""


@pytest.mark.parametrize("slurm", [{"cluster": "plain"}], indirect=True)
def test_the_template_goes_on_where_it_was_stopped(slurm):
    def gc():
        return slurm.run(os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "ckpt-gc"), "--older=0").stdout
    slurm.file("sim.py", SIM)
    expected = slurm.run("/usr/bin/python3", "sim.py").stdout
    os.symlink(slurm.installed.prefix, slurm.path("ckpt"))  # $HOME/ckpt
    with open(os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "ckpt.sbatch")) as f:
        job = slurm.submit(f.read(), "--output=sim-%j.out", name="sim", env={"PATH": "/usr/bin:/bin"})
    for run in range(2):
        job.wait_restarts(run) if run else job.wait_state("RUNNING")
        job.wait_output("\n%d " % (10 + 30 * run))
        job.signal()
    assert gc() == ""
    job.wait_completed()
    lines = [line for line in job.output().splitlines(True) if line[0].isdigit()]
    assert "".join(lines) == expected, job.output()
    assert job.restarts() == 2
    images = slurm.path(".ckpt/%s-%s" % (slurm.cluster.name, job.id))
    assert os.path.isdir(os.path.join(images, "step0"))
    assert gc().startswith("removed %s " % images) and not os.path.exists(images)


@pytest.mark.parametrize("slurm", [{"cluster": "once"}], indirect=True)
def test_one_line_is_changed_where_the_site_has_installed_hooks_and_filter(slurm):
    """Nobody sets an option, a variable or a path; by default this cluster requeues no job and truncates outputs."""
    slurm.file("sim.py", SIM)
    expected = slurm.run("/usr/bin/python3", "sim.py").stdout
    job = slurm.submit("srun ckpt_launch python3 sim.py\n", env={"PATH": "/usr/bin:/bin"})
    job.wait_output("\n10 ")
    job.signal()
    job.wait_completed()
    assert "".join(line for line in job.output().splitlines(True) if line[0].isdigit()) == expected, job.output()
    assert job.restarts() == 1


def test_without_a_batch_script_it_is_gone_on_with_by_hand(slurm):
    """SLURM would requeue an allocation, too, by status 85: for nobody, until its limit."""
    slurm.file("sim.py", SIM)
    expected = slurm.run("/usr/bin/python3", "sim.py").stdout
    with open(slurm.file("srun.out"), "r+b") as out:
        srun = subprocess.Popen(["srun", "--job-name", slurm.mark, "ckpt_launch", "python3", "sim.py"], env=slurm.env(),
                                cwd=slurm.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, **slurm.as_user)
    try:
        wait_for(lambda: "\n10 " in slurm.read("srun.out"), "output", slurmtest.LIMIT)
        job = slurmtest.Job(slurm, slurm.run("squeue", "-h", "-n", slurm.mark, "-o", "%i").stdout.strip())
        slurm.jobs.append(job)
        job.signal()
        assert srun.wait(slurmtest.LIMIT) == 75
    finally:
        srun.kill()
        srun.wait()
    wait_for(job.over, "the end", slurmtest.LIMIT)
    assert job.restarts() == 0 and job.state() == "FAILED"
    rest = slurm.run(slurm.installed.bin("ckpt_restart"), ".ckpt/%s-%s/step0" % (slurm.cluster.name, job.id)).stdout
    assert slurm.read("srun.out") + rest == expected


def test_a_preempted_job_without_a_signal_is_saved_by_sigterm(slurm):
    """It would end by that, and SLURM would take it for one that has failed."""
    slurm.file("sim.py", SIM)
    expected = slurm.run("/usr/bin/python3", "sim.py").stdout
    where = ["--nodelist=n1", "--exclusive"]
    slurm.file("step.sh", "export CKPT_ON_SIGNAL=TERM=checkpoint+exit:85\nexec srun ckpt_launch python3 sim.py\n")
    job = slurm.submit("sh step.sh", "--partition=low", "--requeue", "--open-mode=append", *where)
    job.wait_output("\n10 ")
    slurm.submit("sleep 1", "--partition=high", *where, name="high").wait_completed()
    job.wait_completed()
    assert "".join(line for line in job.output().splitlines(True) if line[0].isdigit()) == expected, job.output()
    assert job.restarts() == 1
