"""Where results become segments: bytes in memory while they are few, an upload in parts beyond that."""

from collections.abc import Callable

import orjson

from modelet_runtime.batch.forms.base import Results, Writer
from modelet_runtime.batch.objects import Bucket, Upload
from modelet_runtime.batch.records import Segment
from modelet_runtime.errors import ModeletError
from modelet_runtime.http.failures import code_of

_PART_BYTES = 8 * 1024 * 1024


class SegmentStream:
    """One kind of output of a part, segment after segment.

    Args:
        bucket: The output bucket.
        name: Gives the key of the segment of a number.
    """

    def __init__(self, bucket: Bucket, name: Callable[[int], str]) -> None:
        self._bucket = bucket
        self._name = name
        self._number = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._upload: Upload | None = None
        self.rows = 0

    @property
    def held(self) -> bytes | None:
        """The whole segment, while it is in memory alone."""
        return b"".join(self._held) if self._upload is None else None

    def add(self, data: bytes, rows: int) -> None:
        """Append to the segment."""
        self._held.append(data)
        self._held_bytes += len(data)
        self.rows += rows
        if self._held_bytes >= _PART_BYTES:
            if self._upload is None:
                self._upload = self._bucket.begin_upload(
                    self._name(self._number), "application/octet-stream", {}
                )
            self._upload.add(self._taken())

    def _taken(self) -> bytes:
        """What is held, joined by its only copy; a part of an upload may be longer than the others."""
        data = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return data

    def close(self) -> Segment | None:
        """Store the segment; None if it is empty. The next begins."""
        key, rows, tail = self._name(self._number), self.rows, self._taken()
        if self._upload is not None:
            if tail:
                self._upload.add(tail)
            size_bytes = self._upload.size_bytes
            self._upload.complete(only_new=False)
        elif tail:
            size_bytes = len(tail)
            self._bucket.put(key, tail)
        else:
            return None
        self._number += 1
        self._upload, self.rows = None, 0
        return Segment(key, size_bytes, rows)

    def abort(self) -> None:
        """Drop what is not stored."""
        if self._upload is not None:
            self._upload.abort()


class Sink:
    """Writes a part's results and failures, and counts them.

    Args:
        writer: The output form.
        results: Where results go.
        errors: Where failures go.
    """

    def __init__(self, writer: Writer, results: SegmentStream, errors: SegmentStream) -> None:
        self.writer = writer
        self.results = results
        self.errors = errors
        self.rows = 0
        self.failed_rows = 0
        self.bytes_done = 0
        self.first_failure = ""

    def take(self, results: Results) -> None:
        """Write some rows."""
        self.results.add(self.writer.write(results), results.rows)
        if results.failures:
            first = min(results.failures)
            self.first_failure = (
                self.first_failure or f"row {results.first + first}: {results.failures[first]}"
            )
            lines = [failure_line(results, row) for row in sorted(results.failures)]
            self.errors.add(b"".join(lines), len(lines))
        self.rows += results.rows
        self.failed_rows += len(results.failures)
        self.bytes_done = max(self.bytes_done, results.bytes_done)

    def abort(self) -> None:
        """Drop what is not stored."""
        self.results.abort()
        self.errors.abort()


def failure_line(results: Results, row: int) -> bytes:
    """One failed row: its number, what was wrong, and what it is called."""
    error = results.failures[row]
    text = str(error) if isinstance(error, ModeletError) else type(error).__name__
    number = results.numbers[row] if results.numbers is not None else results.first + row
    document = {
        "row": number,
        "error": {"code": code_of(error), "message": text[:2000]},
        "reference": results.refer(row),
    }
    return orjson.dumps(document) + b"\n"
