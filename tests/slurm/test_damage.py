"""Images that are incomplete, damaged or of no use, and jobs that are not to go on."""

import os
import signal

import ckpttest
from ckpttest import wait_for
from slurmscenario import Plate, scenario


def damage(path):
    """Turn bits in the middle of an image."""
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        piece = f.read(64)
        f.seek(-len(piece), os.SEEK_CUR)
        f.write(bytes(b ^ 0x55 for b in piece))


def two_generations(slurm):
    """A job that has been killed after it made two images."""
    plate = Plate(slurm, gates=(6, 12, 24))
    for number, block in enumerate((5, 11), 1):
        plate.wait_blocks(block)
        plate.checkpoint()
        assert len(plate.images()) == number, plate.images()
        plate.open(plate.gates[number - 1])
    plate.wait_blocks(Plate.GATE - 1)
    plate.kill()
    plate.job.wait_state("FAILED")
    assert plate.job.restarts() == 0
    return plate


def goes_on(plate, rerun=1):
    plate.requeue()
    plate.wait_rerun(rerun)
    plate.open()
    plate.job.wait_completed()
    plate.check("repeated")


@scenario()
def test_the_newest_image_serves_after_a_kill(slurm):
    plate = two_generations(slurm)
    goes_on(plate)


@scenario()
def test_the_newest_image_is_damaged(slurm):
    plate = two_generations(slurm)
    damage(plate.images()[-1])
    goes_on(plate)
    assert os.path.basename(plate.images()[0]) in plate.errors()


def held(plate, *reasons):
    plate.job.wait_state("SPECIAL_EXIT")
    show = plate.job.show()
    assert show["Reason"] == "JobHeldUser" and show["ExitCode"] == "86:0", show
    for reason in reasons:
        assert reason in plate.errors(), plate.errors()
    assert plate.begun() == 1


@scenario()
def test_all_images_are_damaged(slurm):
    plate = two_generations(slurm)
    for path in plate.images():
        damage(path)
    plate.requeue()
    held(plate, *map(os.path.basename, plate.images()))


@scenario()
def test_three_restores_without_progress(slurm):
    plate = Plate(slurm)
    plate.wait_blocks(Plate.GATE - 1)
    plate.signal()
    for rerun in (1, 2, 3):
        plate.wait_rerun(rerun)
        plate.wait_program()
        plate.requeue()
    plate.job.wait_for(lambda show: plate.hurry(show) or show["JobState"] == "SPECIAL_EXIT", "the hold")
    held(plate, "3")


def in_the_middle(plate):
    def writer():
        return [pid for pid in plate.job.processes() if ckpttest.comm(pid) == "ckpt_fault"]
    wait_for(writer, lambda: "a writer in the middle of an image: " + plate.story())


@scenario()
def test_kill_in_the_middle_of_a_checkpoint(slurm):
    """The generation before it is whole."""
    script = "[ ! -e fault ] || export CKPT_FAULT=writer-footer:stop\n" + Plate.SCRIPT
    plate = Plate(slurm, gates=(6, 24), script=script)
    plate.wait_blocks(5)
    slurm.file("fault")  # for the next run
    plate.signal()
    plate.wait_rerun(1)
    plate.open(6)
    plate.wait_blocks(Plate.GATE - 1)
    whole = plate.images()
    plate.signal()
    in_the_middle(plate)
    plate.kill()
    plate.job.wait_state("FAILED")
    assert plate.images() == whole
    os.unlink(slurm.path("fault"))
    goes_on(plate, 2)


@scenario()
def test_kill_in_the_middle_of_the_first_checkpoint(slurm):
    """There is no image: it starts anew."""
    plate = Plate(slurm, script="[ ! -e fault ] || export CKPT_FAULT=writer-chunk:stop\n" + Plate.SCRIPT)
    slurm.file("fault")
    plate.wait_blocks(5)
    plate.signal()
    in_the_middle(plate)
    plate.kill()
    plate.job.wait_state("FAILED")
    os.unlink(slurm.path("fault"))
    plate.requeue()
    plate.wait_rerun(1)
    plate.open()
    plate.job.wait_completed()
    plate.check("repeated", begun=2)


@scenario()
def test_scancel(slurm):
    """Not requeued, and nothing of it runs on; its images stay."""
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.checkpoint()
    images = plate.images()
    assert images
    plate.job.cancel()
    plate.job.wait_state("CANCELLED")
    wait_for(lambda: not slurm.left(), lambda: "the end of %s" % list(map(ckpttest.describe, slurm.left())))
    assert plate.job.restarts() == 0 and plate.job.state() == "CANCELLED"
    assert plate.images() == images


def nothing_left(slurm):
    """The end of a job is that of all that we have started for it."""
    plate = Plate(slurm)
    plate.wait_blocks(3)
    plate.signal()
    plate.job.wait_for(lambda show: show["JobState"] == "PENDING" and show["Restarts"] == "1", "the requeue")
    wait_for(lambda: not slurm.left(), lambda: "nothing to run: %s" % list(map(ckpttest.describe, slurm.left())))
    plate.wait_rerun(1)
    plate.finish()
    wait_for(lambda: not slurm.left(), lambda: "nothing to run: %s" % list(map(ckpttest.describe, slurm.left())))
    return plate


@scenario("plain")
def test_no_daemon_is_left_with_linuxproc(slurm):
    """With stubs for hooks: no epilog is needed."""
    nothing_left(slurm)


@scenario("cgroup")
def test_no_daemon_is_left_with_cgroup(slurm):
    plate = nothing_left(slurm)

    def groups():
        return [where for where, _, _ in os.walk("/sys/fs/cgroup/freezer/")
                if "/slurm_" in where and where.endswith("/job_" + plate.job.id)]
    wait_for(lambda: not groups(), lambda: "%s to go" % groups())


@scenario("cgroup")
def test_kill_with_cgroup(slurm):
    plate = two_generations(slurm)
    goes_on(plate)


@scenario()
def test_a_program_that_a_signal_kills(slurm):
    """It fails as it would without us, and is not requeued."""
    plate = Plate(slurm)
    plate.wait_blocks(3)
    for pid in plate.programs():
        os.kill(pid, signal.SIGSEGV)
    plate.job.wait_state("FAILED")
    assert plate.job.restarts() == 0
    assert plate.job.show()["ExitCode"] in ("139:0", "0:11"), plate.job.show()
