"""What the other tests stand on: each kind of cluster runs a user's jobs, and requeues what ends with 85."""

import pytest

import slurmtest

KINDS = [kind for kind in slurmtest.KINDS if kind not in ("crash", "nodes", "again")]  # these are at times down


@pytest.mark.parametrize("slurm", [{"cluster": kind} for kind in KINDS], indirect=True, ids=KINDS)
def test_a_cluster_runs_jobs(slurm):
    # slurmstepd complains of control groups there, when another job of the user begins or ends at this moment.
    job = slurm.submit("""srun sh -c 'echo $(id -u) in $PWD'; exit 86""", "--error=job.err")
    if slurm.cluster.kind == "bare":
        job.wait_state("FAILED")
        assert job.show()["ExitCode"] == "86:0"
    else:
        job.wait_state("SPECIAL_EXIT")
    assert job.output() == "%d in %s\n" % (slurm.uid, slurm.dir)


@pytest.mark.parametrize("slurm", [{"cluster": "plain"}], indirect=True)
def test_a_job_that_ends_with_85_runs_again(slurm):
    job = slurm.submit("""srun sh -c 'echo run ${SLURM_RESTART_COUNT-0}'
        [ "${SLURM_RESTART_COUNT-0}" = 1 ] || exit 85""", "--open-mode=append")
    job.wait_completed()
    assert job.output() == "run 0\nrun 1\n"
