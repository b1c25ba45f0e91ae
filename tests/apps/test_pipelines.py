"""Shell pipelines, make, chains of exec, daemons, and programs that do nothing but start others: checkpointed
under load, killed, restarted, and their output compared."""

import os
import time

import ckpttest
import pytest

DEBIAN = "/usr/bin/python3"

GENERATE = """
import sys, time
for n in range(60000):
    print("%d %d" % (n * 7919 % 60000, n))
    if n % 500 == 0:
        sys.stdout.flush()
        time.sleep(0.02)
"""

FILTER = """
import sys
for line in sys.stdin:
    a, b = line.split()
    if int(a) % 3 == 0:
        print("%06d %s" % (int(a), b))
        sys.stderr.write("%s\\n" % b)
"""


def test_pipeline_of_bash(ckpt):
    """The same lines in the same order, at the end of the pipeline and, as they pass, in the middle."""
    gen = ckpt.file("gen.py", GENERATE)
    flt = ckpt.file("filter.py", FILTER)
    pipeline = (": > passed; {p} {g} | {p} {f} 2>>passed | sort | tee out; echo ${{PIPESTATUS[*]}}; "
                "sha1sum < out; sha1sum < passed").format(p=DEBIAN, g=gen, f=flt)
    ckpt.chain(["/bin/bash", "-c", pipeline], by="time", at_once=True, generations=2)


PART = """
int part_%(n)d(int x)
{
	static const int table[] = { %(table)s };
	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++)
		x = x * 31 + table[i];
	return x;
}
"""

MAKEFILE = """
OBJECTS := %s main.o
%%.o: %%.c
	@gcc -O2 -c -o $@ $<
	@echo another one is compiled
prog: $(OBJECTS)
	@gcc -o $@ $^
	@sha1sum $(OBJECTS) $@ | sha1sum
	@./prog
"""


def project(ckpt, parts):
    """A C project in the directory "project"."""
    ckpt.mkdir("work/project")
    main = ["#include <stdio.h>"] + ["int part_%d(int);" % n for n in range(parts)] + \
        ["int main(void)", "{", "\tint x = 1;", *("\tx = part_%d(x);" % n for n in range(parts)),
         "\tprintf(\"%d\\n\", x);", "\treturn 0;", "}"]
    ckpt.file("project/main.c", "\n".join(main) + "\n")
    for n in range(parts):
        table = ", ".join(str((n + 1) * i % 9973) for i in range(400))
        ckpt.file("project/part%d.c" % n, PART % {"n": n, "table": table})
    ckpt.file("project/Makefile", MAKEFILE % " ".join("part%d.o" % n for n in range(parts)))


def test_make_builds_in_parallel(ckpt):
    """Every object file and the program are those of an undisturbed build, whatever was under way."""
    project(ckpt, 30)
    build = "cp -r project build && make -s -j4 -C build prog && rm -r build"
    ckpt.chain(["/bin/bash", "-c", build], at_once=True)


SHELL_LINK = """#!/bin/sh
[ $$ = $2 ] && echo $1
[ $1 = 0 ] || exec ./link.py $(($1 - 1)) $2
"""

PYTHON_LINK = """#!/usr/bin/python3 -IS
import os, sys
print(sys.argv[1], os.getpid() == int(sys.argv[2]), flush=True)
if int(sys.argv[1]):
    os.execv("./link.sh", ["link.sh", str(int(sys.argv[1]) - 1), sys.argv[2]])
"""


def test_chain_of_200_execs(ckpt):
    """Scripts that replace themselves by each other: one process that is always another program."""
    ckpt.file("link.sh", SHELL_LINK, 0o755)
    ckpt.file("link.py", PYTHON_LINK, 0o755)
    ckpt.chain(["/bin/sh", "-c", "exec ./link.sh 200 $$"], generations=2)


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        me = os.getpid(), os.getsid(0), os.getpgrp()
        with open("log", "w") as log:
            for n in range(200):
                print(n, me == (os.getpid(), os.getsid(0), os.getpgrp()), file=log, flush=True)
                time.sleep(0.01)
            os.rename("log", "log.done")
    os._exit(0)
os.wait()
if sys.argv[1] == "stays":
    while not os.path.exists("log.done"):
        time.sleep(0.01)
    sys.stdout.write(open("log.done").read())
    os.unlink("log.done")
"""


def test_daemon_beside_its_first_process(ckpt):
    ckpt.chain([DEBIAN, "-c", DAEMON, "stays"], by="time", at_once=True, generations=2)


def test_daemon_alone(ckpt):
    """The first process has ended long ago; what is left is a daemon, nobody's child."""
    job = ckpt.launch([DEBIAN, "-c", DAEMON, "leaves"])
    job.wait()
    log = ckpt.path("log")
    for generation in range(3):
        ckpttest.wait_for(lambda: os.path.exists(log) and os.path.getsize(log) > 150 * (generation + 1), "the log")
        image = ckpt.checkpoint("--kill")["image"]
        ckpttest.wait_for(lambda: not any(ckpttest.alive(pid) for pid in job.programs()), "the daemon to end")
        job = ckpt.restart(image, job)
        job.known = True  # not by its first process; that the log grows shows that it is there
    job.wait()
    with open(log + ".done") as f:
        assert f.read() == "".join("%d True\n" % n for n in range(200))


SPAWNER = """
import os, subprocess
n = 0
while not os.path.exists("stop"):
    subprocess.run(["/bin/true"], check=True)
    if subprocess.run(["/bin/false"]).returncode != 1:
        print("wrong status", flush=True)
    if n % 50 == 0:
        print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("way", ["fork", "vfork", "clone", "system", "popen", "posix_spawn", "subprocess"])
def test_checkpoints_while_children_come_and_go(ckpt, programs, way):
    """Thirty, back to back: nobody is killed, every status is right; and then a restart."""
    argv = [DEBIAN, "-c", SPAWNER] if way == "subprocess" else [os.path.join(programs, "apps", "spawner"), way]
    job = ckpt.launch(argv)
    job.wait_output("0\n")
    for _ in range(30):
        ckpt.checkpoint()
    image = ckpt.checkpoint()["image"]
    time.sleep(ckpt.random.random() * 0.1)
    job.kill()
    job = ckpt.restart(image, job)
    job.wait_growth(10)
    ckpt.file("stop")
    job.wait()
    lines = job.output().splitlines()
    assert lines == [str(50 * n) for n in range(len(lines))]


def test_300_processes(ckpt, programs):
    ckpt.chain([os.path.join(programs, "apps", "crowd"), "300", "2500"], generations=2)
