"""Huge pages of the kernel's pool: a restart that does not find enough of them says so. What it restores when
there are is tested by memory_hugetlb.c and tree_hugetlb.c."""

import mmap
import os

import pytest

MAP_HUGETLB = 0x40000
SIZE = 2 << 20
FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


def free_pages():
    try:
        with open(FREE) as f:
            return int(f.read())
    except OSError:
        return 0


@pytest.mark.skipif(free_pages() < 3, reason="no huge pages (vm.nr_hugepages)")
@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_not_enough(ckpt, programs):
    job = ckpt.launch([os.path.join(programs, "system", "memory_hugetlb")], env={"CKPT_TEST_GO": ckpt.path("go")})
    job.wait_output("ready\n")
    image = ckpt.checkpoint()["image"]
    job.kill()
    taken = mmap.mmap(-1, (free_pages() - 2) * SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB)
    failed = ckpt.restart(image, job)
    assert failed.wait(check=False) == 125
    assert "3 are needed, 2 are free (vm.nr_hugepages)" in failed.errors(), failed.errors()
    taken.close()
    job = ckpt.restart(image, job)
    assert job.wait_program(), job.story()
    ckpt.file("go")
    job.wait()
