"""Nothing grows from generation to generation. `make chain` draws a long one (doc/chain.png)."""

import os

import pytest

import chaintest

CYCLES = 1000 if os.environ.get("CKPT_TEST_LONG") == "1" else 25


@pytest.mark.parametrize("ckpt", [{"root": False}], indirect=True, ids=["user"])
def test_chain(ckpt, programs):
    chain = chaintest.Chain(ckpt, programs)
    for _ in range(CYCLES):
        chain.cycle()
    chain.finish()
    first, rest = chain.rows[1], chain.rows[2:]  # the first was launched, not restarted
    for row in rest:
        for what in ("descriptors", "threads", "environment"):
            assert row[what] == first[what], (what, first, row)
    # How the kernel cuts and joins areas, and what the allocators keep, goes up and down by a few.
    assert max(row["areas"] for row in rest[-5:]) <= first["areas"] + 3, chain.rows
    assert max(row["bytes"] for row in rest[-5:]) <= first["bytes"] * 1.05, chain.rows
