"""Inputs of any size go through a function of bounded memory; what can only hurt ends with an error.

The inputs are made while they are read. `make soak` has one of 5 GB.
"""

import pytest
from support.batch_memory import measured

MB, GB = 10**6, 10**9
# Beyond the process with one small input done: a piece of the input, ranges ahead of it, a part of the
# results, and for a line that never ends what a row may have (64 MiB) and its copy.
GROWTH_KIB = 160 * 1024


@pytest.mark.parametrize(("case", "size_bytes"), [("jsonl", 600 * MB), ("csv", 100 * MB)])
def test_memory_is_bounded_whatever_the_files_size(case: str, size_bytes: int):
    found = measured(case, size_bytes)
    assert found.state == "succeeded", found.message
    header = 1 if case == "csv" else 0
    assert found.lines == found.rows + header > 100_000
    assert found.input_bytes <= found.read_bytes < 1.01 * found.input_bytes
    assert found.peak_kib - found.before_kib < GROWTH_KIB


@pytest.mark.parametrize(
    ("case", "size_bytes", "message"),
    [
        ("line", 2 * GB, "is longer than 67108864 bytes"),
        ("columns", 2 * GB, "columns, expected 10000 at most"),
        ("gzip", 5 * MB, "is longer than 67108864 bytes"),  # of 5 GB of blanks
    ],
)
def test_a_bomb_ends_as_a_failed_run_before_it_is_in_memory(case: str, size_bytes: int, message: str):
    found = measured(case, size_bytes)
    assert found.state == "failed"
    assert message in found.message
    assert found.read_bytes < 100 * MB
    assert found.peak_kib - found.before_kib < GROWTH_KIB
