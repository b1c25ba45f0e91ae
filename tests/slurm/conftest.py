import os

import pytest

import slurmtest


@pytest.fixture(scope="session")
def clusters(installed):
    """Call it with a name of slurmtest.KINDS for a running Cluster; all are stopped at the end."""
    running = {}

    def get(kind):
        if kind not in running:
            cluster = slurmtest.Cluster(kind, slurmtest.shared_place())
            running[kind] = cluster
            cluster.install(installed)
            cluster.up()
        return running[kind]
    yield get
    lines = []
    for cluster in running.values():
        lines += cluster.down()
    assert not lines, "\n".join(lines)


@pytest.fixture
def slurm(request, clusters):
    """A private place to submit jobs from; see slurmtest.Slurm.

    Indirect parameter: a dict of "cluster", a name of slurmtest.KINDS (default: hooks), and "user", a name or None for
    the caller. Default: an ordinary user's jobs on root's cluster, and one's own for who is not root.
    """
    options = dict(getattr(request, "param", None) or {})
    kind = options.pop("cluster", "hooks")
    if slurmtest.missing():
        pytest.skip("no " + slurmtest.missing())
    if not slurmtest.shared_place():
        pytest.skip("no place outside /tmp that may be written to")
    wanted = slurmtest.KINDS[kind]
    if os.getuid() != 0 and (wanted.get("mode") == "ns" or wanted.get("user") or options.get("user")):
        pytest.skip("needs root")
    if wanted.get("mode") == "ns" and not slurmtest.namespaces_work():
        pytest.skip("no namespaces for nodes")
    if wanted.get("proctrack") == "cgroup" and not slurmtest.cgroup_works():
        pytest.skip("no control groups to write to")
    s = slurmtest.Slurm(clusters(kind), **options)
    yield s
    left = s.stop()
    failed = getattr(request.node, "failed_call", False)
    if failed or left:
        s.cluster.keep = True
        print("files kept in", s.dir)
        print(s.story())
    else:
        s.remove()
    assert failed or not left, "\n".join(left)
