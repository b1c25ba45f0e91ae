"""A LocalCluster of Dask with worker processes: graphs of tasks that depend on each other, round by round."""

import time


def step(n, before):
    time.sleep(0.005)
    return (n * 7919 + before * 31) % 1000003


def both(a, b):
    return a ^ b


def main():
    from dask.distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
            Client(cluster) as client:
        last = 1
        for round in range(25):
            tree = [client.submit(step, n, last, pure=False) for n in range(8)]
            while len(tree) > 1:
                tree = [client.submit(both, a, b, pure=False) for a, b in zip(tree[::2], tree[1::2])]
            last = tree[0].result()
            print(round, last, flush=True)


if __name__ == "__main__":
    main()
