"""A private SLURM cluster, and what a test needs to run jobs on it.

A cluster and its users' files live in one directory under /srv, as on a site that has a shared file
system: nothing that has to outlive a node is below /tmp. Tests share a cluster; each has a directory,
jobs and a mark of its own, and what it leaves behind is found by these.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import ckpttest
from ckpttest import MARK, TREE, Failure, alive, describe, proc_stat, processes, wait_for

LIMIT = 240  # seconds until a wait for SLURM fails
USERS = ["games", "news"]  # SLURM looks them up: they must be in /etc/passwd, and are in Debian's
HERE = os.path.join(TREE, "tests", "slurm")
HOOKS = ("lib", "ckpt", "slurm")  # under the prefix

FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL"}
LIVE = {"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "SPECIAL_EXIT"}

# Arguments of Cluster. "plain" has stubs for hooks, "bare" not even RequeueExit, and on "once" jobs run once, unless
# they are submitted with --requeue.
KINDS = {
    "plain": {},
    "hooks": {"hooks": True},
    "cgroup": {"hooks": True, "proctrack": "cgroup", "nodes": 2},
    "once": {"hooks": True, "nodes": 1, "conf": {"JobRequeue": "0"}},
    "bare": {"conf": {"RequeueExit": "", "RequeueExitHold": ""}},
    "ns": {"mode": "ns", "hooks": True, "nodes": 3},
    "user": {"user": USERS[0], "nodes": 2},
    "preempt": {"hooks": True, "nodes": 1, "cpus": 2},
    "crash": {"hooks": True, "nodes": 2},  # of a test that kills its daemons
    "nodes": {"mode": "ns", "hooks": True, "nodes": 3},  # of one that kills a node
    "again": {"user": USERS[0], "nodes": 1},  # of one that makes it forget all jobs
}
NAMES = {"hooks": "ckpt"}  # of clusters, where it is not that of the kind


def missing():
    """A program of SLURM that is not there, or None."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for name in ("slurmctld", "slurmd", "munged", "sbatch", "scontrol", "squeue"):
        if not shutil.which(name, path=path):
            return name
    return None


def shared_place():
    """Where directories go that all nodes see: not /tmp, and short enough for sockets' names."""
    for place in ("/srv", os.path.expanduser("~"), os.path.join(TREE, "build")):
        place = os.path.realpath(place)
        if os.access(place, os.W_OK) and len(place) < 40 and not re.match(r"/(tmp|var/tmp|dev|run)(/|$)", place):
            return place
    return None


def cgroup_works():
    """Is there a hierarchy that proctrack/cgroup can use?"""
    v1 = "/sys/fs/cgroup/freezer"
    return os.getuid() == 0 and (os.access(v1, os.W_OK) and os.path.ismount(v1))


def namespaces_work():
    """May nodes have a network of their own?"""
    if os.getuid() != 0 or not shutil.which("ip", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        return False
    done = subprocess.run(["unshare", "--net", "--uts", "--ipc", "--pid", "--mount", "--fork", "--mount-proc",
                           "ip", "link", "add", "br0", "type", "bridge"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def obstacle(kind, user):
    """Why a test of that user on that kind of cluster can't run here, or None."""
    wanted = KINDS[kind]
    if missing():
        return "no " + missing()
    if not shared_place():
        return "no place outside /tmp that may be written to"
    if os.getuid() != 0 and (wanted.get("mode") == "ns" or wanted.get("user") or user not in (None, USERS[0])):
        return "needs root"
    if wanted.get("mode") == "ns" and not namespaces_work():
        return "no namespaces for nodes"
    if wanted.get("proctrack") == "cgroup" and not cgroup_works():
        return "no control groups to write to"
    return None


class Cluster:
    """A cluster that runs from start() to stop().

    user: whose cluster it is; None: the caller's. conf: lines of slurm.conf by key, "" removes one.
    """

    def __init__(self, kind, place):
        options = {"nodes": 4, "cpus": 8, "mode": "plain", "proctrack": "linuxproc", "hooks": False, "conf": {},
                   "user": None, **KINDS[kind]}
        # The hooks of a cluster know their jobs' processes by cluster and job id.
        self.name = NAMES.get(kind, kind)
        options["conf"] = {"ClusterName": self.name, **options["conf"]}
        self.kind = kind
        self.options = options
        self.top = tempfile.mkdtemp(prefix="ckt-", dir=place)
        os.chmod(self.top, 0o755)
        self.dir = os.path.join(self.top, "c")
        self.conf = os.path.join(self.dir, "etc", "slurm.conf")
        self.count = 0
        self.owner = identity(options["user"])
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o755)
        os.chown(self.dir, self.owner.get("user", -1), self.owner.get("group", -1))
        self.installed = None
        self.keep = False  # for somebody to look at

    def script(self, name, *args, check=True):
        """slurm-up or slurm-down, as the cluster's owner, with none of the caller's descriptors."""
        own = os.path.join(self.top, name)
        if not os.path.exists(own):
            shutil.copy(os.path.join(HERE, name), own)
        log = os.path.join(self.top, name + ".log")
        with open(log, "w") as out:
            done = subprocess.run([own, self.dir, *args], env=self.env(), cwd="/", stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=LIMIT, check=False, **self.owner)
        if done.returncode and check:
            raise Failure("%s: status %d: %s" % (name, done.returncode, open(log).read()))

    def install(self, installed):
        """A copy of the programs where every node sees them; /tmp is private to a node."""
        self.installed = ckpttest.Install(os.path.join(self.top, "usr"))
        if not os.path.exists(self.installed.prefix):
            shutil.copytree(installed.prefix, self.installed.prefix, symlinks=True)

    def up(self):
        """Start it, or what is missing of it."""
        o = self.options
        args = ["-n", str(o["nodes"]), "-c", str(o["cpus"]), "-m", o["mode"], "-p", o["proctrack"]]
        if o["hooks"]:
            args += ["-k", os.path.join(self.installed.prefix, *HOOKS)]
        if o["conf"]:
            extra = os.path.join(self.top, "extra.conf")
            with open(extra, "w") as f:
                f.writelines("%s=%s\n" % line for line in o["conf"].items())
            args += ["-x", extra]
        self.script("slurm-up", *args)

    def down(self):
        """Stop and remove it; what was left behind, as lines."""
        self.script("slurm-down", *[] if self.keep else ["-r"], check=False)

        def left():
            return [pid for pid, environ in processes() if b"SLURM_CONF=" + self.conf.encode() in environ.split(b"\0")
                    and b"SLURM_JOB_ID=" in environ and (proc_stat(pid) or "Z")[0] not in "ZX"]
        with contextlib.suppress(Failure):
            wait_for(lambda: not left(), "", 10)
        lines = ["process left: " + describe(pid) for pid in left()]
        with open(os.path.join(self.top, "slurm-down.log")) as f:
            lines += ["slurm-down: " + line for line in f if "down: down" not in line]
        if not lines and not self.keep:
            shutil.rmtree(self.top, ignore_errors=True)
        return lines

    def env(self, more=None):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "SLURM_CONF": self.conf,
                **(more or {})}

    def pid(self, name):
        """The pid of slurmctld, slurmd.N or init.N, 0 when there is none."""
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(self.dir, "run", name + ".pid")) as f:
                return int(f.read())
        return 0

    def kill(self, *names):
        """kill -9 of slurmctld, slurmd.N or init.N."""
        for pid in map(self.pid, names):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not alive(pid), lambda: describe(pid))

    def save(self, job):
        """Have slurmctld write to disk that the job runs; it does so every few seconds."""
        state = os.path.join(self.dir, "state", "job_state")
        begin = time.time()
        job.slurm.scontrol("update", "JobId=" + job.id, "Comment=saved")
        wait_for(lambda: os.path.exists(state) and os.stat(state).st_mtime > begin, state)

    def forget(self):
        """It begins anew, with job 1; nothing is left of what ran."""
        self.script("slurm-down")
        for part in ("state", "spool"):
            for name in os.listdir(os.path.join(self.dir, part)):
                path = os.path.join(self.dir, part, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.up()


def identity(name):
    """Arguments of Popen to become the user of that name; {} for ourselves."""
    if not name or os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Slurm:
    """One test's private place, user and jobs on a cluster."""

    def __init__(self, cluster, user=USERS[0]):
        self.cluster = cluster
        self.installed = cluster.installed
        self.as_user = identity(user)
        self.uid = self.as_user.get("user", os.getuid())
        self.gid = self.as_user.get("group", os.getgid())
        self.mark = uuid.uuid4().hex
        cluster.count += 1
        self.dir = os.path.join(cluster.top, "t%d" % cluster.count)
        self.mkdir("")
        self.tmp = self.mkdir("tmp")
        self.jobs = []

    # --- files ---

    def path(self, name):
        return os.path.join(self.dir, name)

    def mkdir(self, name, mode=0o755):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        os.chmod(path, mode)
        os.chown(path, self.uid, self.gid)
        return path

    def file(self, name, content="", mode=0o644):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)
        os.chown(path, self.uid, self.gid)
        return path

    def read(self, name):
        """What is in a file of the test; "" when there is none."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.path(name), "rb") as f:
                return f.read().decode(errors="replace")
        return ""

    # --- commands ---

    def env(self, more=None):
        """What the user has at submission; jobs get it, too."""
        return self.cluster.env({
            "HOME": self.dir,
            "USER": pwd.getpwuid(self.uid).pw_name,
            "TMPDIR": self.tmp,
            MARK: self.mark,
            "PATH": os.path.join(self.installed.prefix, "bin") + ":/usr/local/bin:/usr/bin:/bin",
            # pytest changes another of them in its own thread
            **{n: os.environ[n] for n in ("CKPT_LOG", "CKPT_LOG_DIR", "ASAN_OPTIONS") if n in os.environ},
            **(more or {})})

    def run(self, *argv, expect=0, env=None, limit=LIMIT, **popen):
        """Run argv as the user to its end; a CompletedProcess with text."""
        done = subprocess.run(argv, env=self.env(env), cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=limit, check=False,
                              **{"stdin": subprocess.DEVNULL, **self.as_user, **popen})
        if expect is not None and done.returncode != expect:
            raise Failure("%s: status %d, not %d: %s%s" % (" ".join(argv), done.returncode, expect, done.stdout,
                                                         done.stderr))
        return done

    def scontrol(self, *args, expect=0):
        """As the cluster's administrator."""
        return self.run("scontrol", *args, expect=expect, **(self.cluster.owner or {"user": os.getuid()}))

    def submit(self, script, *options, name="job", env=None):
        """sbatch a script, given as text; the Job. Its output goes to NAME-%j.out, %A_%a for arrays."""
        if not script.startswith("#!"):
            script = "#!/bin/bash\n" + script
        path = self.file(name + ".sh", script, 0o755)
        array = any(o.startswith(("--array", "-a")) for o in options)
        out = [] if any(o.startswith(("--output", "-o")) for o in options) else [
            "--output=%s-%s.out" % (name, "%A_%a" if array else "%j")]
        done = self.run("sbatch", "--parsable", *out, *options, path, env=env)
        job = Job(self, done.stdout.strip().split(";")[0], name)
        self.jobs.append(job)
        return job

    # --- the end ---

    def left(self):
        return [pid for pid, environ in processes()
                if self.mark.encode() in environ and (proc_stat(pid) or "Z")[0] not in "ZX"]

    def stop(self):
        """End what still runs; what was left behind, as lines."""
        ids = [j.id for j in self.jobs]
        if ids:
            self.run("scancel", *ids, expect=None)

        def ended():
            """Those that scancel doesn't reach: requeued, while it looked."""
            live = [i for i in ids if not Job(self, i).over()]
            if live:
                self.run("scancel", *live, expect=None)
            return not live
        with contextlib.suppress(Failure):
            wait_for(ended, "", 60)
        with contextlib.suppress(Failure):
            wait_for(lambda: not self.left(), "", 20)
        lines = ["process left: " + describe(pid) for pid in self.left()]
        for pid in self.left():
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
        for where, _, names in os.walk(self.dir):
            lines += ["left: " + os.path.join(where, name) for name in names if name.endswith((".part", ".sock"))]
        return lines

    def story(self):
        """What the user's files say, for a failure."""
        text = []
        for where, _, names in os.walk(self.dir):
            for name in sorted(names):
                path = os.path.join(where, name)
                if name.endswith((".out", ".err", "log", "state")):
                    text.append("--- %s\n%s" % (path, self.read(path)[-3000:]))
        return "\n".join(text)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Job:
    """A batch job, or a task of an array: id is NUMBER or NUMBER_TASK."""

    def __init__(self, slurm, ident, name="job"):
        self.slurm = slurm
        self.id = ident
        self.name = name

    def task(self, number):
        """Of an array."""
        return Job(self.slurm, "%s_%d" % (self.id, number), self.name)

    def show_all(self):
        """`scontrol show job`, a dict for each line; [] when it isn't known, or nobody answers."""
        done = self.slurm.run("scontrol", "-o", "show", "job", self.id, expect=None)
        return [dict(f.split("=", 1) for f in line.split() if "=" in f) for line in done.stdout.splitlines()
                if line.startswith("JobId=")]

    def show(self):
        return (self.show_all() or [{}])[0]

    def state(self):
        return self.show().get("JobState", "UNKNOWN")

    def over(self):
        """Have all of it ended, and been tidied up?"""
        done = self.slurm.run("squeue", "-h", "-r", "-j", self.id, "-o", "%T", expect=None)
        if "Invalid job id" in done.stderr:
            return True
        return not done.returncode and not set(done.stdout.split()) & LIVE

    def restarts(self):
        """How often it was requeued."""
        return int(self.show().get("Restarts", "0"))

    def wait_for(self, condition, what, limit=LIMIT):
        """Wait until condition(job as show() gives it) is true. A job that has ended, and stays so, changes no more."""
        seen, ended = [{}], [0]

        def look():
            time.sleep(0.1)
            seen[0] = self.show()
            if seen[0] and condition(seen[0]):
                return True
            ended[0] = ended[0] + 1 if seen[0].get("JobState") in FINAL else 0
            if ended[0] > 100:
                raise Failure("no " + story())
            return False

        def story():
            return "%s of job %s: %s\n%s" % (what, self.id, seen[0], self.slurm.story())
        return wait_for(look, story, limit)

    def wait_state(self, *states, limit=LIMIT):
        self.wait_for(lambda j: j["JobState"] in states, " or ".join(states), limit)

    def wait_restarts(self, number, limit=LIMIT):
        """Wait until it runs for the number-th time after the first."""
        self.wait_for(lambda j: int(j["Restarts"]) >= number and j["JobState"] == "RUNNING", "restart %d" % number, limit)

    def wait_completed(self, limit=LIMIT):
        """Wait for an end with status 0 of one job."""
        self.wait_for(lambda j: j["JobState"] in FINAL, "the end", limit)
        state = self.state()
        if state != "COMPLETED":
            raise Failure("job %s ended as %s: %s\n%s" % (self.id, state, self.show(), self.slurm.story()))

    def out(self):
        """The path of its output."""
        return self.slurm.path("%s-%s.out" % (self.name, self.id))

    def output(self):
        return self.slurm.read(self.out())

    def wait_output(self, text, limit=LIMIT):
        wait_for(lambda: text in self.output(),
                 lambda: "%r of job %s: %s\n%s" % (text, self.id, self.show(), self.slurm.story()), limit)

    def signal(self, sig="USR1", expect=0):
        """To every process of its steps, as --signal does; expect: scancel's status, None: any."""
        self.slurm.run("scancel", "-s", sig, self.id, expect=expect)

    def cancel(self):
        self.slurm.run("scancel", self.id)

    def processes(self):
        """Pids of all processes whose environment shows that they are its."""
        want = {b"SLURM_JOB_ID=" + self.show().get("JobId", "?").encode()}
        want.add(b"SLURM_CONF=" + self.slurm.cluster.conf.encode())
        return [pid for pid, environ in processes() if want <= set(environ.split(b"\0"))]
