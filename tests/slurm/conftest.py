import concurrent.futures

import pytest

import slurmscenario
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
    with concurrent.futures.ThreadPoolExecutor() as pool:
        lines = sum(pool.map(lambda cluster: cluster.down(), running.values()), [])
    assert not lines, "\n".join(lines)


@pytest.fixture
def slurm(request, clusters):
    """A private place to submit jobs from; see slurmtest.Slurm.

    Indirect parameter: a dict of "cluster", a name of slurmtest.KINDS (default: hooks), and "user", a name or None for
    the caller. Default: an ordinary user's jobs on root's cluster, and one's own for who is not root.
    """
    options = dict(getattr(request, "param", None) or {})
    kind = options.pop("cluster", "hooks")
    obstacle = slurmtest.obstacle(kind, options.get("user"))
    if obstacle:
        pytest.skip(obstacle)
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


@pytest.fixture(scope="session", autouse=True)
def scenarios(request, clusters):
    """The selected scenarios, which run from now on; see slurmscenario."""
    found = [item.function for item in request.session.items if hasattr(getattr(item, "function", None), "scenario")]
    return slurmscenario.Scenarios(found, clusters)
