"""What a test needs to checkpoint, kill and restart a program.

Everything a test makes lives in one directory of its own, and everything it starts carries a mark in
its environment: so the end of a test can tell that nothing was left behind, whoever else uses the
machine. Nothing here asserts on a time; a wait only has a limit far off, to fail instead of to hang.
"""

import contextlib
import json
import os
import pty
import pwd
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
import uuid

LIMIT = 60  # seconds until a wait fails
MARK = "CKPT_TEST_MARK"
FIRST_UID, LAST_UID = 20000, 59999  # ordinary users; they need no entry in /etc/passwd

# Whoever runs the tests in the background of a shell without job control has these ignored; programs inherit that.
for _ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_ignored) == signal.SIG_IGN:
        signal.signal(_ignored, signal.default_int_handler if _ignored == signal.SIGINT else signal.SIG_DFL)

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failure(AssertionError):
    pass


class Install:
    """The programs under test, installed where every user can read them."""

    def __init__(self, prefix):
        self.prefix = prefix

    def bin(self, name):
        return os.path.join(self.prefix, "bin", name)


def install():
    """`make install` into a world-readable directory; returns it. CKPT_TEST_PREFIX names one to use."""
    given = os.environ.get("CKPT_TEST_PREFIX")
    if given:
        return Install(os.path.abspath(given)), None
    top = tempfile.mkdtemp(prefix="ckpt-test-install-")
    os.chmod(top, 0o755)
    prefix = os.path.join(top, "usr")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "DESTDIR")}
    run = subprocess.run(["make", "-s", "-C", TREE, "install", "prefix=" + prefix], env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        raise Failure("make install failed:\n" + run.stdout[-2000:])
    return Install(prefix), top


def all_may_read(path):
    """May the ordinary user of the tests run what is at path?"""
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def processes():
    """(pid, environment) of every process whose environment can be read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open("/proc/%s/environ" % name, "rb") as f:
                    yield int(name), f.read()


def proc_stat(pid):
    """(state, ppid) or None."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return fields[0], int(fields[1])
    except (OSError, IndexError):
        return None


def alive(pid):
    """Does a thread of the process still run? Its first one may have ended before."""
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return False
    return len(tasks) > 1 or (proc_stat(pid) or "Z")[0] not in "ZX"


def comm(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


def proc_children(pid):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            st = proc_stat(int(name))
            if st and st[1] == pid:
                found.append(int(name))
    return found


def proc_inner_pid(pid):
    """The pid a process sees itself, or None."""
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith("NSpid:"):
                    return int(line.split()[-1])
    except OSError:
        pass
    return None


def describe(pid):
    """One line on what a process is doing, for a failure."""
    def read(what):
        try:
            with open("/proc/%d/%s" % (pid, what), "rb") as f:
                return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError as e:
            return e.strerror
    return "pid %d: %s; state %s; wchan %s; syscall %s" % (
        pid, read("cmdline")[:200], (proc_stat(pid) or "?")[0], read("wchan"), read("syscall"))


def wait_for(condition, what, limit=LIMIT):
    """Wait until condition() is true and return its value."""
    end = time.monotonic() + limit
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("waited %d s for %s" % (limit, what() if callable(what) else what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


class Job:
    """A program under ckpt_launch or ckpt_restart."""

    def __init__(self, ckpt, popen, pid, out, err, restart_out=None, master=None):
        self.ckpt = ckpt
        self.popen = popen
        self.pid = pid  # as the program sees it; None: not yet known
        self.out = out
        self.err = err
        self.restart_out = restart_out  # what ckpt_restart itself printed
        self.master = master
        self.known = restart_out is None  # to the coordinator
        self.job_id = None  # "CKPT_JOB=..." of a launched job, once it was looked for

    def output(self):
        with open(self.out, "rb") as f:
            return f.read().decode(errors="replace")

    def errors(self):
        text = ""
        for path in (self.err, self.restart_out):
            if path and os.path.exists(path):
                with open(path, "rb") as f:
                    text += f.read().decode(errors="replace")
        return text

    def story(self):
        """Everything known about the job, for a failure."""
        tail = "\n".join(describe(p) for p in self.tree())
        return "status %s\n--- output\n%s\n--- errors\n%s\n--- processes\n%s" % (
            self.popen.poll(), self.output()[-1500:], self.errors()[-3000:], tail)

    def tree(self):
        """Pids, as we see them, of the process we started and all below it."""
        todo, found = [self.popen.pid], []
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += proc_children(pid)
        return found

    def outer_pid(self):
        """The program's pid as we see it."""
        if self.restart_out is None:
            return self.popen.pid
        for pid in self.tree()[1:]:
            if proc_inner_pid(pid) == self.pid and alive(pid):
                return pid
        return None

    def running(self):
        return self.popen.poll() is None

    def wait_output(self, text, limit=LIMIT):
        def seen():
            if text in self.output():
                return True
            if not self.running():
                if text in self.output():
                    return True
                raise Failure("ended before it printed %r: %s" % (text, self.story()))
            return False
        wait_for(seen, lambda: "%r: %s" % (text, self.story()), limit)

    def wait_growth(self, nbytes=1, limit=LIMIT):
        """Wait until the output is nbytes longer, or the job has ended."""
        start = os.path.getsize(self.out)
        wait_for(lambda: not self.running() or os.path.getsize(self.out) >= start + nbytes,
                 lambda: "more output: " + self.story(), limit)

    def wait_program(self):
        """Wait until the restarted program exists; its pid as we see it, None when all has ended."""
        def found():
            return self.outer_pid() or not self.running()
        pid = wait_for(found, lambda: "the restarted program: " + self.story())
        return None if pid is True else pid

    def signal(self, sig):
        pid = self.wait_program()
        if pid:
            os.kill(pid, sig)

    def programs(self):
        """All processes of the job but what is ours, as we see them; orphans have left the tree."""
        found = set(self.tree())
        if self.restart_out is None:
            own = [e for pid, env in processes() if pid == self.popen.pid
                   for e in env.split(b"\0") if e.startswith(b"CKPT_JOB=")]
            self.job_id = own[0] if own else self.job_id
            found |= {pid for pid, environ in processes()
                      if self.job_id and self.job_id in environ.split(b"\0")}
        return [pid for pid in found if not comm(pid).startswith("ckpt_")]

    def kill(self):
        """kill -9 of the whole job; returns the status that the shell would see of the program."""
        self.wait_program()
        seen = set()

        def ended():
            found = [pid for pid in self.programs() if alive(pid)]
            seen.update(found)
            for sig in (signal.SIGSTOP, signal.SIGKILL):  # one that runs may make others, or tidy up behind a dead one
                for pid in found:
                    with contextlib.suppress(OSError):
                        os.kill(pid, sig)
            if not found and self.running():  # on a terminal ckpt_restart stops with its program: nobody types fg
                self.popen.send_signal(signal.SIGCONT)
            return not found and not self.running()  # a program in the making still has ckpt_restart's name
        wait_for(ended, self.story)
        # An orphan that closes what takes long, as inotify(7) does, shows neither parent nor environment any more.
        wait_for(lambda: not any(alive(pid) for pid in seen), self.story)
        return self.wait(check=False)

    def kill_all(self):
        """kill -9 of what we started, whatever it is: the supervisor of a restarted job."""
        if self.restart_out is None:
            return self.kill()
        below = self.tree()[1:]
        self.popen.kill()
        status = self.wait(check=False)
        wait_for(lambda: not any(alive(pid) for pid in below), "the capsule to end")
        return status

    def wait(self, expect=0, check=True, limit=LIMIT):
        """Wait for the end; the exit status (negative: signal)."""
        try:
            status = self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure("did not end in %d s: %s" % (limit, self.story())) from None
        if check and status != expect:
            raise Failure("exit status %d, not %d: %s" % (status, expect, self.story()))
        return status


class Ckpt:
    """One test's private place, user, coordinator and jobs."""

    def __init__(self, installed, root=False, compress="zstd", user=None):
        self.installed = installed
        self.root = root
        self.compress = compress
        self.mark = uuid.uuid4().hex
        self.as_user = {}
        self.uid, self.gid = os.getuid(), os.getgid()
        if os.getuid() == 0 and not root:
            # a user of its own for each test: a coordinator takes up what it finds of its user's
            self.uid = self.gid = random.randint(FIRST_UID, LAST_UID)
            if user:  # a program that wants to know its name
                entry = pwd.getpwnam(user)
                self.uid, self.gid = entry.pw_uid, entry.pw_gid
            self.as_user = {"user": self.uid, "group": self.gid, "extra_groups": []}
        self.dir = tempfile.mkdtemp(prefix="ckpt-test-")
        self.images = self.mkdir("images")
        self.work = self.mkdir("work")
        self.runtime = self.mkdir("run", 0o700)
        self.tmp = self.mkdir("tmp")
        os.chmod(self.dir, 0o755)
        os.chown(self.dir, self.uid, self.gid)
        self.jobs = []
        self.count = 0
        self.before = set(ipc_objects())
        self.random = random.Random(os.environ.get("CKPT_TEST_SEED", self.mark))
        self.extra_env = {}

    # --- files ---

    def mkdir(self, name, mode=0o755):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        os.chmod(path, mode)
        os.chown(path, self.uid, self.gid)
        return path

    def file(self, name, content="", mode=0o644):
        """A file in the program's working directory, owned by the user."""
        path = os.path.join(self.work, name)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)
        os.chown(path, self.uid, self.gid)
        return path

    def path(self, name):
        return os.path.join(self.work, name)

    # --- programs ---

    def env(self, more=None):
        env = {
            # no places that an ordinary user may not look into
            "PATH": os.environ["PATH"] if self.root else "/usr/local/bin:/usr/bin:/bin",
            "HOME": self.work,
            "TMPDIR": self.tmp,
            "XDG_RUNTIME_DIR": self.runtime,
            "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in ("ASAN_OPTIONS",) if name in os.environ},
            MARK: self.mark,
        }
        if "CKPT_LOG" in os.environ:
            env["CKPT_LOG"] = os.environ["CKPT_LOG"]
        if "CKPT_LOG_DIR" in os.environ:
            env["CKPT_LOG_DIR"] = os.environ["CKPT_LOG_DIR"]
        env.update(self.extra_env)
        env.update(more or {})
        return env

    def start(self, argv, out, err, env=None, tty=False, stdin=subprocess.DEVNULL, cwd=None,
              append=False, **popen):
        """Start argv as the test's user with its output in files."""
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
        out_fd = os.open(out, flags, 0o644)
        err_fd = os.open(err, flags, 0o644)
        for fd in (out_fd, err_fd):
            os.fchown(fd, self.uid, self.gid)
        master = None
        if tty:
            master, slave = pty.openpty()
            os.fchown(slave, self.uid, self.gid)
            argv = ["setsid", "-c"] + argv
            p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=self.env(env),
                                 cwd=cwd or self.work, **self.as_user, **popen)
            os.close(slave)
            threading.Thread(target=drain, args=(master, out_fd), daemon=True).start()
        else:
            p = subprocess.Popen(argv, stdin=stdin, stdout=out_fd, stderr=err_fd,
                                 env=self.env(env), cwd=cwd or self.work, **self.as_user, **popen)
            os.close(out_fd)
        os.close(err_fd)
        return p, master

    def name(self, stem):
        self.count += 1
        return os.path.join(self.dir, "%s-%d" % (stem, self.count))

    def launch(self, argv, options=(), env=None, tty=False, compress=None, **popen):
        """ckpt_launch argv; the Job."""
        out, err = self.name("out"), self.name("err")
        command = [self.installed.bin("ckpt_launch"), "--ckptdir", self.images,
                   "--compress=" + (compress or self.compress), *options, *argv]
        p, master = self.start(command, out, err, env, tty, **popen)
        job = Job(self, p, p.pid, out, err, master=master)
        self.jobs.append(job)
        return job

    def restart(self, image, job, options=(), env=None, tty=False, **popen):
        """ckpt_restart image, a checkpoint of job; the new Job."""
        rout = self.name("restart")
        command = [self.installed.bin("ckpt_restart"), *options, image]
        if tty:
            p, master = self.start(command, job.out, rout, env, tty, append=True, **popen)
        else:
            p, master = self.start(command, rout, rout, env, append=True, **popen)
        new = Job(self, p, job.pid, job.out, job.err, rout, master)
        self.jobs.append(new)
        return new

    def run(self, name, *args, limit=LIMIT, env=None, **popen):
        """Run one of our programs to its end; a CompletedProcess with text."""
        return subprocess.run([self.installed.bin(name), *args], env=self.env(env), cwd=self.work,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=limit,
                              **{**self.as_user, **popen})

    def command(self, *args, expect=0, limit=LIMIT):
        done = self.run("ckpt_command", *args, limit=limit)
        if expect is not None and done.returncode != expect:
            raise Failure("ckpt_command %s: status %d, not %d: %s%s\n%s" % (
                " ".join(args), done.returncode, expect, done.stdout, done.stderr,
                "\n".join(j.story() for j in self.jobs if j.running())))
        return done

    def wait_known(self, job):
        """Wait until a restarted job runs: until the coordinator knows it."""
        def known():
            answer = self.command("--list", "--json", expect=None)
            if not job.running() or answer.returncode not in (0, 3):
                raise Failure("restart failed: %s%s" % (answer.stderr, job.story()))
            return any(m["inner_pid"] == job.pid
                       for j in json.loads(answer.stdout)["jobs"] for m in j["members"])
        if job.restart_out is not None and not job.known:
            wait_for(known, lambda: "the restarted program: " + job.story())
            job.known = True

    def checkpoint(self, *args):
        """ckpt_command --checkpoint: the object of the only job in its answer."""
        for job in self.jobs:
            if job.running():
                self.wait_known(job)
        answer = json.loads(self.command("--checkpoint", "--json", *args).stdout)
        jobs = answer["jobs"]
        if len(jobs) != 1:
            raise Failure("%d jobs in %r" % (len(jobs), answer))
        result = jobs[0]
        st = os.stat(result["image"])
        assert stat.S_IMODE(st.st_mode) == 0o600, "image has mode %o" % st.st_mode
        assert st.st_uid == self.uid
        assert st.st_size == result["bytes"], (st.st_size, result)
        return result

    def uninterrupted(self, argv, env=None, limit=LIMIT, cwd=None, stdin=None):
        """Output of argv, run without us."""
        with open(stdin or os.devnull) as source:
            done = subprocess.run(argv, env=self.env(env), cwd=cwd or self.work, stdin=source,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit,
                                  **self.as_user)
        if done.returncode:
            raise Failure("%s alone: status %d: %s" % (
                " ".join(argv), done.returncode, done.stderr.decode(errors="replace")[-2000:]))
        return done.stdout.decode()

    def chain(self, argv, generations=3, env=None, by="output", expected=None, stdin=None,
              limit=LIMIT, restart_options=(), at_once=False, **launch):
        """Run argv with checkpoints at random moments, each followed by kill -9 and a restart.

        Expects the output of an uninterrupted run, byte for byte. by="time" is for a program whose
        output comes late. stdin names a file. at_once: killed by the checkpoint itself, for programs
        that later remove files they need again after a restart.
        """
        start = time.monotonic()
        if expected is None:
            expected = self.uninterrupted(argv, env, stdin=stdin)
        took = time.monotonic() - start
        size = len(expected.encode())
        with open(stdin or os.devnull) as source:
            job = self.launch(argv, env=env, stdin=source, **launch)
        for generation in range(generations):
            # spread over the middle of the run
            at = 0.1 + 0.7 * (generation + self.random.random()) / generations
            if by == "output":
                wait_for(lambda: not job.running() or os.path.getsize(job.out) >= at * size,
                         lambda: "output: " + job.story(), limit)
            else:
                time.sleep(0.5 * took / generations * self.random.random() + 0.05)
            time.sleep(self.random.random() * 0.01)
            if not job.running():
                raise Failure("ended before checkpoint %d: %s" % (generation, job.story()))
            image = self.checkpoint(*["--kill"] * at_once)["image"]
            if at_once:
                job.wait(check=False)
            else:
                time.sleep(self.random.random() * 0.1 * took)
                job.kill() if self.random.random() < 0.8 else job.kill_all()
            job = self.restart(image, job, restart_options)
            assert job.wait_program() or job.popen.returncode == 0, job.story()
        job.wait(limit=limit)
        if job.output() != expected:
            raise Failure("the output differs: %s\n%s" % (
                first_difference(job.output(), expected), job.story()))
        return job

    # --- the end ---

    def coordinators(self):
        found = []
        for pid, environ in processes():
            with contextlib.suppress(OSError):
                with open("/proc/%d/comm" % pid) as f:
                    if self.mark.encode() in environ and f.read().startswith("ckpt_coordinat"):
                        found.append(pid)
        return found

    def left(self):
        return [pid for pid, environ in processes()
                if self.mark.encode() in environ and (proc_stat(pid) or "Z")[0] not in "ZX"]

    def ended(self):
        """A coordinator that becomes a daemon just now is not seen at every look."""
        for pid in self.coordinators():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        return not self.left() and not self.sockets()

    def sockets(self):
        """Of ours, not those of programs."""
        found = []
        for where, _, names in os.walk(self.dir):
            for path in (os.path.join(where, name) for name in names):
                with contextlib.suppress(FileNotFoundError):
                    if stat.S_ISSOCK(os.lstat(path).st_mode) and not path.startswith(self.work):
                        found.append(path)
        return found

    def stop(self):
        """End what still runs; returns what was left behind, as lines."""
        for job in self.jobs:
            if job.running():
                job.popen.kill()
                job.popen.wait()
            if job.master is not None:
                with contextlib.suppress(OSError):
                    os.close(job.master)
                job.master = None
        for _ in range(2):  # a coordinator that is only being started is not there yet, and soon is
            with contextlib.suppress(Failure):
                wait_for(self.ended, "", 10)
            lines = self.remains()
            if not lines:
                break
        for pid in self.left():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return lines

    def remains(self):
        """What is left behind, as lines."""
        lines = ["process left: " + describe(pid) for pid in self.left()]
        for where, _, names in os.walk(self.dir):
            lines += ["left: " + os.path.join(where, name) for name in names if name.endswith(".part")]
        lines += ["left socket: " + path for path in self.sockets()]
        # The coordinator's directory stays, and the lock in it: to remove a lock is a race.
        for where in (self.runtime, self.tmp):
            for name in os.listdir(where):
                path = os.path.join(where, name)
                ours = name.startswith("ckpt") and os.path.isdir(path)
                if not ours or set(os.listdir(path)) - {"coordinator.sock.lock"}:
                    lines.append("left: %s %s" % (path, os.listdir(path) if ours else ""))
        lines += ["IPC object left: " + o for o in set(ipc_objects()) - self.before
                  if self.owns_ipc(o)]
        return sorted(set(lines))

    def ipc_remove(self):
        """What a killed program leaves in the kernel: SysV objects, queues named /ckpt-test-*."""
        for line in set(ipc_objects()) - self.before:
            kind, ident, _, uid = line.split()
            if int(uid) == self.uid:
                # One that was to end with its last attachment may have done so meanwhile.
                subprocess.run(["ipcrm", {"shm": "-m", "sem": "-s", "msg": "-q"}[kind], ident],
                               stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["unshare", "-m", "sh", "-c",
                        "mount -t mqueue none /mnt && find /mnt -name 'ckpt-test-*' -user %d -delete" % self.uid],
                       check=True)

    def remove_ipc(self):
        """Remove SysV objects that a program had when it was killed: nobody else would."""
        for line in set(ipc_objects()) - self.before:
            if self.owns_ipc(line):
                kind, number = line.split()[:2]
                subprocess.run(["ipcrm", {"shm": "-m", "sem": "-s", "msg": "-q"}[kind], number], check=True)

    def owns_ipc(self, line):
        return not self.root and " %d " % self.uid in line

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def first_difference(is_text, was_text):
    a, b = is_text.splitlines(), was_text.splitlines()
    for n, (x, y) in enumerate(zip(a, b), 1):
        if x != y:
            return "line %d is %r, should be %r" % (n, x[:200], y[:200])
    return "%d lines, should be %d" % (len(a), len(b))


def drain(master, out):
    """Copy what comes out of a terminal to a file, until its end."""
    with contextlib.suppress(OSError):
        while True:
            data = os.read(master, 4096)
            if not data:
                break
            os.write(out, data)
    os.close(out)


def ipc_objects():
    for kind in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError):
            with open("/proc/sysvipc/" + kind) as f:
                for line in f.readlines()[1:]:
                    fields = line.split()
                    uid = fields[{"shm": 7, "sem": 4, "msg": 7}[kind]]
                    yield "%s %s uid %s " % (kind, fields[1], uid)
