"""Daemons and nodes that die, clusters that forget, and other people's clusters."""

import os

from slurmscenario import Plate, scenario
from slurmtest import USERS


@scenario("user")
def test_an_ordinary_users_cluster(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()


@scenario(user=USERS[1])
def test_another_user_on_roots_cluster(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()
    for where, _, names in os.walk(slurm.path(".ckpt")):
        for path in (where, *(os.path.join(where, n) for n in names)):
            st = os.lstat(path)
            assert st.st_uid == slurm.uid and (os.path.islink(path) or not st.st_mode & 0o077 or path == slurm.path(
                ".ckpt")), (path, oct(st.st_mode))


@scenario(user=None)
def test_a_job_of_root(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.wait_rerun(1)
    plate.finish()


@scenario("again")
def test_job_ids_that_come_again(slurm):
    """A cluster that has lost its state counts from 1: the images of another job 1 are none of this one's."""
    old = Plate(slurm, name="old")
    old.wait_blocks(3)
    old.checkpoint()
    images = {os.path.basename(path) for path in old.images()}
    slurm.cluster.forget()
    new = Plate(slurm, name="new")
    assert new.job.id == old.job.id
    new.wait_blocks(3)
    assert not new.images()
    new.signal()
    new.wait_rerun(1)
    new.finish()
    assert not images & {os.path.basename(path) for path in new.images()}
    kept = {name for _, _, names in os.walk(slurm.path(".ckpt")) for name in names}
    assert images <= kept


@scenario("crash", first=True)
def test_slurmctld_and_slurmd_are_killed(slurm):
    """The job runs on, and goes on after a requeue by the daemons that were started again."""
    cluster = slurm.cluster
    plate = Plate(slurm, "--nodelist=n1", gates=(6, Plate.GATE))
    plate.wait_blocks(3)
    cluster.save(plate.job)
    cluster.kill("slurmctld", "slurmd.n1")
    plate.open(6)
    plate.wait_blocks(Plate.GATE - 1)
    cluster.up()
    plate.job.wait_state("RUNNING")
    plate.signal()
    plate.wait_rerun(1)
    plate.wait_program()
    cluster.save(plate.job)
    cluster.kill("slurmctld", "slurmd.n1")
    cluster.up()
    plate.finish()
    assert plate.job.restarts() == 1

    # Nobody can be asked about a job that starts again: what is known in its directory decides.
    script = "while [ -e wait ]; do sleep 0.1; done; trap : USR1; ckpt_launch {program}\n"
    plate = Plate(slurm, "--nodelist=n2", name="down", script=script)
    plate.wait_blocks(3)
    slurm.file("wait")
    slurm.run("scancel", "--full", "-s", "USR1", plate.job.id)
    plate.wait_rerun(1)
    plate.job.wait_state("RUNNING")
    cluster.save(plate.job)
    cluster.kill("slurmctld")
    os.unlink(slurm.path("wait"))
    plate.open()
    plate.wait_blocks(Plate.BLOCKS)
    cluster.up()
    plate.finish()
    assert plate.job.restarts() == 1


@scenario("nodes", first=True)
def test_a_node_crashes(slurm):
    """The job goes on on another one, from the directory that they share."""
    plate = Plate(slurm, "--exclude=n3", script="srun ckpt_launch --interval 1 {program}\n")
    plate.wait_blocks(Plate.GATE - 1)
    plate.wait_new_image()
    node = plate.job.show()["BatchHost"]
    slurm.cluster.kill("init." + node)
    plate.wait_rerun(1)
    other = plate.job.show()["BatchHost"]
    assert other != node
    plate.open()
    plate.job.wait_completed()
    plate.check("repeated")


@scenario("ns")
def test_a_signal_and_another_node(slurm):
    plate = Plate(slurm, "--nodelist=n3")
    plate.wait_blocks(3)
    plate.signal()
    plate.job.wait_for(lambda show: show["JobState"] == "PENDING" and show["Restarts"] == "1", "the requeue")
    slurm.scontrol("update", "JobId=" + plate.job.id, "NodeList=n2")
    plate.wait_rerun(1)
    assert plate.job.show()["BatchHost"] == "n2"
    plate.finish()
