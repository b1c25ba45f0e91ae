"""Servers with their clients inside the job, checkpointed under load, killed and restarted."""

import hashlib
import os
import shutil
import socket

import pytest


def free_port():
    """A port of loopback that nothing has now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def need(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(program + " is not installed")
    return path


REDIS = """
set -e
%(server)s --port %(port)d --save '' --appendonly no --daemonize no --dir . > server.log &
server=$!
for i in $(seq 200); do %(cli)s -p %(port)d ping > /dev/null 2>&1 && break; sleep 0.05; done
echo up
for round in $(seq 40); do
	%(bench)s -p %(port)d -q -n 3000 -c 5 -r 1000 -t set,incr,lpush > bench.log
	%(cli)s -p %(port)d incr rounds
done
%(cli)s -p %(port)d llen mylist
%(cli)s -p %(port)d shutdown nosave
wait $server
echo down
"""


def test_redis_and_its_benchmark(ckpt):
    names = {"server": need("redis-server"), "cli": need("redis-cli"), "bench": need("redis-benchmark"),
             "port": free_port()}
    script = ckpt.file("redis.sh", REDIS % names)
    expected = "up\n" + "".join("%d\n" % n for n in range(1, 41)) + "%d\n" % (40 * 3000) + "down\n"
    ckpt.chain(["/bin/bash", script], expected=expected, limit=180)


POSTGRES = """
set -e
export PATH=%(bin)s:$PATH LC_ALL=C PGPORT=%(port)d PGHOST=%(dir)s
initdb -D data -A trust -N > initdb.log
postgres -D data -k %(dir)s -h 127.0.0.1 -F > server.log 2>&1 &
server=$!
for i in $(seq 400); do psql -qAtc 'select 1' postgres > /dev/null 2>&1 && break; sleep 0.05; done
createdb bench
pgbench -i -q -s 2 bench 2> load.log
psql -qAtc 'create extension amcheck' bench
echo up
for round in $(seq 12); do
	pgbench -n -c 3 -j 2 -t 150 bench > bench.log 2>&1 || { cat bench.log; exit 1; }
	psql -qAtc 'select count(*) from pgbench_history' bench
done
psql -qAtc 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)' bench
pg_amcheck --heapallindexed bench && echo clean
kill -INT $server
wait $server
echo down
"""


@pytest.mark.parametrize("ckpt", [{"user": "postgres"}], indirect=True, ids=["postgres"])
def test_postgres_and_pgbench(ckpt):
    places = sorted(p for p in os.listdir("/usr/lib/postgresql") if p.isdigit()) \
        if os.path.isdir("/usr/lib/postgresql") else []
    if not places:
        pytest.skip("PostgreSQL is not installed")
    names = {"bin": "/usr/lib/postgresql/%s/bin" % places[-1], "port": free_port(), "dir": ckpt.work}
    script = ckpt.file("postgres.sh", POSTGRES % names)
    rounds = "".join("%d\n" % (450 * n) for n in range(1, 13))
    # Between two clients nobody has a table open: what was written to it after the checkpoint would stay (ckpt(7), CAVEATS).
    ckpt.chain(["/bin/bash", script], expected="up\n" + rounds + "t\nclean\ndown\n", limit=300, at_once=True)
    ckpt.remove_ipc()


NGINX = """
daemon off; worker_processes 2; error_log error.log; pid nginx.pid;
events { worker_connections 64; }
http {
	access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
	uwsgi_temp_path t4; scgi_temp_path t5;
	server { listen 127.0.0.1:%d; location / { root %s; } }
}
"""

FETCH = """
%(nginx)s -e error.log -p %(dir)s -c %(conf)s &
server=$!
exec python3 -B - << END
import hashlib, http.client, os, signal, sys, time
for i in range(400):
    try:
        c = http.client.HTTPConnection("127.0.0.1", %(port)d, timeout=30)
        c.request("GET", "/big")
        c.getresponse().read()
        break
    except OSError:
        time.sleep(0.05)
for n in range(600):
    c.request("GET", "/big")
    print(n, hashlib.sha1(c.getresponse().read()).hexdigest(), flush=True)
os.kill($server, signal.SIGQUIT)
END
"""


def test_nginx_while_it_serves(ckpt):
    nginx, port = need("nginx"), free_port()
    ckpt.file("big", os.urandom(1 << 20))
    conf = ckpt.file("nginx.conf", NGINX % (port, ckpt.work))
    script = ckpt.file("fetch.sh", FETCH % {"nginx": nginx, "port": port, "dir": ckpt.work, "conf": conf})
    with open(ckpt.path("big"), "rb") as f:
        digest = hashlib.sha1(f.read()).hexdigest()
    expected = "".join("%d %s\n" % (n, digest) for n in range(600))
    ckpt.chain(["/bin/bash", script], expected=expected, limit=120)
