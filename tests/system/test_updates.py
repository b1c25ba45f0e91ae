"""An image restarts after the program's own file, or a library it uses, was replaced or removed: the text
that ran is in the image. And the reserved signal can be another one."""

import os
import shutil

import pytest

PYTHON = "/usr/bin/python3"


def expected(lines):
    return "started\n" + "".join("line %d\n" % i for i in range(lines)) + "end\n"


def replace(path, content):
    """As a package manager does: a new file under the same name."""
    with open(path + ".new", "wb") as f:
        f.write(content)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def remove(path, _):
    os.unlink(path)


def own_copy(ckpt, path):
    copy = ckpt.path(os.path.basename(path))
    shutil.copy(os.path.realpath(path), copy)
    os.chmod(copy, 0o755)
    return copy


@pytest.mark.parametrize("ckpt", [{"root": False}, {"root": True}], indirect=True, ids=["user", "root"])
@pytest.mark.parametrize("how", [replace, remove])
@pytest.mark.parametrize("what", ["program", "library"])
def test_text_is_in_the_image(ckpt, programs, what, how):
    argv = [os.path.join(programs, "apps", "token_ring"), "900"]
    alone = ckpt.uninterrupted(argv)
    env = {}
    if what == "program":
        changed = argv[0] = own_copy(ckpt, argv[0])
    else:
        changed = own_copy(ckpt, "/lib/x86_64-linux-gnu/libc.so.6")
        env["LD_LIBRARY_PATH"] = ckpt.work
    job = ckpt.launch(argv, env=env)
    job.wait_output("round 30:")
    image = ckpt.checkpoint()["image"]
    job.kill()
    how(changed, b"\x7fELF but no more than that" * 100)
    job = ckpt.restart(image, job)
    job.wait_output("round 100:")
    image = ckpt.checkpoint()["image"]  # once more, with what is not there any longer
    job.kill()
    job = ckpt.restart(image, job)
    job.wait()
    assert job.output() == alone


@pytest.mark.parametrize("number", ["10", "34", "50"])
def test_other_signal(ckpt, programs, number):
    ckpt.chain([PYTHON, "-B", os.path.join(programs, "progs", "counter.py"), "300"],
               options=["--signal", number], expected=expected(300))
