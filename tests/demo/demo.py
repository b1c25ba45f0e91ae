"""make demo: a running program is checkpointed, killed with kill -9 and restarted, and ends with the
output of a run that nothing happened to. Shows the figures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(TREE, "build", "bin")
PROGRAM = ["/usr/bin/python3", "heat.py", "500", "1500", "15"]


def say(text=""):
    print(text, flush=True)


def run(*words, **popen):
    """Show a command, run it to its end and return its output."""
    say("  $ " + " ".join(words))
    done = subprocess.run([os.path.join(BIN, words[0]), *words[1:]], stdout=subprocess.PIPE, text=True,
                          check=True, **popen)
    return done.stdout


def start(*words, out):
    say("  $ %s%s &" % (" ".join(words), " >" + os.path.basename(out) if out else ""))
    with open(out or os.devnull, "w") as f:
        return subprocess.Popen([os.path.join(BIN, words[0]), *words[1:]], stdout=f)


def size(path):
    with open(path, "rb") as f:
        return len(f.read())


def wait_for_lines(path, lines, process):
    while True:
        with open(path) as f:
            n = f.read().count("\n")
        if n >= lines:
            return n
        if process.poll() is not None:
            sys.exit("the program ended too early, with status %d" % process.returncode)
        time.sleep(0.002)


def main():
    place = tempfile.mkdtemp(prefix="ckpt-demo-")
    os.chdir(place)
    os.mkdir("images")
    # a coordinator of its own, so that the demo touches no other job of ours
    os.mkdir("run", 0o700)
    os.environ["XDG_RUNTIME_DIR"] = os.path.join(place, "run")
    os.environ.pop("CKPT_SOCKET", None)
    shutil.copy(os.path.join(TREE, "tests", "apps", "progs", "heat.py"), place)
    process = None
    try:
        say("The heat equation, %s x %s, %s iterations, first without us:" % (PROGRAM[2], *PROGRAM[2:4]))
        say("  $ " + " ".join(PROGRAM) + " >alone.txt")
        began = time.monotonic()
        with open("alone.txt", "w") as f:
            subprocess.run(PROGRAM, stdout=f, check=True)
        alone = time.monotonic() - began

        say("The same under ckpt_launch:")
        process = start("ckpt_launch", "--ckptdir", "images", *PROGRAM, out="out.txt")
        at = wait_for_lines("out.txt", 30, process)
        say("It has printed %d lines of 101. Now a checkpoint, and some time later kill -9:" % at)
        job = json.loads(run("ckpt_command", "--checkpoint", "--json"))["jobs"][0]
        image = os.path.relpath(job["image"])
        at = wait_for_lines("out.txt", at + 20, process)
        say("  $ kill -9 %d" % process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        say("It had come to line %d. The program is gone; the image is there:" % at)

        before = size("out.txt")
        began = time.monotonic()
        process = start("ckpt_restart", image, out=None)
        while size("out.txt") >= before and process.poll() is None:
            pass  # what came after the checkpoint is cut off
        cut = size("out.txt")
        while size("out.txt") <= cut and process.poll() is None:
            pass
        restarted = time.monotonic() - began
        if process.wait():
            sys.exit("the restarted program ended with status %d" % process.returncode)

        with open("alone.txt") as a, open("out.txt") as b:
            same = a.read() == b.read()
        say("  $ cmp alone.txt out.txt")
        say("The output is %s." % ("the same, byte for byte" if same else "NOT the same"))
        say()
        say("  the program paused for       %8.2f ms" % job["pause_ms"])
        say("  until the image was durable  %8.2f ms" % job["total_ms"])
        say("  size of the image            %8.2f MB" % (job["bytes"] / 1e6))
        say("  restart to next output       %8.2f ms" % (restarted * 1e3))
        say("  run without us               %8.2f s" % alone)
        sys.exit(not same)
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        subprocess.run([os.path.join(BIN, "ckpt_command"), "--quit"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        os.chdir("/")
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
