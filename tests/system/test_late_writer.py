"""A writer goes on when its coordinator is killed: what it makes is not in the way of the next checkpoint, nor that in its."""

import os
import signal
import subprocess
import threading

from ckpttest import alive, comm, wait_for
from test_bad_input import BOTH, counter, nothing_partial, verify, writers


def image_names(ckpt):
    """Generations, oldest first."""
    return sorted(n for n in os.listdir(ckpt.images) if not os.path.islink(os.path.join(ckpt.images, n)))


def late_writer(ckpt, job):
    """A writer that has not made its file yet, stopped, and without a coordinator; None: it has come further."""
    command = subprocess.Popen([ckpt.installed.bin("ckpt_command"), "--checkpoint"],
                               env=ckpt.env({"CKPT_FAULT": "writer-open:delay"}),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **ckpt.as_user)
    (writer,) = wait_for(lambda: [p for p in writers(ckpt, job) if comm(p) == "ckpt_writer"], "a writer")
    os.kill(writer, signal.SIGSTOP)
    (coordinator,) = ckpt.coordinators()
    os.kill(coordinator, signal.SIGKILL)
    command.communicate(timeout=60)
    if not [n for n in os.listdir(ckpt.images) if n.endswith(".part")]:
        return writer
    os.kill(writer, signal.SIGCONT)
    wait_for(lambda: not alive(writer), "the writer to end")
    return None


@BOTH
def test_writer_that_is_late(ckpt, programs):
    """Its coordinator is killed before it has made its file. The next checkpoint does not take the name that it has."""
    job = ckpt.launch(counter(programs, 100000, 20), options=["--keep", "0"])
    job.wait_output("line 5\n")
    (coordinator,) = ckpt.coordinators()
    os.kill(coordinator, signal.SIGKILL)
    wait_for(lambda: not alive(coordinator), "the coordinator to end")
    while not (writer := late_writer(ckpt, job)):
        pass
    before = len(image_names(ckpt))
    goes_on = threading.Timer(0.5, os.kill, (writer, signal.SIGCONT))
    goes_on.start()
    while (done := ckpt.command("--checkpoint", expect=None)).returncode:
        assert "is still being written, without a coordinator; try again" in done.stderr
    goes_on.join()
    wait_for(lambda: not writers(ckpt, job), "the writer to end")
    nothing_partial(ckpt)
    images = image_names(ckpt)
    assert len(images) == before + 2 and done.stdout.split()[0].endswith(images[-1]), (before, images)
    for name in images:
        verify(ckpt, os.path.join(ckpt.images, name))
