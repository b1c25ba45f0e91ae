"""ckpt-gc: images of jobs that have ended go; those of jobs that may still run, and whatever else, stay."""

import os
import pwd

import pytest

import slurmtest

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
CLUSTER = "ckpt"  # ClusterName of slurm-up


def program(slurm):
    return os.path.join(slurm.installed.prefix, *slurmtest.HOOKS, "ckpt-gc")


def gc(slurm, *args, expect=0, **popen):
    """Names that it has removed, or would."""
    done = slurm.run(program(slurm), *args, expect=expect, **popen)
    assert bool(done.stderr) == bool(expect), done.stderr
    return {os.path.basename(line.split()[-2]) for line in done.stdout.splitlines()}


def images(slurm, name, uid=None, base="images", days=0):
    """A directory as ckpt_launch makes it; days old."""
    uid = slurm.uid if uid is None else uid
    top = os.path.join(slurm.path(base), name)
    os.makedirs(os.path.join(top, "step0"), 0o700)
    for path, text in (("job", "format=1\nname=%s\nuid=%d\nrun=0\n" % (name.split(".old-")[0], uid)),
                       ("step0/state", "format=1\n"), ("step0/sim.00001.ckpt", "image")):
        with open(os.path.join(top, path), "w") as f:
            f.write(text)
    for where, dirs, names in os.walk(top, topdown=False):
        for path in [os.path.join(where, n) for n in names] + [where]:
            os.chown(path, uid, -1)
            os.utime(path, times=(os.stat(path).st_mtime - days * 86400,) * 2)
    os.chmod(top, 0o700)
    return top


def there(slurm, base="images"):
    return set(os.listdir(slurm.path(base)))


def test_images_of_jobs_that_live_stay(slurm):
    """Running, held, held after a failure, requeued, and pending tasks of arrays, which squeue shows as a range."""
    slurm.mkdir("images")
    running = slurm.submit("sleep 1000")
    held = slurm.submit("true", "--hold")
    failed = slurm.submit("exit 86")
    requeued = slurm.submit("sleep 1000")
    array = slurm.submit("[ $SLURM_ARRAY_TASK_ID = 1 ] || sleep 1000", "--array=1-2,7-30:3%1")
    begun = slurm.submit("[ $SLURM_ARRAY_TASK_ID = 4 ] || sleep 1000", "--array=3-4")
    done = slurm.submit("true")
    requeued.wait_state("RUNNING")
    slurm.run("scontrol", "requeuehold", requeued.id)
    running.wait_state("RUNNING")
    failed.wait_state("SPECIAL_EXIT")
    done.wait_completed()
    array.task(1).wait_completed()
    array.task(2).wait_state("RUNNING")
    begun.task(4).wait_completed()
    begun.task(3).wait_state("RUNNING")
    live = {CLUSTER + "-" + rest for rest in (running.id, held.id, failed.id, requeued.id, begun.id + "_3",
                                              *(array.id + "_%d" % n for n in (1, 2, 7, 28)))}
    ended = {CLUSTER + "-" + rest for rest in (done.id, begun.id + "_4", "99999", "99999_3", running.id + ".old-1")}
    for name in live | ended:
        images(slurm, name)
    assert gc(slurm, "--older=0", "--dry-run", "images") == ended
    assert there(slurm) == live | ended
    assert gc(slurm, "--older=0", "--keep=99999_3", "images") == ended - {CLUSTER + "-99999_3"}
    assert there(slurm) == live | {CLUSTER + "-99999_3"}
    assert gc(slurm, "--older=0", "--keep=99999", env={"CKPT_DIR": slurm.path("images")}) == set()
    assert gc(slurm, "-o0", "images") == {CLUSTER + "-99999_3"}


def test_only_old_directories_that_are_ours_go(slurm):
    slurm.mkdir("images")
    old, new = CLUSTER + "-99990", CLUSTER + "-99991"
    images(slurm, old, days=40)
    images(slurm, new, days=40)
    os.utime(os.path.join(slurm.path("images"), new, "step0", "sim.00001.ckpt"))
    stays = {new, "other-99992", "x-ckpt-99993", "data-99994", "99995", CLUSTER + "-99996", CLUSTER + "-99997", CLUSTER + "-99998x",
             CLUSTER + "-99989"}
    images(slurm, "other-99992", days=40)
    images(slurm, "x-ckpt-99993", days=40)
    slurm.mkdir("images/data-99994")
    images(slurm, "99995", days=40)
    target = images(slurm, CLUSTER + "-99996", base="elsewhere", days=40)
    os.symlink(target, os.path.join(slurm.path("images"), CLUSTER + "-99996"))
    images(slurm, CLUSTER + "-99997", days=40)
    os.unlink(os.path.join(slurm.path("images"), CLUSTER + "-99997", "job"))
    images(slurm, CLUSTER + "-99998x", days=40)
    images(slurm, CLUSTER + "-99989", days=40)
    with open(os.path.join(slurm.path("images"), CLUSTER + "-99989", "job"), "w") as f:
        f.write("format=1\nname=%s-1\nuid=%d\n" % (CLUSTER, slurm.uid))
    for name in (CLUSTER + "-99997", CLUSTER + "-99989"):
        os.utime(os.path.join(slurm.path("images"), name), times=(1, 1))
    assert gc(slurm, "images") == {old}
    assert there(slurm) == stays and os.path.exists(os.path.join(target, "job"))
    assert gc(slurm, "--cluster=other", "images") == {"other-99992"}
    assert there(slurm) == stays - {"other-99992"}


def test_nothing_goes_when_slurm_does_not_answer(slurm):
    slurm.mkdir("images")
    images(slurm, CLUSTER + "-99999", days=40)
    for scontrol, squeue in (("exit 1", "exit 1"), ("echo 'ClusterName = ckpt'", "exit 1"),
                             ("echo 'ClusterName = ckpt'", "echo slurm_load_jobs something")):
        slurm.file("tmp/scontrol", "#!/bin/sh\n%s\n" % scontrol, 0o755)
        slurm.file("tmp/squeue", "#!/bin/sh\n%s\n" % squeue, 0o755)
        gc(slurm, "images", expect=1, env={"PATH": slurm.path("tmp") + ":/usr/bin:/bin"})
    assert there(slurm) == {CLUSTER + "-99999"}
    for args in (["--older=x"], ["--keep=all"], ["--cluster=a/b"], ["--what"]):
        gc(slurm, *args, "images", expect=2)
    assert gc(slurm, "nowhere", "images", "--older=0", expect=1) == {CLUSTER + "-99999"}


@ROOT
def test_root_removes_everybody_s_with_their_rights(slurm):
    other = pwd.getpwnam(slurmtest.USERS[1]).pw_uid
    base = slurm.mkdir("images")
    os.chmod(base, 0o1777)
    mine, theirs = CLUSTER + "-99998", CLUSTER + "-99999"
    images(slurm, mine, days=40)
    images(slurm, theirs, uid=other, days=40)
    victim = images(slurm, CLUSTER + "-99997", base="elsewhere", uid=0, days=40)
    os.symlink(victim, os.path.join(slurm.path("images"), mine, "link"))
    os.utime(os.path.join(slurm.path("images"), mine), times=(1, 1))
    os.utime(os.path.join(slurm.path("images"), mine, "link"), times=(1, 1), follow_symlinks=False)
    assert gc(slurm, "--dry-run", "images") == {mine}
    assert gc(slurm, "images", **slurmtest.identity("root")) == {mine, theirs}
    assert there(slurm) == set() and os.path.exists(os.path.join(victim, "step0", "sim.00001.ckpt"))
