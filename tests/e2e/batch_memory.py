"""Five gigabytes of JSON Lines through a batch function: every row comes out, and memory stays what it was.

`make soak` runs it. Its name keeps it out of `make test`.
"""

import logging

from support.batch_memory import measured

SIZE_BYTES = 5 * 10**9
GROWTH_KIB = 160 * 1024
_log = logging.getLogger(__name__)


def test_five_gigabytes_of_lines():
    found = measured("jsonl", SIZE_BYTES)
    _log.info("%s", found)
    assert found.state == "succeeded", found.message
    assert found.lines == found.rows > 8_000_000
    assert found.peak_kib - found.before_kib < GROWTH_KIB
